//! A program killed at random moments and started again, and what that costs.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::rehearsal::Rehearsal;

/// Between two looks at a program.
const LOOK: Duration = Duration::from_millis(2);

/// When a program is killed.
#[derive(Clone, Copy, Debug)]
pub struct Kills {
    /// How often.
    pub count: usize,
    /// How long it takes when it is left alone; the moments are spread over that.
    pub span: Duration,
    /// Seed of the moments. What a program has done by then is up to the machine.
    pub seed: u64,
}

/// What the servers saw of a program that was killed.
#[derive(Clone, Debug, Default)]
pub struct Toll {
    /// Kills that met a running program.
    pub kills: usize,
    /// What it had said of itself when it was killed: the last line of each.
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
    /// Starts a program again and again, kills it as often as `kills` says, and lets it come to its end then. `program`
    /// gives the command anew each time; its journals are looked for below `out`.
    ///
    /// # Errors
    ///
    /// A program that cannot be started, a folder that cannot be read.
    pub fn run_with_kills(
        &self,
        program: impl Fn() -> Command,
        out: &Path,
        kills: Kills,
    ) -> Result<(Output, Toll), Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(kills.seed);
        let mut toll = Toll::default();
        let mut kept = HashSet::new();
        let mut before = self.teacher.asked();
        for _ in 0..kills.count {
            let life = kills
                .span
                .mul_f64(rng.random_range(0.02..2.0) / kills.count as f64);
            let last_words = self.kill_one(program(), life)?;
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

    /// Lets a program live for a while and kills it. None if it came to its end before; else its last words.
    fn kill_one(&self, mut command: Command, life: Duration) -> Result<Option<String>, Error> {
        let log = self.dir().join("killed.log");
        let said = std::fs::File::create(&log).map_err(Error::io("write", &log))?;
        let started = Error::io("start", command.get_program().to_owned());
        let mut child = command
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .map_err(started)?;
        let begun = std::time::Instant::now();
        let waiting = || Error::io("wait for", "the program");
        while begun.elapsed() < life {
            if child.try_wait().map_err(waiting())?.is_some() {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
        child.kill().map_err(Error::io("kill", "the program"))?;
        child.wait().map_err(waiting())?;
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        Ok(Some(last.unwrap_or("it had said nothing").to_owned()))
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
