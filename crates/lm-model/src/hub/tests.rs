//! Downloads from a server on this machine that answers as the Hub does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

mod hostile;
mod server;

use server::{COMMIT, Server, hash};

fn settings(address: &str, cache: &Path, retries: u32) -> Settings {
    Settings {
        endpoint: address.to_owned(),
        token: Some("none".to_owned()),
        cache: cache.to_owned(),
        retries,
        silence: Duration::from_secs(60),
    }
}

fn on() -> CancellationToken {
    CancellationToken::new()
}

fn fetch(id: &str, address: &str, cache: &Path, offline: bool) -> Result<PathBuf> {
    let model = HubModel::parse(id).unwrap();
    model.fetch_with(settings(address, cache, 0), offline, &on(), |_, _| {})
}

#[test]
fn ids() {
    let parse = |text: &str| HubModel::parse(text).map(|model| model.to_string());
    for id in [
        "Qwen/Qwen3-0.6B-Base",
        "a/b@main",
        "a/b@0123abcd",
        "a/b@refs/pr/1",
    ] {
        assert_eq!(parse(id).as_deref(), Some(id));
    }
    for other in [
        "model",
        "/a/b",
        "./a",
        "../a",
        "a/b/c",
        "a/",
        "a b/c",
        "a/b@",
        "a/b@../../c",
        "a/b@/c",
        "fixtures/tiny base",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
}

#[test]
fn a_model_is_fetched_once_without_the_files_that_are_not_read() {
    let (server, address) = Server::start(None);
    let cache = tempfile::tempdir().unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    let model = HubModel::parse("some/model").unwrap();
    let report = Arc::clone(&seen);
    let dir = model
        .fetch_with(
            settings(&address, cache.path(), 5),
            false,
            &on(),
            move |done, _| report.store(done, Ordering::SeqCst),
        )
        .unwrap();
    for (name, data) in &server.files {
        let wanted = *name != "pytorch_model.bin";
        assert_eq!(dir.join(name).exists(), wanted, "{name}");
        assert!(!wanted || std::fs::read(dir.join(name)).unwrap() == *data);
    }
    assert_eq!(seen.load(Ordering::SeqCst), 505_002);

    let bodies = |server: &Server| {
        let sent = server.sent.lock().unwrap();
        sent.iter()
            .filter(|path| path.contains("/resolve/"))
            .count()
    };
    assert_eq!(bodies(&server), 4);
    assert_eq!(
        fetch("some/model", &address, cache.path(), false).unwrap(),
        dir
    );
    assert_eq!(bodies(&server), 4);
    // Nothing listens here.
    assert_eq!(
        fetch("some/model", "http://127.0.0.1:9", cache.path(), true).unwrap(),
        dir
    );
}

#[test]
fn an_interrupted_download_goes_on_and_leaves_no_half_file() {
    let broken = "model-00002-of-00002.safetensors";
    let (server, address) = Server::start(Some(broken));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch("some/model", &address, cache.path(), false).unwrap_err();
    assert!(error.to_string().contains("some/model"), "{error}");
    server.broken.store(true, Ordering::SeqCst);
    let dir = fetch("some/model", &address, cache.path(), false).unwrap();
    assert_eq!(
        std::fs::read(dir.join(broken)).unwrap(),
        server.files[broken]
    );
}

#[test]
fn failures_name_the_model_and_what_to_do() {
    let (_server, address) = Server::start(None);
    let cache = tempfile::tempdir().unwrap();
    let message = |id: &str, address: &str, offline: bool| {
        fetch(id, address, cache.path(), offline)
            .unwrap_err()
            .to_string()
    };
    let absent = message("some/other", &address, false);
    assert!(
        absent.contains("some/other") && absent.contains("not found"),
        "{absent}"
    );
    let offline = message("some/model", &address, true);
    assert!(offline.contains("HF_HUB_OFFLINE"), "{offline}");
    let refused = message("some/model", "http://127.0.0.1:9", false);
    assert!(refused.contains("connection"), "{refused}");
}

#[test]
fn the_cache_is_laid_out_as_python_does() {
    let (server, address) = Server::start(None);
    let cache = tempfile::tempdir().unwrap();
    let dir = fetch("some/model@main", &address, cache.path(), false).unwrap();
    let repo = cache.path().join("models--some--model");
    assert_eq!(dir, repo.join("snapshots").join(COMMIT));
    assert_eq!(
        std::fs::read_to_string(repo.join("refs/main")).unwrap(),
        COMMIT
    );
    let name = format!(
        "blobs/{}",
        hash("config.json", &server.files["config.json"])
    );
    let blob = std::fs::read(repo.join(&name)).unwrap();
    assert_eq!(blob, server.files["config.json"]);
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(dir.join("config.json")).unwrap(),
        Path::new("../..").join(name)
    );
    let pinned = format!("some/model@{COMMIT}");
    assert_eq!(fetch(&pinned, &address, cache.path(), true).unwrap(), dir);
    assert!(fetch("some/model@other", &address, cache.path(), true).is_err());
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let broken = "model-00002-of-00002.safetensors";
    let (server, address) = Server::start(Some(broken));
    let cache = tempfile::tempdir().unwrap();
    let blobs = cache.path().join("models--some--model/blobs");
    fetch("some/model", &address, cache.path(), false).unwrap_err();
    let name = hash(broken, &server.files[broken]);
    let part = blobs.join(format!("{name}.incomplete"));
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 100_000);
    assert!(!blobs.join(name).exists());

    server.broken.store(true, Ordering::SeqCst);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let report = Arc::clone(&seen);
    let model = HubModel::parse("some/model").unwrap();
    let dir = model.fetch_with(
        settings(&address, cache.path(), 0),
        false,
        &on(),
        move |done, all| {
            report.lock().unwrap().push((done, all));
        },
    );
    let found = std::fs::read(dir.unwrap().join(broken)).unwrap();
    assert_eq!(found, server.files[broken]);
    assert!(!part.exists());
    let headers = server.headers.lock().unwrap();
    assert!(
        headers.contains(&"range: bytes=100000-".to_owned()),
        "{headers:?}"
    );
    let seen = seen.lock().unwrap();
    let (done, all) = seen.last().unwrap();
    assert_eq!(done, all);
}

#[test]
fn a_broken_connection_is_mended_by_another_attempt() {
    let broken = "model-00002-of-00002.safetensors";
    let (server, address) = Server::start(Some(broken));
    let cache = tempfile::tempdir().unwrap();
    let model = HubModel::parse("some/model").unwrap();
    // Half of the rest arrives with each attempt, the whole with none; so only patience and luck end this, but each
    // attempt begins where the one before ended.
    model
        .fetch_with(settings(&address, cache.path(), 2), false, &on(), |_, _| {})
        .unwrap_err();
    let headers = server.headers.lock().unwrap();
    for start in [100_000, 150_000] {
        assert!(
            headers.contains(&format!("range: bytes={start}-")),
            "{headers:?}"
        );
    }
}

#[test]
fn bytes_may_lie_elsewhere_where_the_token_is_not_told() {
    let (there, other) = Server::start(None);
    let (here, address) = Server::start_with(None, Some(other));
    let cache = tempfile::tempdir().unwrap();
    let dir = fetch("some/model", &address, cache.path(), false).unwrap();
    let name = "model-00001-of-00002.safetensors";
    assert_eq!(std::fs::read(dir.join(name)).unwrap(), there.files[name]);
    let blobs = cache.path().join("models--some--model/blobs");
    assert!(blobs.join(hash(name, &there.files[name])).exists());
    let told = |server: &Server| {
        let headers = server.headers.lock().unwrap();
        headers.contains(&"authorization: bearer none".to_owned())
    };
    assert!(told(&here));
    assert!(!told(&there));
}

#[test]
fn a_gated_model_says_what_the_hub_says_and_what_to_do() {
    let (_server, address) = Server::start(None);
    let cache = tempfile::tempdir().unwrap();
    let error = fetch("gated/model", &address, cache.path(), false).unwrap_err();
    let error = error.to_string();
    for part in ["gated/model", "403", "Access is restricted", "HF_TOKEN"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_environment_is_read_as_python_does() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "from-the-file\n").unwrap();
    let home = home.path().to_str().unwrap();
    let check = |variables: &[(&str, &str)], cache: &str, token: Option<&str>| {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let read = |name: &str| variables.get(name).map(|&value| value.to_owned());
        let found = Settings::from_variables(read);
        assert_eq!(found.cache, Path::new(cache), "{variables:?}");
        assert_eq!(found.token.as_deref(), token, "{variables:?}");
    };
    check(&[("HOME", "/h")], "/h/.cache/huggingface/hub", None);
    check(&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub", None);
    let hub = format!("{home}/hub");
    check(&[("HF_HOME", home)], &hub, Some("from-the-file"));
    check(&[("HF_HOME", home), ("HF_TOKEN", "t")], &hub, Some("t"));
    check(
        &[("HF_HOME", home), ("HF_TOKEN", "")],
        &hub,
        Some("from-the-file"),
    );
    check(
        &[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")],
        &hub,
        None,
    );
    check(
        &[("HF_HUB_CACHE", "/c"), ("HUGGINGFACE_HUB_CACHE", "/d")],
        "/c",
        None,
    );
    check(
        &[("HUGGINGFACE_HUB_CACHE", "/d"), ("HF_HOME", home)],
        "/d",
        Some("from-the-file"),
    );
}
