//! axum on tokio's loop of one thread.

use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use futures_util::StreamExt as _;
use keirin_bench_peers::{HELLO, Page, Summary, arguments, body_16k, listener, race};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (port, _) = arguments();
    let body = Bytes::from(body_16k());
    let routes = Router::new()
        .route("/", get(async || HELLO))
        .route("/json", get(async || Json(race())))
        .route("/16k", get(async move || body.clone()))
        .route("/post", post(summary))
        .route("/upload", post(upload))
        .layer(DefaultBodyLimit::disable());
    // As its documents show for TCP_NODELAY.
    let listener = tokio::net::TcpListener::from_std(listener(port))?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes).await
}

async fn summary(Json(page): Json<Page>) -> Json<Summary> {
    Json(page.summary())
}

async fn upload(body: Body) -> Result<String, StatusCode> {
    let mut chunks = body.into_data_stream();
    let mut received = 0;
    while let Some(chunk) = chunks.next().await {
        received += chunk.map_err(|_| StatusCode::BAD_REQUEST)?.len();
    }
    Ok(received.to_string())
}
