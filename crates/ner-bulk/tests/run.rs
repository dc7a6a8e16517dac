//! Parts, shards and what is done again: the same bytes, nothing twice, nothing lost.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ner_bulk::{
    BoxError, Claim, Finder, Folder, Inputs, Job, Manifest, Observer, OutputForm, Question, Shard,
    Summary, TextOptions,
};
use ner_types::{Extraction, parse};
use tokio_util::sync::CancellationToken;

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// Answers every text but those that say `fail`, and remembers what it was asked.
#[derive(Clone, Default)]
struct Finds {
    asked: Arc<Mutex<Vec<String>>>,
    /// After so many texts it fails altogether.
    dies_after: Option<usize>,
}

impl Finder for Finds {
    fn at_once(&self) -> usize {
        3
    }

    fn find(&mut self, texts: &[&str]) -> Result<Vec<Result<Extraction, String>>, BoxError> {
        let mut asked = self.asked.lock().map_err(|_| "poisoned")?;
        asked.extend(texts.iter().map(|text| (*text).to_owned()));
        if self.dies_after.is_some_and(|most| asked.len() > most) {
            return Err("the model is gone".into());
        }
        let one = |text: &&str| {
            if text.contains("fail") {
                return Err("it fails".to_owned());
            }
            let answer = parse("{\"entities\": {}}");
            Ok(Extraction::new(answer, &[], text, false))
        };
        Ok(texts.iter().map(one).collect())
    }
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(files: &[(&str, usize)]) -> TestResult<Self> {
        let world = Self {
            dir: tempfile::tempdir()?,
        };
        for (name, rows) in files {
            let text: String = (0..*rows).map(|row| format!("{name} {row}\n")).collect();
            world.write(name, &text)?;
        }
        Ok(world)
    }

    fn write(&self, name: &str, text: &str) -> TestResult {
        let path = self.dir.path().join("in").join(name);
        fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a shard into a folder.
    fn run(&self, out: &str, shard: &str, finder: &mut Finds) -> TestResult<Summary> {
        self.run_as(out, shard, finder, "city", Claim::Refuse, &mut ())
    }

    fn run_as(
        &self,
        out: &str,
        shard: &str,
        finder: &mut Finds,
        types: &str,
        claim: Claim,
        observer: &mut dyn Observer,
    ) -> TestResult<Summary> {
        let inputs = Inputs::find(&[self.dir.path().join("in")])?;
        let question = Question::from_iter([("types".to_owned(), types.into())]);
        let job = Job {
            inputs: &inputs.files,
            texts: TextOptions::default(),
            part_rows: Some(4),
            shard: shard.parse::<Shard>()?,
            form: OutputForm::default(),
            folder: Folder::claim(&self.out(out), &question, claim)?,
            stop: CancellationToken::new(),
        };
        Ok(job.run(finder, observer)?)
    }
}

/// All files below a folder with their content.
fn files(dir: &Path) -> BTreeMap<String, String> {
    fn add(base: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                add(base, &path, found);
            } else {
                let name = path.strip_prefix(base).unwrap_or(&path);
                let text = fs::read_to_string(&path).unwrap_or_default();
                found.insert(name.display().to_string(), text);
            }
        }
    }
    let mut found = BTreeMap::new();
    add(dir, dir, &mut found);
    found
}

const FILES: [(&str, usize); 4] = [("a.txt", 10), ("b.txt", 0), ("c/d.txt", 8), ("e.txt", 1)];

#[test]
fn shards_make_the_bytes_of_one_process_and_each_row_once() -> TestResult {
    let world = World::new(&FILES)?;
    let mut alone = Finds::default();
    let whole = world.run("whole", "0/1", &mut alone)?;
    assert_eq!((whole.parts, whole.rows), (7, 19));
    let names: Vec<String> = files(&world.out("whole")).into_keys().collect();
    let parts = names.iter().filter(|name| !name.starts_with("_manifest"));
    let expected = [
        "a.txt.part-00000.jsonl",
        "a.txt.part-00001.jsonl",
        "a.txt.part-00002.jsonl",
        "b.txt.part-00000.jsonl",
        "c/d.txt.part-00000.jsonl",
        "c/d.txt.part-00001.jsonl",
        "e.txt.part-00000.jsonl",
    ];
    assert_eq!(parts.collect::<Vec<_>>(), expected);
    let mut shared = Finds::default();
    let mut rows = 0;
    for shard in ["2/3", "0/3", "1/3"] {
        rows += world.run("shared", shard, &mut shared)?.rows;
    }
    assert_eq!(rows, 19);
    assert_eq!(files(&world.out("shared")), files(&world.out("whole")));
    let sorted = |finds: &Finds| {
        let mut asked = finds
            .asked
            .lock()
            .map(|asked| asked.clone())
            .unwrap_or_default();
        asked.sort();
        asked
    };
    assert_eq!(sorted(&shared), sorted(&alone));
    Ok(())
}

#[test]
fn what_is_finished_is_not_asked_again_and_a_failure_costs_its_part() -> TestResult {
    let world = World::new(&FILES)?;
    world.run("whole", "0/1", &mut Finds::default())?;
    let mut dies = Finds {
        dies_after: Some(9),
        ..Finds::default()
    };
    let said = world
        .run("out", "0/1", &mut dies)
        .expect_err("it dies")
        .to_string();
    assert_eq!(said, "the model is gone");
    let parts = files(&world.out("out"));
    assert!(parts.contains_key("a.txt.part-00001.jsonl"));
    assert!(!parts.contains_key("a.txt.part-00002.jsonl"));
    let mut finds = Finds::default();
    let summary = world.run("out", "0/1", &mut finds)?;
    assert_eq!((summary.parts, summary.were_there), (7, 2));
    assert_eq!(finds.asked.lock().map_err(|_| "poisoned")?.len(), 11);
    assert_eq!(files(&world.out("out")), files(&world.out("whole")));
    Ok(())
}

#[test]
fn another_question_other_rows_and_damage_are_refused_or_set_aside() -> TestResult {
    let world = World::new(&FILES)?;
    world.run("out", "0/1", &mut Finds::default())?;
    let before = files(&world.out("out"));
    let other = |claim| world.run_as("out", "0/1", &mut Finds::default(), "river", claim, &mut ());
    let said = other(Claim::Refuse).expect_err("refused").to_string();
    assert!(
        said.contains("not the same: types") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(files(&world.out("out")), before);

    world.write("e.txt", "other\n")?;
    fs::write(world.out("out/c/d.txt.part-00001.jsonl"), "damaged")?;
    fs::write(world.out("out/f.txt.part-00000.jsonl"), "of somebody else")?;
    world.write("f.txt", "new\n")?;
    let summary = world.run("out", "0/1", &mut Finds::default())?;
    let failed: Vec<(&str, bool)> = summary
        .failed
        .iter()
        .map(|(part, why)| (part.as_str(), why.contains("--force")))
        .collect();
    let expected = [
        ("c/d.txt.part-00001.jsonl", true),
        ("e.txt.part-00000.jsonl", true),
        ("f.txt.part-00000.jsonl", true),
    ];
    assert_eq!(failed, expected, "{summary:?}");
    assert_eq!((summary.parts, summary.is_complete()), (5, false));

    let mut finds = Finds::default();
    let summary = world.run_as("out", "0/1", &mut finds, "city", Claim::Aside, &mut ())?;
    assert_eq!((summary.parts, summary.were_there), (8, 5));
    let asked = finds.asked.lock().map_err(|_| "poisoned")?.clone();
    assert_eq!(asked.len(), 6, "{asked:?}");
    let now = files(&world.out("out"));
    assert_eq!(now["c/d.txt.part-00001.jsonl.old-1"], "damaged");
    assert_eq!(now["f.txt.part-00000.jsonl.old-1"], "of somebody else");
    assert_eq!(
        now["e.txt.part-00000.jsonl.old-1"],
        before["e.txt.part-00000.jsonl"]
    );
    assert_eq!(
        now["c/d.txt.part-00001.jsonl"],
        before["c/d.txt.part-00001.jsonl"]
    );

    other(Claim::Aside)?;
    assert_eq!(files(&world.out("out.old-1")), now);
    Ok(())
}

/// What an observer hears.
#[derive(Default)]
struct Hears {
    faults: Vec<String>,
    failures: Vec<String>,
    finished: usize,
}

impl Observer for Hears {
    fn on_fault(&mut self, file: &Path, line: usize, fault: &str) {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        self.faults.push(format!("{file}:{line}: {fault}"));
    }

    fn on_part(&mut self, _: &Manifest, _: bool) {
        self.finished += 1;
    }

    fn on_failure(&mut self, part: &str, error: &ner_bulk::Error) {
        self.failures.push(format!("{part}: {error}"));
    }
}

#[test]
fn a_fault_is_named_and_counted_and_a_broken_file_costs_its_own_part() -> TestResult {
    let world = World::new(&[("a.txt", 2)])?;
    world.write("b.txt", "fail\n\nOsk\n")?;
    world.write("c.csv", "id,body\n1,2\n")?;
    world.write("d.parquet", "PAR1 no")?;
    let mut hears = Hears::default();
    let mut finds = Finds::default();
    let summary = world.run_as("out", "0/1", &mut finds, "city", Claim::Refuse, &mut hears)?;
    assert_eq!(
        hears.faults,
        ["b.txt:1: it fails", "b.txt:2: the text is blank"]
    );
    assert_eq!(
        (summary.rows, summary.unanswered, hears.finished),
        (5, 2, 2)
    );
    let failed: Vec<&String> = summary.failed.keys().collect();
    assert_eq!(
        failed,
        ["c.csv.part-00000.jsonl", "d.parquet.part-00000.jsonl"]
    );
    assert!(
        hears.failures[0].contains("c.csv:1: expected a column"),
        "{:?}",
        hears.failures
    );
    assert!(
        hears.failures[1].contains("d.parquet: cannot read"),
        "{:?}",
        hears.failures
    );
    let rows = fs::read_to_string(world.out("out/b.txt.part-00000.jsonl"))?;
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows[0], "{\"line\":1,\"error\":\"it fails\"}");
    assert!(
        rows[2].starts_with("{\"line\":3,\"sentence\":\"Osk\""),
        "{rows:?}"
    );
    Ok(())
}

#[test]
fn processes_that_share_a_folder_wait_for_each_other_and_make_no_part_twice() -> TestResult {
    let world = World::new(&[("a.txt", 40), ("b.txt", 40)])?;
    world.run("whole", "0/1", &mut Finds::default())?;
    let finds = Finds::default();
    let run = |_| {
        let mut finds = finds.clone();
        let summary = world
            .run("out", "0/1", &mut finds)
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(summary.rows)
    };
    let rows: Vec<Result<usize, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || run(i))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into())))
            .collect()
    });
    assert_eq!(rows, vec![Ok(80); 4]);
    assert_eq!(finds.asked.lock().map_err(|_| "poisoned")?.len(), 80);
    assert_eq!(files(&world.out("out")), files(&world.out("whole")));
    Ok(())
}

#[test]
fn a_look_makes_nothing_and_names_what_is_missing() -> TestResult {
    let world = World::new(&FILES)?;
    world.run("out", "0/2", &mut Finds::default())?;
    fs::write(world.out("out/a.txt.part-00000.jsonl"), "damaged")?;
    let before = files(&world.out("out"));
    let inputs = Inputs::find(&[world.dir.path().join("in")])?;
    let question = Question::from_iter([("types".to_owned(), "city".into())]);
    let job = Job {
        inputs: &inputs.files,
        texts: TextOptions::default(),
        part_rows: Some(4),
        shard: Shard::default(),
        form: OutputForm::default(),
        folder: Folder::look_at(&world.out("out"), &question)?,
        stop: CancellationToken::new(),
    };
    let summary = job.look(&mut ())?;
    assert_eq!(files(&world.out("out")), before);
    assert_eq!(
        summary.parts + summary.missing.len() + summary.failed.len(),
        7
    );
    let failed: Vec<&String> = summary.failed.keys().collect();
    assert_eq!(failed, ["a.txt.part-00000.jsonl"]);
    assert!(
        summary
            .missing
            .contains(&"a.txt.part-00001.jsonl".to_owned()),
        "{summary:?}"
    );
    let nowhere = Folder::look_at(&world.out("nowhere"), &question);
    let nowhere = nowhere.expect_err("nothing there");
    assert!(nowhere.to_string().contains("question.json"), "{nowhere}");
    Ok(())
}

#[test]
fn all_files_may_go_into_one() -> TestResult {
    let world = World::new(&FILES)?;
    let inputs = Inputs::find(&[world.dir.path().join("in")])?;
    let path = world.out("all.jsonl");
    let run = |types: &str, claim| -> TestResult<Summary> {
        let question = Question::from_iter([("types".to_owned(), types.into())]);
        let job = Job {
            inputs: &inputs.files,
            texts: TextOptions::default(),
            part_rows: None,
            shard: Shard::default(),
            form: OutputForm::default(),
            folder: Folder::of_file(&path, &question, claim)?,
            stop: CancellationToken::new(),
        };
        Ok(job.run(&mut Finds::default(), &mut ())?)
    };
    let summary = run("city", Claim::Refuse)?;
    assert_eq!((summary.parts, summary.rows), (1, 19));
    let text = fs::read_to_string(&path)?;
    let last = text.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("{\"file\":\"e.txt\",\"line\":1,"),
        "{last}"
    );
    assert_eq!(run("city", Claim::Refuse)?.were_there, 1);
    let other = run("river", Claim::Refuse)?;
    assert!(
        other.failed["all.jsonl"].contains("answers another question"),
        "{other:?}"
    );
    assert_eq!(run("river", Claim::Aside)?.were_there, 0);
    assert_eq!(fs::read_to_string(world.out("all.jsonl.old-1"))?, text);
    Ok(())
}
