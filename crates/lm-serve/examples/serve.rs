//! Serves the toy model of this repository, asks it once, and stops:
//! `cargo run --release -p lm-serve --example serve`.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use burn::backend::Flex;
use lm_model::{ChatTokenizer, checkpoint};
use lm_serve::Server;
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", run(Path::new("fixtures/tiny-base"))?);
    Ok(())
}

/// What the model of a folder answers to a question over HTTP.
pub fn run(dir: &Path) -> Result<String, Box<dyn Error>> {
    let model = checkpoint::load::<Flex>(dir, &Default::default())?;
    // Port 0 takes a free one.
    let server = Server::new(model, ChatTokenizer::load(dir)?)
        .name("tiny")
        .bind(([127, 0, 0, 1], 0))?;
    let (address, stop) = (server.address(), CancellationToken::new());
    let client = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let answer = ask(address);
            stop.cancel();
            answer
        }
    });
    // The thread that calls `run` owns the weights and does the work, until the token is cancelled.
    server.run(&stop)?;
    Ok(client.join().map_err(|_| "the client panicked")??)
}

/// One request, without a library for it.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let body = r#"{"model": "tiny", "prompt": "The town", "max_tokens": 4, "temperature": 0}"#;
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
