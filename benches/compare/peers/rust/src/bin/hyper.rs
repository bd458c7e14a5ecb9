//! hyper alone, on tokio's loop of one thread, with its pipelining of answers.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use keirin_bench_peers::{HELLO, JSON_TYPE, Page, arguments, body_16k, listener, race};
use serde::Serialize;

type Answer = Response<Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (port, _) = arguments();
    let body = Bytes::from(body_16k());
    let listener = tokio::net::TcpListener::from_std(listener(port))?;
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let body = body.clone();
                tokio::task::spawn_local(async move {
                    let service = service_fn(|request| {
                        let body = body.clone();
                        async move { Ok::<_, Infallible>(answer(request, body).await) }
                    });
                    let mut connections = http1::Builder::new();
                    connections.pipeline_flush(true);
                    // What ends a connection shows at the generator.
                    let _ = connections
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
        .await
}

async fn answer(request: Request<Incoming>, body: Bytes) -> Answer {
    match request.uri().path() {
        "/" => Response::new(Full::new(Bytes::from_static(HELLO.as_bytes()))),
        "/16k" => Response::new(Full::new(body)),
        "/json" => json(&race()),
        "/post" => match collect(request)
            .await
            .map(|bytes| serde_json::from_slice::<Page>(&bytes))
        {
            Some(Ok(page)) => json(&page.summary()),
            _ => refused(StatusCode::BAD_REQUEST),
        },
        "/upload" => {
            let mut chunks = request.into_body();
            let mut received = 0;
            while let Some(frame) = chunks.frame().await {
                match frame {
                    Ok(frame) => received += frame.data_ref().map_or(0, Bytes::len),
                    Err(_) => return refused(StatusCode::BAD_REQUEST),
                }
            }
            Response::new(Full::new(Bytes::from(received.to_string())))
        }
        _ => refused(StatusCode::NOT_FOUND),
    }
}

async fn collect(request: Request<Incoming>) -> Option<Bytes> {
    Some(request.into_body().collect().await.ok()?.to_bytes())
}

fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).expect("plain data");
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(JSON_TYPE),
    );
    answer
}

fn refused(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
