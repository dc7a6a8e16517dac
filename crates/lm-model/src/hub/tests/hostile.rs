//! Hubs that misbehave: what they send never gets a name, and the error says what it was.

use std::sync::atomic::AtomicBool;

use super::server::{TWISTED, Twist};
use super::*;

struct Outcome {
    server: Arc<Server>,
    cache: tempfile::TempDir,
    found: Result<PathBuf>,
}

fn fetch_twisted(twist: Twist, retries: u32) -> Outcome {
    let (server, address) = Server::start_twisted(None, None, twist);
    let cache = tempfile::tempdir().unwrap();
    let model = HubModel::parse("some/model").unwrap();
    let settings = settings(&address, cache.path(), retries);
    let found = model.fetch_with(settings, false, &on(), |_, _| {});
    Outcome {
        server,
        cache,
        found,
    }
}

impl Outcome {
    /// The file is there with its bytes.
    #[track_caller]
    fn arrived(&self) {
        let dir = self.found.as_ref().expect("fetched");
        let found = std::fs::read(dir.join(TWISTED)).unwrap();
        assert!(found == self.server.files[TWISTED]);
    }

    /// The error has these words, nothing has the file's name, and a healthy server gives it afterwards.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let error = self.found.as_ref().expect_err("refused").to_string();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
        let repo = self.cache.path().join("models--some--model");
        let name = hash(TWISTED, &self.server.files[TWISTED]);
        assert!(!repo.join("blobs").join(name).exists(), "{error}");
        let (healthy, address) = Server::start(None);
        let dir = fetch("some/model", &address, self.cache.path(), false).unwrap();
        let found = std::fs::read(dir.join(TWISTED)).unwrap();
        assert!(found == healthy.files[TWISTED], "{error}");
    }
}

#[test]
fn a_refusal_never_becomes_a_file() {
    for status in ["403 Forbidden", "404 Not Found", "410 Gone"] {
        let code = &status[..3];
        let words = [TWISTED, if code == "404" { "not found" } else { code }];
        fetch_twisted(Twist::Status(status, 1), 5).refused(&words);
    }
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        fetch_twisted(Twist::Status(status, 9), 1).refused(&[TWISTED, &status[..3]]);
        fetch_twisted(Twist::Status(status, 2), 3).arrived();
    }
}

#[test]
fn a_flipped_bit_is_asked_for_once_more() {
    let outcome = fetch_twisted(Twist::Flipped(1), 0);
    outcome.arrived();
    let name = hash(TWISTED, &outcome.server.files[TWISTED]);
    fetch_twisted(Twist::Flipped(9), 0).refused(&[TWISTED, &name, "twice"]);
}

#[test]
fn bodies_without_a_length_are_measured() {
    fetch_twisted(Twist::Early(9), 1).refused(&[TWISTED, "expected 200000 bytes", "found 2000"]);
    fetch_twisted(Twist::Early(1), 1).arrived();
    fetch_twisted(Twist::Long, 3).refused(&[TWISTED, "200000", "more"]);
}

#[test]
fn a_list_may_be_silent_about_sizes_but_not_wrong() {
    fetch_twisted(Twist::NoSize, 0).arrived();
    fetch_twisted(Twist::Empty, 0).refused(&[TWISTED, "expected 0 bytes"]);
}

#[test]
fn a_file_without_a_hash_is_refused() {
    for tag in ["5f3b-1d", "", "../../planted", "/abs/planted"] {
        fetch_twisted(Twist::Tag(tag), 0).refused(&[TWISTED, "no hash"]);
    }
}

#[test]
fn hostile_names_in_the_list_are_errors() {
    for path in [
        "../../x.safetensors",
        "/abs/x.safetensors",
        "a\\..\\x.safetensors",
        "C:x.safetensors",
        "a//x.safetensors",
        "nul.safetensors",
        "\u{202e}x.safetensors",
    ] {
        fetch_twisted(Twist::Path(path), 0).refused(&["list of files", "safetensors"]);
    }
}

#[test]
fn a_commit_that_is_none_is_refused() {
    for commit in ["../../..", "main", "/abs"] {
        fetch_twisted(Twist::Commit(commit), 0).refused(&["names no commit"]);
    }
}

#[test]
fn plain_http_is_neither_asked_nor_followed() {
    let cache = tempfile::tempdir().unwrap();
    let error = fetch("some/model", "http://hub.example", cache.path(), false).unwrap_err();
    assert!(error.to_string().contains("expected https"), "{error}");
    let elsewhere = "http://hub.example/x.safetensors";
    fetch_twisted(Twist::Moved(elsewhere), 2).refused(&["plain http"]);
}

#[test]
fn a_stalled_download_ends_when_it_is_silent_or_cancelled() {
    let (_server, address) = Server::start_twisted(None, None, Twist::Stalls);
    let cache = tempfile::tempdir().unwrap();
    let model = HubModel::parse("some/model").unwrap();
    let mut short = settings(&address, cache.path(), 0);
    short.silence = Duration::from_millis(300);
    let error = model
        .fetch_with(short, false, &on(), |_, _| {})
        .unwrap_err();
    assert!(error.to_string().contains("no byte for 0.3 s"), "{error}");

    let stop = on();
    let (cancel, rest) = (stop.clone(), AtomicBool::new(false));
    // 1,000 bytes of the part are there from before, and some of the others; then it stalls for ten minutes.
    let error = model.fetch_with(
        settings(&address, cache.path(), 0),
        false,
        &stop,
        move |_, _| {
            if !rest.swap(true, Ordering::SeqCst) {
                let cancel = cancel.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(200));
                    cancel.cancel();
                });
            }
        },
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the download was stopped"), "{error}");
}

#[test]
fn what_another_program_left_half_is_replaced() {
    let outcome = fetch_twisted(Twist::None, 0);
    outcome.arrived();
    let dir = outcome.found.as_ref().unwrap();
    let blob = std::fs::canonicalize(dir.join(TWISTED)).unwrap();
    std::fs::write(blob, "<html>403</html>").unwrap();
    let (_server, address) = Server::start(None);
    fetch("some/model", &address, outcome.cache.path(), false).unwrap();
    outcome.arrived();
}

#[test]
fn an_id_made_by_hand_is_checked_as_well() {
    let cache = tempfile::tempdir().unwrap();
    let model = HubModel {
        owner: "..".into(),
        name: "x".into(),
        revision: Some("../../..".into()),
    };
    for offline in [true, false] {
        let settings = settings("http://127.0.0.1:9", cache.path(), 0);
        let error = model.fetch_with(settings, offline, &on(), |_, _| {});
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("expected owner/name")
        );
    }
}
