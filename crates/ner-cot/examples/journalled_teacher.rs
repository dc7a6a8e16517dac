//! A teacher and a judge behind a journal: what was answered once is never paid for again.
//! `cargo run -p ner-cot --example journalled_teacher` asks a stub in this process, as it would a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use chat_client::{ChatClient, Endpoint};
use ner_cot::{CancellationToken, Outcome, Pipeline, PipelineConfig};
use ner_types::Example;
use serde_json::json;

/// Finds the city "Brel" and, as the judge, is content with everything.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut head, mut reader) = (String::new(), BufReader::new(stream.try_clone()?));
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let head = head.to_lowercase();
    let length = head.split_once("content-length: ").map(|(_, rest)| rest);
    let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let message = if String::from_utf8_lossy(&body).contains(r#""model":"judge""#) {
        json!({"content": r#"{"score": 9, "reason": "fine"}"#})
    } else {
        let why = "\"Brel\" is a city, where one sleeps.";
        json!({"reasoning_content": why, "content": r#"{"entities": {"city": ["Brel"]}}"#})
    };
    let choice = json!({"message": message, "finish_reason": "stop"});
    let (body, head) = (json!({"choices": [choice]}).to_string(), "HTTP/1.1 200 OK");
    let length = body.len();
    write!(
        stream,
        "{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

async fn annotate(url: &str, dir: &std::path::Path) -> Result<Outcome, ner_cot::Error> {
    let client = |model| ChatClient::new(Endpoint::new(url, model));
    let config = PipelineConfig::default();
    let pipeline = Pipeline::new(client("teacher")?, client("judge")?, config)?;
    let mut row = Example::default();
    (row.sentence, row.schema) = ("Brel sleeps.".into(), vec!["city".into()]);
    let stop = CancellationToken::new();
    pipeline.run(&[row], dir, &stop, &mut ()).await
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(answer));
    let dir = tempfile::tempdir()?;
    let (first, again) = (
        annotate(&url, dir.path()).await?,
        annotate(&url, dir.path()).await?,
    );
    println!("{} requests, then {}", first.requests, again.requests);
    assert_eq!((first.requests, again.requests), (2, 0));
    Ok(())
}
