//! Finished work is never replaced: one table over every flag that names what is written.
//!
//! `src/outputs.rs` checks against clap that no flag is missing in the table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::support::{TestResult, rner, stderr, text, write};

/// A command that writes `place`, and what it is given to write something else there.
struct Case {
    /// What comes before it, each a command.
    before: Vec<Vec<String>>,
    command: Vec<String>,
    /// Takes the place of the words of the same number at the end of the command.
    other: Vec<String>,
    place: PathBuf,
    /// What is said when the other is refused; nothing if it goes on, and keeps the old beside of its own accord.
    refused: &'static str,
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// All files below a place, with their content; what belongs to nobody but a lock is left out.
fn files(place: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    if place.is_file() {
        found.insert(PathBuf::new(), fs::read(place).unwrap_or_default());
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name() != "journal.lock") {
        let (path, name) = (entry.path(), PathBuf::from(entry.file_name()));
        for (below, content) in files(&path) {
            let below = if below.as_os_str().is_empty() {
                name.clone()
            } else {
                name.join(below)
            };
            found.insert(below, content);
        }
    }
    found
}

fn run(args: &[String]) -> Result<std::process::Output, Box<dyn std::error::Error>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Ok(rner(&args).output()?)
}

impl Case {
    fn check(&self, name: &str) -> TestResult {
        for command in self.before.iter().chain([&self.command]) {
            let output = run(command)?;
            assert!(
                output.status.success(),
                "{name}: {command:?}\n{}",
                stderr(&output)
            );
        }
        let made = files(&self.place);
        assert!(!made.is_empty(), "{name}");
        let again = run(&self.command)?;
        assert!(again.status.success(), "{name} again: {}", stderr(&again));
        let others = self.changed(&made);
        assert!(
            others.iter().all(|path| is_account(path)),
            "{name} again: {others:?}"
        );
        let made = files(&self.place);

        let mut other = self.command.clone();
        other.truncate(self.command.len() - self.other.len());
        other.extend(self.other.iter().cloned());
        if !self.refused.is_empty() {
            let output = run(&other)?;
            let said = stderr(&output);
            assert!(!output.status.success(), "{name}: another one is refused");
            for word in [self.refused, "--force"] {
                assert!(said.contains(word), "{name} should say {word:?}: {said}");
            }
            assert_eq!(
                self.changed(&made),
                Vec::<PathBuf>::new(),
                "{name}: nothing is touched"
            );
            other.push("--force".to_owned());
        }
        let output = run(&other)?;
        let said = stderr(&output);
        assert!(output.status.success(), "{name} --force: {said}");
        assert!(
            said.contains(".old-1 now"),
            "{name}: what is kept is named: {said}"
        );
        self.check_kept(name, &made);
        Ok(())
    }

    /// The files that are no longer what they were.
    fn changed(&self, made: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
        let now = files(&self.place);
        let is_other = |(path, content): &(&PathBuf, &Vec<u8>)| now.get(*path) != Some(content);
        made.iter()
            .filter(is_other)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Everything that was there is there, under its own name or as `….old-1`.
    fn check_kept(&self, name: &str, made: &BTreeMap<PathBuf, Vec<u8>>) {
        let folder = self.place.parent().expect("it is in a folder");
        let all: Vec<Vec<u8>> = files(folder).into_values().collect();
        for (path, content) in made {
            // Answers are added to a journal, and none is taken away.
            let is_log = path.ends_with("journal.jsonl");
            assert!(
                is_log || all.contains(content),
                "{name}: {} is lost",
                path.display()
            );
        }
    }
}

/// What is written again with the time: the report of a run, and answers that are only read.
fn is_account(path: &Path) -> bool {
    ["report.html", "report.json"]
        .iter()
        .any(|name| path.ends_with(name))
}

/// The inputs of all cases.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let world = Self {
            dir: tempfile::tempdir()?,
        };
        let row = |name: &str, i: usize| {
            format!(
                "{{\"sentence\": \"{name} Brel met {i}\", \"schema\": [\"person\"], \
                 \"entities\": [{{\"text\": \"{name} Brel\", \"label\": \"person\"}}]}}\n"
            )
        };
        for (file, name) in [("one.jsonl", "Ada"), ("two.jsonl", "Ida")] {
            write(
                &world.path(file),
                (0..8).map(|i| row(name, i)).collect::<String>(),
            )?;
        }
        let rated = |i: usize| {
            format!(
                "{{\"text\": \"Ada Brel met {i}\", \"entities\": [{{\"text\": \"Ada Brel\", \"label\": \"person\", \
                 \"confidence\": 0.{i}}}]}}\n"
            )
        };
        let rated: Vec<String> = (0..8).map(rated).collect();
        write(&world.path("rated.jsonl"), rated.concat())?;
        write(
            &world.path("half.jsonl"),
            rated.concat().replace("0.7", "0.5"),
        )?;
        for (file, name) in [("found.jsonl", "Ada"), ("found-2.jsonl", "Ida")] {
            let entity =
                format!("{{\"text\":\"{name}\",\"label\":\"person\",\"start\":0,\"end\":3}}");
            let row = format!(
                "{{\"line\":1,\"sentence\":\"{name}.\",\"entities\":[{entity}],\"cut_off\":false}}\n"
            );
            write(&world.path(file), row)?;
        }
        for (folder, name) in [("suite-a", "Ada"), ("suite-b", "Ida")] {
            write(&world.path(folder).join("north.jsonl"), row(name, 1))?;
        }
        write(
            &world.path("suite.toml"),
            "name = \"one\"\ntitle = \"One\"\n[[set]]\nname = \"north\"\n",
        )?;
        let right = r#"{\"entities\": {\"person\": [\"Ada Brel\"]}}"#;
        for (file, answer) in [("right.jsonl", right), ("wrong.jsonl", "")] {
            let line =
                format!("{{\"dataset\": \"north\", \"index\": 0, \"completion\": \"{answer}\"}}\n");
            write(&world.path(file), line)?;
        }
        let bio: String = (0..40).map(|i| format!("Brel B-city\n{i} O\n\n")).collect();
        for file in [
            "data/conll2003/train.conll",
            "data/mit-movie/train.conll",
            "few/south/train.conll",
            "few/south/test.conll",
        ] {
            write(&world.path(file), &bio)?;
        }
        write(
            &world.path("few.toml"),
            "name = \"two\"\ntitle = \"Two\"\n[[set]]\nname = \"south\"\n[few_shot]\npercent = [50.0]\nseed = 1\n",
        )?;
        for folder in ["brat", "json", "html", "convert", "sample", "calibrated"] {
            fs::create_dir(world.path(folder))?;
        }
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command line with files of this world behind `@`.
    fn line(&self, line: &str) -> Vec<String> {
        let root = format!("{}/", text(self.dir.path()));
        words(line)
            .into_iter()
            .map(|word| word.replace('@', &root))
            .collect()
    }

    fn case(&self, name: &str) -> Option<Case> {
        let (before, command, other, refused): (&[&str], &str, &str, &str) = match name {
            "sft --out" => (&[], SFT, "@two.jsonl", "not the same: data)"),
            "grpo --out" => (&[], GRPO, "3", "not the same: run.seed: 42 there, 3 here"),
            "reproduce --out" => (
                &[],
                REPRODUCE,
                "sft.train.max_steps=3",
                "not the same: sft.train.max_steps: 2 there, 3 here",
            ),
            "calibrate --out" => (
                &[],
                "calibrate --out @calibrated/out --gold @one.jsonl --predictions @rated.jsonl",
                "@half.jsonl",
                "is there already",
            ),
            "eval --out" => (&[], EVAL, "@wrong.jsonl", "another predictions (BLAKE3)"),
            "eval few-shot --out" => (
                &[],
                "eval few-shot --suite @few.toml --data @few --out @few-shot/out --seed 1",
                "2",
                "is there already",
            ),
            "eval compare --json" => (&COMPARED, COMPARE_JSON, "@b @a", "is there already"),
            "eval compare --html" => (&COMPARED, COMPARE_HTML, "@b @a", "is there already"),
            "extract --out" => (
                &[],
                "extract --model fixtures/tiny-ner --max-new-tokens 4 --input @one.jsonl --out @extract/out --types person",
                "city",
                "not the same: types",
            ),
            "cot generate --out" => (
                &[],
                "cot generate --profile smoke --out @cot/out --data @one.jsonl",
                "@two.jsonl",
                "another data",
            ),
            "cot generate --batch" => (
                &[],
                "cot generate --profile smoke --out @batch/job --batch @batch/out --data @one.jsonl --limit 4",
                "5",
                "not the same: limit",
            ),
            "cot merge --out" => (
                &[
                    "cot generate --profile smoke --data @one.jsonl --out @merge/a",
                    "cot generate --profile smoke --data @two.jsonl --out @merge/b",
                ],
                "cot merge --out @merge/out @merge/a",
                "@merge/b",
                "another job",
            ),
            "cot export --out" => (
                &["cot generate --profile smoke --data @one.jsonl --out @export/a"],
                "cot export @export/a --out @export/out --license mit",
                "apache-2.0",
                "is there already",
            ),
            "cot view --out" => (
                &["cot generate --profile smoke --data @one.jsonl --out @view/a"],
                "cot view @view/a --out @view/out --rows 30",
                "1",
                "is there already",
            ),
            "export --out" => (
                &[],
                "export --to brat --out @brat/out --input @found.jsonl",
                "@found-2.jsonl",
                "is there already",
            ),
            "data convert OUTPUT" => (
                &[],
                "data convert --to bio @one.jsonl @convert/out",
                "@two.jsonl @convert/out",
                "is there already",
            ),
            "data sample --out" => (
                &[],
                "data sample --data @data --allow-missing --total 20 --label-map none --out @sample/out --shuffle",
                "--without-mit",
                "is there already",
            ),
            "data split --out" => (
                &[],
                "data split @two.jsonl --share 0.5 --to ner-cot --out @split/out @split/test --seed 1",
                "3",
                "is there already",
            ),
            _ => return None,
        };
        let command = self.line(command);
        let place = command
            .iter()
            .find(|word| word.ends_with("/out"))
            .map(PathBuf::from)?;
        Some(Case {
            before: before.iter().map(|line| self.line(line)).collect(),
            command,
            other: self.line(other),
            place,
            refused,
        })
    }
}

const SFT: &str = "sft --profile smoke --no-cot --model fixtures/tiny-base --set sft.train.batch_size=2 --set \
                   run.tensorboard=true --set sft.train.max_steps=2 --out @sft/out --data @one.jsonl";
const GRPO: &str = "grpo --profile smoke --model fixtures/tiny-base --data @one.jsonl --out @grpo/out --set \
                    grpo.train.max_steps=1 --seed 42";
const REPRODUCE: &str = "reproduce --smoke --offline --out @reproduce/out --set run.rows=[\"base\",\"cot\"] --set \
                         data.eval_sentences=2 --set sft.train.max_steps=2";
const EVAL: &str =
    "eval --suite @suite.toml --data @suite-a --out @eval/out --predictions @right.jsonl";
const COMPARED: [&str; 2] = [
    "eval --suite @suite.toml --data @suite-a --out @a --predictions @right.jsonl",
    "eval --suite @suite.toml --data @suite-a --out @b --predictions @wrong.jsonl",
];
const COMPARE_JSON: &str = "eval compare --resamples 9 --json @json/out @a @b";
const COMPARE_HTML: &str = "eval compare --resamples 9 --html @html/out @a @b";

#[test]
fn no_command_replaces_what_another_made() -> TestResult {
    let world = World::new()?;
    for name in include_str!("../outputs.txt").lines() {
        // Needs a server; `data_fetch_keeps_what_has_another_hash` has it.
        if name == "data fetch --into" {
            continue;
        }
        let case = world.case(name).ok_or_else(|| format!("{name}: no case"))?;
        case.check(name)?;
    }
    Ok(())
}
