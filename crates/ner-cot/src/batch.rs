//! Questions as files for batch services, and their results back into the journal.
//!
//! The files are those of OpenAI's Batch API, which other services and `vllm run-batch` read too: one request a line,
//! found again by its `custom_id`. A row may need several rounds (teacher, judge, the next attempt): export, have the
//! files answered, import, and export again until nothing waits.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use atomic_files::AtomicFile;
use chat_client::body::{BodyProblem, Meaning, Said, parse_body};
use chat_client::excerpt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::journal::{Failed, Journal, Key, Part, Record, sync_dir};
use crate::plan::Plan;
use crate::replay::{SettledRow, Visitor, replay};
use crate::report::Funnel;
use crate::row::Question;
use crate::source::Selection;

/// What goes into one file. The defaults are OpenAI's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most requests.
    pub requests: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Whether requests are exported that a server refused before.
    pub retry_failed: bool,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            requests: 50_000,
            bytes: 190 << 20,
            retry_failed: false,
        }
    }
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct BatchExport {
    /// The files, in order. One file asks one model, as the services want it.
    pub files: Vec<PathBuf>,
    /// Requests in all.
    pub requests: usize,
    /// Where the rows stand.
    pub funnel: Funnel,
}

/// One line of a file of requests.
#[derive(Serialize)]
struct RequestLine<'a> {
    custom_id: String,
    method: &'static str,
    url: &'static str,
    body: &'a chat_client::ChatRequest,
}

/// Writes every question that waits for an answer to `batch-<part>-<number>.jsonl` in `to`.
///
/// Files of an earlier export are replaced, so that a round that is over is not asked again. Requests that a server
/// refused before are left out, unless the limits say `retry_failed`.
///
/// # Errors
/// If source or journal cannot be read, or a file cannot be written.
pub fn export_batch(
    plan: &Plan,
    selection: &Selection<'_>,
    journal: &Journal,
    to: &Path,
    limits: BatchLimits,
) -> Result<BatchExport, Error> {
    atomic_files::fs::create_dir_all(to).map_err(|e| Error::io("create the directory", to, e))?;
    remove_old(to)?;
    let mut files = Files {
        dir: to,
        limits,
        open: HashMap::new(),
        done: Vec::new(),
        requests: 0,
    };
    let funnel = replay(plan, selection, journal, None, &mut files)?;
    for (_, file) in std::mem::take(&mut files.open) {
        files.close(file)?;
    }
    sync_dir(to);
    files.done.sort();
    Ok(BatchExport {
        files: files.done,
        requests: files.requests,
        funnel,
    })
}

fn remove_old(dir: &Path) -> Result<(), Error> {
    let io = |source| Error::io("replace the batch files of", dir, source);
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(is_ours) {
            atomic_files::fs::remove_file(&path).map_err(io)?;
        }
    }
    Ok(())
}

/// Whether an export gave this name: `batch-<part>-<number>.jsonl`.
fn is_ours(name: &str) -> bool {
    let number = ["batch-teacher-", "batch-judge-"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix)?.strip_suffix(".jsonl"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Files that are being written, one for each part.
struct Files<'a> {
    dir: &'a Path,
    limits: BatchLimits,
    open: HashMap<Part, OpenFile>,
    done: Vec<PathBuf>,
    requests: usize,
}

struct OpenFile {
    out: AtomicFile,
    requests: usize,
    bytes: usize,
}

impl Visitor for Files<'_> {
    fn asks_again(&self) -> bool {
        self.limits.retry_failed
    }

    fn settled(&mut self, _row: SettledRow) -> Result<(), Error> {
        Ok(())
    }

    fn waiting(&mut self, question: &Question) -> Result<(), Error> {
        let line = serde_json::json!(RequestLine {
            custom_id: question.key.hex(),
            method: "POST",
            url: "/v1/chat/completions",
            body: &question.request,
        });
        let line = line.to_string() + "\n";
        let full = self.open.get(&question.part).is_some_and(|file| {
            file.requests >= self.limits.requests || file.bytes + line.len() > self.limits.bytes
        });
        if full && let Some(file) = self.open.remove(&question.part) {
            self.close(file)?;
        }
        if !self.open.contains_key(&question.part) {
            let file = self.create(question.part)?;
            self.open.insert(question.part, file);
        }
        if let Some(file) = self.open.get_mut(&question.part) {
            let written = file.out.write_all(line.as_bytes());
            written.map_err(|source| Error::io("write", file.out.target(), source))?;
            file.requests += 1;
            file.bytes += line.len();
        }
        self.requests += 1;
        Ok(())
    }
}

impl Files<'_> {
    fn create(&self, part: Part) -> Result<OpenFile, Error> {
        let part = match part {
            Part::Teacher => "teacher",
            Part::Judge => "judge",
        };
        let prefix = format!("batch-{part}-");
        let closed = self.done.iter().filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix))
        });
        let number = closed.count() + 1;
        let path = self.dir.join(format!("{prefix}{number:03}.jsonl"));
        Ok(OpenFile {
            out: AtomicFile::create(&path)?,
            requests: 0,
            bytes: 0,
        })
    }

    fn close(&mut self, file: OpenFile) -> Result<(), Error> {
        let path = file.out.target().to_owned();
        file.out.commit()?;
        self.done.push(path);
        Ok(())
    }
}

/// What an import found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchImport {
    /// Answers that are in the journal now.
    pub answers: usize,
    /// Answers that were there before.
    pub known: usize,
    /// Results of requests that this configuration does not wait for; they are left out.
    pub foreign: usize,
    /// Results that are errors; their requests wait on, but for the refused ones.
    pub failed: usize,
    /// Those of them that are refusals of this one request (a filter, its length): the journal remembers them, and they
    /// are not exported again.
    pub refused: usize,
    /// The first errors, with their lines.
    pub errors: Vec<String>,
}

/// Errors that an import shows.
const ERRORS_SHOWN: usize = 5;

/// One line of a file of results.
#[derive(Deserialize)]
struct ResultLine {
    custom_id: String,
    #[serde(default)]
    response: Option<Response>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(default)]
    body: Value,
}

/// Takes a file of results over into the journal. The order of its lines does not matter, and importing it twice does
/// no harm.
///
/// # Errors
/// If a file cannot be read or written, or a line is no result; what came before it is in the journal.
pub fn import_batch(
    plan: &Plan,
    selection: &Selection<'_>,
    journal: &Journal,
    results: &Path,
) -> Result<BatchImport, Error> {
    let mut waiting = Waiting(HashMap::new());
    replay(plan, selection, journal, None, &mut waiting)?;
    let io = |source| Error::io("read", results, source);
    let lines = BufReader::new(std::fs::File::open(results).map_err(io)?).lines();
    let mut import = BatchImport::default();
    for (number, line) in lines.enumerate() {
        let line = line.map_err(io)?;
        if line.trim().is_empty() {
            continue;
        }
        let result = serde_json::from_str(&line).map_err(|error| Error::BatchLine {
            path: results.into(),
            line: number + 1,
            found: format!("{} ({error})", excerpt(&line)),
        });
        let done = result.and_then(|result| import.take(plan, journal, &waiting, result, number));
        if done.is_err() {
            // What was taken over stays, whatever ends the import.
            journal.finish()?;
        }
        done?;
    }
    journal.finish()?;
    Ok(import)
}

/// What waits for an answer, by its key.
struct Waiting(HashMap<Key, (Part, u32)>);

impl Visitor for Waiting {
    /// An answer is taken though an earlier one was a refusal.
    fn asks_again(&self) -> bool {
        true
    }

    fn settled(&mut self, _row: SettledRow) -> Result<(), Error> {
        Ok(())
    }

    fn waiting(&mut self, question: &Question) -> Result<(), Error> {
        self.0
            .insert(question.key, (question.part, question.attempt));
        Ok(())
    }
}

impl BatchImport {
    fn take(
        &mut self,
        plan: &Plan,
        journal: &Journal,
        waiting: &Waiting,
        result: ResultLine,
        number: usize,
    ) -> Result<(), Error> {
        let Some(key) = Key::from_hex(&result.custom_id) else {
            self.foreign += 1;
            return Ok(());
        };
        let Some(&(part, attempt)) = waiting.0.get(&key) else {
            if journal.contains(&key) {
                self.known += 1
            } else {
                self.foreign += 1
            }
            return Ok(());
        };
        let body = match answered(result) {
            Ok(body) => body,
            Err(why) => {
                self.failed += 1;
                if self.errors.len() < ERRORS_SHOWN {
                    self.errors
                        .push(format!("line {}: {}", number + 1, why.words()));
                }
                let model = plan.model(part);
                if let Some(failed) = why.failed((&key, part, attempt), model) {
                    self.refused += 1;
                    if journal.failed(&key).is_some() {
                        return Ok(());
                    }
                    journal.append_failed(&failed)?;
                }
                return Ok(());
            }
        };
        let record = Record::new(
            &key,
            part,
            plan.model(part),
            plan.version(part),
            attempt,
            &body,
        );
        journal.append_later(&key, &record)?;
        self.answers += 1;
        // What waits for the disk is in memory; there must not be too much of it.
        if self.answers.is_multiple_of(1024) {
            journal.finish()?;
        }
        Ok(())
    }
}

/// Why a result is no answer.
enum Refusal {
    Words(String),
    Said(Said),
}

impl Refusal {
    fn words(&self) -> String {
        match self {
            Self::Words(words) => words.clone(),
            Self::Said(said) if said.status == 0 => said.message.clone(),
            Self::Said(said) => format!("status {}: {}", said.status, said.message),
        }
    }

    /// What the journal remembers: only what the words of the service say of this request.
    fn failed<'a>(&'a self, request: (&Key, Part, u32), model: &'a str) -> Option<Failed<'a>> {
        match self {
            Self::Said(said) => match said.meaning {
                Meaning::Rejected(reason) if reason.is_explained() => Some(Failed::new(
                    request,
                    model,
                    said.status,
                    reason,
                    &said.message,
                )),
                _ => None,
            },
            Self::Words(_) => None,
        }
    }
}

/// The body of a result that is an answer, or its error.
fn answered(result: ResultLine) -> Result<String, Refusal> {
    if let Some(error) = result.error.filter(|error| !error.is_null()) {
        return Err(Refusal::Said(Said::of(&error)));
    }
    let none = || Refusal::Words("neither response nor error".into());
    let response = result.response.ok_or_else(none)?;
    let body = response.body.to_string();
    match response.status_code {
        None | Some(200) => match parse_body(&body) {
            Ok(_) => Ok(body),
            Err(BodyProblem::Said(said)) => Err(Refusal::Said(said)),
            Err(problem) => Err(Refusal::Words(excerpt(&format!("{problem:?}")))),
        },
        Some(status) => Err(Refusal::Said(Said::of_status(status, &body))),
    }
}
