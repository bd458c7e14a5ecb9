//! ntex on tokio, with one worker.

use futures_util::StreamExt as _;
use keirin_bench_peers::{HELLO, Page, arguments, body_16k, race};
use ntex::util::Bytes;
use ntex::web::error::PayloadError;
use ntex::web::{self, App, HttpResponse, HttpServer, types};

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let (port, _) = arguments();
    let body = Bytes::from(body_16k());
    let server = HttpServer::new(move || {
        let body = body.clone();
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().body(HELLO)))
            .route(
                "/json",
                web::get().to(async || HttpResponse::Ok().json(&race())),
            )
            .route(
                "/16k",
                web::get().to(move || {
                    let body = body.clone();
                    async move { HttpResponse::Ok().body(body) }
                }),
            )
            .route(
                "/post",
                web::post()
                    .to(async |page: types::Json<Page>| HttpResponse::Ok().json(&page.summary())),
            )
            .route("/upload", web::post().to(upload))
    });
    server
        .workers(1)
        .backlog(4096)
        .bind(("127.0.0.1", port))?
        .run()
        .await
}

async fn upload(mut body: types::Payload) -> Result<HttpResponse, PayloadError> {
    let mut received = 0;
    while let Some(chunk) = body.next().await {
        received += chunk?.len();
    }
    Ok(HttpResponse::Ok().body(received.to_string()))
}
