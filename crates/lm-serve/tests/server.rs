//! The server by itself: a model, a tokenizer and a token to stop, with nothing of entities.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use burn::backend::Flex;
use lm_model::{ChatTokenizer, checkpoint};
use lm_serve::{Error, Server};
use tokio_util::sync::CancellationToken;

#[path = "../examples/serve.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "an example is a program with a main of its own"
)]
mod serve;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn model_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base")
}

fn server() -> Result<Server<Flex>, Box<dyn std::error::Error>> {
    let dir = model_dir();
    let model = checkpoint::load::<Flex>(&dir, &Default::default())?;
    Ok(Server::new(model, ChatTokenizer::load(&dir)?))
}

#[test]
fn a_model_is_asked_over_http() -> TestResult {
    let answer = serve::run(&model_dir())?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"text_completion\""), "{answer}");
    assert!(answer.contains("\"completion_tokens\":4"), "{answer}");
    Ok(())
}

#[test]
fn an_address_that_is_taken_is_named() -> TestResult {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    let error = server()?.bind(address).err().ok_or("it is taken")?;
    assert!(matches!(error, Error::Listen { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    Ok(())
}

#[test]
fn a_server_that_is_stopped_before_it_begins_ends_at_once() -> TestResult {
    let stop = CancellationToken::new();
    stop.cancel();
    server()?.bind(([127, 0, 0, 1], 0))?.run(&stop)?;
    Ok(())
}
