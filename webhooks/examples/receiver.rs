//! Listens, verifies, prints the type of each event: `WEBHOOK_SECRET=whsec_… receiver 127.0.0.1:9000`
#![expect(clippy::print_stdout, reason = "what it is for")]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use ombud_webhooks::{Secret, SignedHeaders, TOLERANCE, verify};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let secret = [Secret::parse(&std::env::var("WEBHOOK_SECRET")?)?];
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let secret = secret.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let secret = secret.clone();
                async move {
                    let status = match event(&secret, request).await {
                        Ok(event) => {
                            println!("{event}");
                            204
                        }
                        Err(error) => {
                            println!("refused: {error}");
                            400
                        }
                    };
                    Response::builder().status(status).body(String::new())
                }
            });
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await
        });
    }
}

/// The event's type and the `webhook-id`, by which a second try of the same event is known.
async fn event(secret: &[Secret], request: Request<Incoming>) -> Result<String, Failure> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, 1 << 20).collect().await?.to_bytes();
    let headers = SignedHeaders::read(|name| head.headers.get(name)?.to_str().ok())?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    verify(secret, &headers, &body, now, TOLERANCE)?;
    let event: serde_json::Value = serde_json::from_slice(&body)?;
    Ok(format!("{} {}", event["type"].as_str().unwrap_or("?"), headers.id))
}
