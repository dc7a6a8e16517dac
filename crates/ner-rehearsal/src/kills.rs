//! A program killed at random moments and started again, and what that costs.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::rehearsal::Rehearsal;

/// Between two looks at a program.
const LOOK: Duration = Duration::from_millis(2);

/// When a program is killed: a part of its run that has begun, and how long ago.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The folder that the part leaves in that of the run; none for what comes before the first one.
    pub folder: Option<String>,
    /// How long after the folder has appeared.
    pub after: Duration,
}

/// Draws `count` moments from a run that was left alone and took `span`: each in one of its stages, whatever the
/// stage's length, in the order of the stages. What a program has done by then is up to the machine.
///
/// # Errors
///
/// A folder that cannot be read.
pub fn moments(run: &Path, span: Duration, count: usize, seed: u64) -> Result<Vec<Moment>, Error> {
    let stages = stages(run)?;
    let in_stages: f64 = stages.iter().map(|(_, seconds)| seconds).sum();
    let before = (span.as_secs_f64() - in_stages).max(0.1);
    let mut parts = vec![(None, before)];
    parts.extend(
        stages
            .into_iter()
            .map(|(folder, seconds)| (Some(folder), seconds)),
    );
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<(usize, f64)> = (0..count)
        .map(|_| (rng.random_range(0..parts.len()), rng.random_range(0.0..1.0)))
        .collect();
    drawn.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let moment = |(part, share): (usize, f64)| Moment {
        folder: parts[part].0.clone(),
        after: Duration::from_secs_f64(parts[part].1 * share),
    };
    Ok(drawn.into_iter().map(moment).collect())
}

/// The stages of a run in the order in which they were done, each with its seconds.
fn stages(run: &Path) -> Result<Vec<(String, f64)>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(run).map_err(Error::io("read", run))? {
        let dir = entry.map_err(Error::io("read", run))?.path();
        let marker = dir.join("done.json");
        let Ok(text) = std::fs::read_to_string(&marker) else {
            continue;
        };
        let done: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let name = dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let time = std::fs::metadata(&marker).and_then(|file| file.modified());
        let time = time.map_err(Error::io("read", &marker))?;
        found.push((time, name, done["seconds"].as_f64().unwrap_or(0.0)));
    }
    found.sort_by_key(|(time, ..)| *time);
    Ok(found
        .into_iter()
        .map(|(_, name, seconds)| (name, seconds))
        .collect())
}

/// What the servers saw of a program that was killed.
#[derive(Clone, Debug, Default)]
pub struct Toll {
    /// Kills that met a running program.
    pub kills: usize,
    /// Where it was when it was killed, with the last line that it had said.
    pub moments: Vec<String>,
    /// Requests to the teacher that came again because their answers were on the way when the program was killed.
    pub in_flight: usize,
    /// Requests that came again although their answers were in a journal.
    pub paid_twice: Vec<String>,
    /// Bytes that were sent again because they were on the way.
    pub bytes_again: u64,
    /// Files that were asked for again after they were complete.
    pub fetched_again: Vec<String>,
}

impl Rehearsal {
    /// Starts a program once for each moment, kills it then, and lets it come to its end after the last. `program`
    /// gives the command anew each time; its run is in the folder `out`, with its journals below that.
    ///
    /// # Errors
    ///
    /// A program that cannot be started, a folder that cannot be read.
    pub fn run_with_kills(
        &self,
        program: impl Fn() -> Command,
        out: &Path,
        moments: &[Moment],
    ) -> Result<(Output, Toll), Error> {
        let mut toll = Toll::default();
        let mut kept = HashSet::new();
        let mut before = self.teacher.asked();
        for moment in moments {
            let last_words = self.kill_one(program(), out, moment)?;
            toll.kills += usize::from(last_words.is_some());
            toll.moments.extend(last_words);
            toll.paid_twice.extend(self.asked_again(&before, &kept));
            before = self.teacher.asked();
            kept = answers_in_journals(out)?;
        }
        let run = run(program())?;
        toll.paid_twice.extend(self.asked_again(&before, &kept));
        toll.in_flight = self.teacher.asked().values().map(|times| times - 1).sum();
        let traffic = self.homes.traffic();
        toll.bytes_again = traffic.twice();
        let again = traffic
            .files
            .iter()
            .filter(|(_, served)| served.is_fetched_again());
        toll.fetched_again = again.map(|(name, _)| name.clone()).collect();
        Ok((run, toll))
    }

    /// The requests since `before` whose answers were in a journal then.
    fn asked_again(&self, before: &BTreeMap<String, usize>, kept: &HashSet<String>) -> Vec<String> {
        let now = self.teacher.asked();
        let again = now.into_iter().filter(|(id, times)| {
            kept.contains(id) && before.get(id).is_some_and(|before| before < times)
        });
        again.map(|(id, _)| id).collect()
    }

    /// Kills a program at a moment. None if it came to its end before; else where it was.
    fn kill_one(
        &self,
        mut command: Command,
        out: &Path,
        moment: &Moment,
    ) -> Result<Option<String>, Error> {
        let log = self.dir().join("killed.log");
        let said = File::create(&log).map_err(Error::io("write", &log))?;
        let started = Error::io("start", command.get_program().to_owned());
        let child = command.stdout(Stdio::null()).stderr(said).spawn();
        let mut child = child.map_err(started)?;
        let waiting = || Error::io("wait for", "the program");
        let mut begun = None;
        while begun.is_none_or(|begun: Instant| begun.elapsed() < moment.after) {
            if child.try_wait().map_err(waiting())?.is_some() {
                return Ok(None);
            }
            let is_there = moment
                .folder
                .as_ref()
                .is_none_or(|name| out.join(name).is_dir());
            if is_there {
                begun.get_or_insert_with(Instant::now);
            }
            std::thread::sleep(LOOK);
        }
        child.kill().map_err(Error::io("kill", "the program"))?;
        child.wait().map_err(waiting())?;
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        Ok(Some(format!(
            "{}, {:.1} s; last words: {}",
            moment.folder.as_deref().unwrap_or("before the first stage"),
            moment.after.as_secs_f64(),
            last.unwrap_or("none")
        )))
    }
}

/// Lets a program come to its end.
fn run(mut command: Command) -> Result<Output, Error> {
    let started = Error::io("start", command.get_program().to_owned());
    command.stdin(Stdio::null()).output().map_err(started)
}

/// The ids of all answers that the journals below a folder have in whole lines.
fn answers_in_journals(dir: &Path) -> Result<HashSet<String>, Error> {
    let mut ids = HashSet::new();
    for path in files_below(dir)? {
        if path.file_name().is_none_or(|name| name != "journal.jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        for line in whole.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            let body = record["body"].as_str().unwrap_or_default();
            let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            ids.extend(answer["id"].as_str().map(str::to_owned));
        }
    }
    Ok(ids)
}

/// What a run found: the results and the answers of every evaluation, by their paths in its folder.
///
/// # Errors
///
/// A folder or file that cannot be read.
pub fn findings(run: &Path) -> Result<BTreeMap<PathBuf, String>, Error> {
    let wanted = ["results.json", "predictions.jsonl", "ner-cot.jsonl"];
    let mut found = BTreeMap::new();
    for path in files_below(run)? {
        let name = path.file_name().unwrap_or_default();
        if wanted.iter().any(|wanted| name == *wanted) {
            let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            let path = path.strip_prefix(run).unwrap_or(&path).to_owned();
            found.insert(path, text);
        }
    }
    Ok(found)
}

/// All files below a folder; none if there is no folder.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        if !dir.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&dir).map_err(Error::io("read", &dir))? {
            let path = entry.map_err(Error::io("read", &dir))?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}
