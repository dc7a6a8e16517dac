//! `rner cot generate` killed at random moments: it loses no answer that it has kept, asks for none of them again,
//! and ends with the dataset of a run that was left alone.
//!
//! Eight moments, or as many as `RNER_CRASH_MOMENTS` says; each folder sees eight. The moments come from a seed, but
//! what a process has done by then is up to the machine.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::support::{TestResult, rner, stderr, text, write};

type Failure = Box<dyn std::error::Error>;

const ROWS: usize = 300;
const KILLS_PER_FOLDER: usize = 8;
const IN_FLIGHT: &str = "cot.concurrency=8";

/// What the server has seen.
#[derive(Default)]
struct Log {
    requests: usize,
    /// How often each request came, by the hash of its body.
    times: HashMap<String, usize>,
    /// Requests whose answers were in the journal when a process was killed.
    kept: HashSet<String>,
    /// Those of them that came again.
    paid_twice: Vec<String>,
}

/// Teacher and judge, in threads that live as long as the test.
struct Server {
    url: String,
    log: Arc<Mutex<Log>>,
}

impl Server {
    fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let log: Arc<Mutex<Log>> = Arc::default();
        let shared = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = shared.clone();
                // A client that is killed leaves connections behind.
                std::thread::spawn(move || converse(&stream, &log));
            }
        });
        Ok(Self { url, log })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn converse(stream: &TcpStream, log: &Mutex<Log>) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    while let Some(body) = next(&mut reader)? {
        let reply = if body.is_empty() {
            // Not every server lists its models.
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()
        } else {
            let id = blake3::hash(body.as_bytes()).to_hex().to_string();
            note(&mut log.lock().unwrap_or_else(PoisonError::into_inner), &id);
            // Long enough for several requests to be in flight.
            std::thread::sleep(Duration::from_millis(2));
            let json = completion(&body, &id);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{json}",
                json.len()
            )
        };
        writer.write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn note(log: &mut Log, id: &str) {
    log.requests += 1;
    *log.times.entry(id.to_owned()).or_default() += 1;
    if log.kept.contains(id) {
        log.paid_twice.push(id.to_owned());
    }
}

/// The body of the next request, empty for one without.
fn next(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<String>> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(String::from_utf8_lossy(&body).into_owned()))
}

/// The answer to a request, which has the request's hash as its id. Every fifth of the teacher's names a city that is
/// not there, every seventh verdict is a bad one.
fn completion(body: &str, id: &str) -> String {
    let drawn = id.bytes().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let (reasoning, content) = if body.starts_with("{\"model\":\"judge\"") {
        let score = if drawn.is_multiple_of(7) { 5 } else { 9 };
        (String::new(), format!("{{\"score\": {score}}}"))
    } else {
        let city = if drawn.is_multiple_of(5) {
            "Oslin"
        } else {
            "Brel"
        };
        (
            format!("\"{city}\" is a city, where one sleeps."),
            format!("{{\"entities\": {{\"city\": [\"{city}\"]}}}}"),
        )
    };
    serde_json::json!({
        "id": id,
        "choices": [{
            "message": {"reasoning_content": reasoning, "content": content},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 20, "completion_tokens": 10},
    })
    .to_string()
}

fn generate(url: &str, data: &Path, out: &Path) -> std::io::Result<Child> {
    let args = ["cot", "generate", "--profile", "smoke", "--teacher-url"];
    let models = ["--teacher-model", "teacher", "--judge-model", "judge"];
    let paths = ["--data", text(data), "--out", text(out)];
    let args = [
        &args[..],
        &[url],
        &models,
        &paths,
        &["--set", IN_FLIGHT],
        &["--set", "cot.key_env=\"\""],
    ];
    rner(&args.concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// Lets a run come to its end and gives its files.
fn finish(url: &str, data: &Path, out: &Path) -> Result<[String; 2], Failure> {
    let output = generate(url, data, out)?.wait_with_output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |name: &str| std::fs::read_to_string(out.join(name));
    Ok([read("ner-cot.jsonl")?, read("funnel.json")?])
}

/// The requests whose answers the journal has in whole lines.
fn kept(out: &Path) -> Result<HashSet<String>, Failure> {
    let journal = std::fs::read_to_string(out.join("journal.jsonl")).unwrap_or_default();
    let whole = journal.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut ids = HashSet::new();
    for line in whole.lines().skip(1) {
        let record: serde_json::Value = serde_json::from_str(line)?;
        // Other lines say what may be in flight.
        let Some(body) = record["body"].as_str() else {
            continue;
        };
        let answer: serde_json::Value = serde_json::from_str(body)?;
        ids.extend(answer["id"].as_str().map(str::to_owned));
    }
    Ok(ids)
}

/// The next number of a sequence, below `limit`.
fn draw(state: &mut u64, limit: u64) -> u64 {
    // Constants of Knuth's MMIX; the high bits are the good ones.
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % limit
}

/// Starts a run and kills it some requests later, or a moment after its start. False if it came to its end before.
fn kill_one(server: &Server, data: &Path, out: &Path, state: &mut u64) -> Result<bool, Failure> {
    let more = usize::try_from(draw(state, 2 * ROWS as u64 * 2 / KILLS_PER_FOLDER as u64))?;
    let until = server.log().requests + more;
    let mut child = generate(&server.url, data, out)?;
    // Some are killed while they start or read the journal.
    let is_early = draw(state, 8) == 0;
    while !is_early && server.log().requests < until && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    std::thread::sleep(Duration::from_micros(draw(state, 20_000)));
    let is_killed = child.try_wait()?.is_none();
    child.kill()?;
    child.wait()?;
    // What was on its way to the server is there before the journal is looked at, as the log is only added to.
    let kept = kept(out)?;
    server.log().kept = kept;
    Ok(is_killed)
}

#[test]
fn killed_runs_lose_and_repeat_nothing_that_was_kept() -> TestResult {
    let moments = std::env::var("RNER_CRASH_MOMENTS").map_or(Ok(8), |moments| moments.parse())?;
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("rows.jsonl");
    let rows = (0..ROWS).map(|n| {
        serde_json::json!({"guid": n.to_string(), "sentence": format!("Brel sleeps on day {n}."), "schema": ["city"], "entities": []})
    });
    let rows: String = rows.map(|row| format!("{row}\n")).collect();
    write(&data, rows)?;
    let calm = Server::start()?;
    let expected = finish(&calm.url, &data, &dir.path().join("calm"))?;
    assert!(expected[0].lines().count() > ROWS / 2);
    let (mut state, mut kills, mut repeated) = (7, 0, 0);
    for folder in 0.. {
        let server = Server::start()?;
        let out = dir.path().join(folder.to_string());
        for _ in 0..KILLS_PER_FOLDER.min(moments - kills) {
            kills += usize::from(kill_one(&server, &data, &out, &mut state)?);
        }
        assert_eq!(finish(&server.url, &data, &out)?, expected, "{kills} kills");
        let log = server.log();
        assert_eq!(log.paid_twice, [""; 0]);
        assert_eq!(log.times.len(), calm.log().times.len());
        let again: usize = log.times.values().map(|times| times - 1).sum();
        assert_eq!(log.requests, log.times.len() + again);
        repeated += again;
        if kills >= moments {
            break;
        }
    }
    eprintln!("{kills} kills, {repeated} requests in flight sent again");
    Ok(())
}
