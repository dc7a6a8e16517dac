//! Inputs, undisturbed results and processes for the cases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::command::{Command, Inputs};
use super::process::{Ended, Process};
use super::tree;
use crate::lab::Lab;
use crate::tally::Tally;

/// What the cases share.
pub(super) struct World {
    program: PathBuf,
    inputs: Inputs,
    root: PathBuf,
    /// What an undisturbed command took, by command; its results lie in [`World::reference`].
    known: HashMap<Command, Duration>,
    /// Whether disks could be mounted; nothing if none was needed.
    pub(super) has_mounts: Option<bool>,
}

impl World {
    pub(super) fn new(lab: &Lab) -> Result<Self> {
        let root = lab.folder("folders")?;
        Ok(Self {
            program: lab.program()?,
            inputs: inputs(&root, lab.source("fixtures/tiny-base"))?,
            root,
            known: HashMap::new(),
            has_mounts: None,
        })
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// A new folder for a case.
    pub(super) fn case_folder(&self, seed: u64) -> Result<PathBuf> {
        self.folder(&format!("case-{seed}"))
    }

    /// Removes it.
    pub(super) fn clear(&self, seed: u64) -> Result<()> {
        let folder = self.root.join(format!("case-{seed}"));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }

    fn reference(&self, command: Command) -> PathBuf {
        self.root.join(format!("{command:?}"))
    }

    /// Has the command done once without a disturbance; gives how long it took and how many pages it wrote.
    pub(super) fn undisturbed(&mut self, command: Command) -> Result<(Duration, u64)> {
        if command.needs_generated() {
            self.undisturbed(Command::Generate)?;
        }
        let folder = self.reference(command);
        if !self.known.contains_key(&command) {
            self.folder(&format!("{command:?}"))?;
            let begun = Instant::now();
            let ended = self.run(command, &folder)?;
            ensure!(ended.is_success(), "undisturbed: {}", ended.said);
            self.known.insert(command, begun.elapsed());
        }
        Ok((self.known[&command], tree::pages(&folder)?))
    }

    /// The command that writes below a folder, as the system's.
    pub(super) fn command(&self, command: Command, folder: &Path) -> std::process::Command {
        let mut process = std::process::Command::new(&self.program);
        process.args(command.args(&self.inputs, folder));
        process
    }

    /// Starts it.
    pub(super) fn start(&self, command: Command, folder: &Path) -> Result<Process> {
        self.start_as(self.command(command, folder))
    }

    /// Starts a command of its own making.
    pub(super) fn start_as(&self, command: std::process::Command) -> Result<Process> {
        let number = std::fs::read_dir(&self.root)?.count();
        Process::start(command, &self.root.join(format!("said-{number}.txt")))
    }

    /// Runs it to its end.
    pub(super) fn run(&self, command: Command, folder: &Path) -> Result<Ended> {
        let ended = self.start(command, folder)?.wait()?;
        ended.check()?;
        Ok(ended)
    }

    /// The same command, when nothing stands in its way any more: done, as if nothing had been.
    pub(super) fn check_recovered(&self, command: Command, folder: &Path) -> Result<()> {
        let ended = self.run(command, folder)?;
        ensure!(
            ended.is_success(),
            "the same command does not go on: {}",
            ended.said
        );
        self.check_result(command, folder)
    }

    /// What lies there is what an undisturbed command makes.
    pub(super) fn check_result(&self, command: Command, folder: &Path) -> Result<()> {
        let reference = self.reference(command);
        let expected = command.results(&reference);
        tree::check_same((&reference, &expected), (folder, &command.results(folder)))?;
        tree::check_no_leftovers(folder)
    }

    /// Says what this machine could not do.
    pub(super) fn conclude(&self, tally: &mut Tally) {
        if self.has_mounts == Some(false) {
            tally.skip(
                "disks that are full: this user may not mount one; a limit on the length of each file instead",
            );
        }
    }
}

/// Writes what the commands read.
fn inputs(root: &Path, model: PathBuf) -> Result<Inputs> {
    let write = |name: &str, text: &str| {
        let path = root.join("inputs").join(name);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        anyhow::Ok(path)
    };
    let suite = "name = \"one\"\ntitle = \"One harbour\"\n[[set]]\nname = \"north\"\n\
                 [few_shot]\npercent = [10.0, 50.0]\nseed = 1\n";
    let bio = "Brel _ _ B-city\nslept _ _ O\n\n".repeat(40);
    write("data/north/train.conll", &bio)?;
    let test = write("data/north/test.conll", &bio)?;
    let answer = |index| {
        let completion = "{\"entities\": {\"city\": [\"Brel\"]}}";
        let line =
            serde_json::json!({"dataset": "north", "index": index, "completion": completion});
        format!("{line}\n")
    };
    Ok(Inputs {
        model,
        rows: write("rows.jsonl", &rows(24))?,
        many: write("many.jsonl", &rows(400))?,
        suite: write("suite.toml", suite)?,
        data: test.ancestors().nth(2).unwrap_or(root).to_owned(),
        predictions: write(
            "predictions.jsonl",
            &(0..40).map(answer).collect::<String>(),
        )?,
        generated: root.join("Generate/out"),
    })
}

/// Rows with a person and a city.
fn rows(count: usize) -> String {
    let row = |i: usize| {
        let (first, last) = (
            ["Ada", "Ola", "Brin"][i % 3],
            ["Brel", "Osk", "Lund"][i / 3 % 3],
        );
        let (person, city) = (format!("{first} {last}"), ["Halvek", "Port Osk"][i % 2]);
        let entities = serde_json::json!([
            {"text": person, "label": "person"},
            {"text": city, "label": "city"},
        ]);
        let row = serde_json::json!({
            "sentence": format!("{person} left {city} on day {i} ."),
            "schema": ["person", "city"],
            "entities": entities,
        });
        format!("{row}\n")
    };
    (0..count).map(row).collect()
}
