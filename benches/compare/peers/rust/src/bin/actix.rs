//! actix-web with one worker.

use actix_web::error::PayloadError;
use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::StreamExt as _;
use keirin_bench_peers::{HELLO, Page, arguments, body_16k, race};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let (port, _) = arguments();
    let body = web::Bytes::from(body_16k());
    let server = HttpServer::new(move || {
        let body = body.clone();
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().body(HELLO)))
            .route(
                "/json",
                web::get().to(async || HttpResponse::Ok().json(race())),
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
                    .to(async |page: web::Json<Page>| HttpResponse::Ok().json(page.summary())),
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

async fn upload(mut body: web::Payload) -> Result<HttpResponse, PayloadError> {
    let mut received = 0;
    while let Some(chunk) = body.next().await {
        received += chunk?.len();
    }
    Ok(HttpResponse::Ok().body(received.to_string()))
}
