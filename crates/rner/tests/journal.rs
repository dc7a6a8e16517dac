//! What was paid for is never asked again: `rner::reproduce` with a teacher that counts its requests.

mod mock;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use mock::Teacher;
use rner::prelude::*;
use tokio_util::sync::CancellationToken;

type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

/// Cancels a run once the stage after the teacher's begins.
struct UntilTuning(CancellationToken);

impl ProgressSink for UntilTuning {
    fn start(&self, label: &str, total: usize, unit: &'static str) -> Box<dyn Part> {
        if label.starts_with("sft") {
            self.0.cancel();
        }
        Session::silent().start(label, total, unit)
    }

    fn line(&self, _: &str) {}
}

/// Runs data and teacher of the shortest recipe in `dir`, and gives the words of the error that ends it.
fn run(
    teacher: &Teacher,
    dir: &Path,
    sets: &[&str],
) -> std::result::Result<String, Box<dyn std::error::Error>> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base");
    let mut all = vec![
        format!("model.base={:?}", base.display().to_string()),
        format!("cot.teacher_url={:?}", teacher.url),
        "cot.teacher_model=thinker".to_owned(),
        "cot.judge_url=".to_owned() + &teacher.url,
        "cot.judge_model=judge".to_owned(),
        "data.train_sentences=12".to_owned(),
        "data.eval_sentences=2".to_owned(),
    ];
    all.extend(sets.iter().map(|set| (*set).to_owned()));
    let recipe = Recipe::resolve("smoke", &all)?;
    let stop = CancellationToken::new();
    let session = Session::new(stop.clone(), Arc::new(UntilTuning(stop)));
    let ended = reproduce(&recipe, &RunDir::open(dir)?.setting_aside(true), &session);
    let error = ended.err().ok_or("it should have been stopped")?;
    Ok(format!("{error}"))
}

#[test]
fn nothing_is_paid_for_twice() -> TestResult {
    let (teacher, folder) = (Teacher::start()?, tempfile::tempdir()?);
    let dir = folder.path();
    run(&teacher, dir, &[])?;
    let paid = teacher.asked();
    assert_eq!(
        paid, 24,
        "a teacher's and a judge's answer for each of twelve rows"
    );
    for set in [
        "cot.judge_threshold=8",
        "cot.attempts=6",
        "cot.concurrency=3",
        "data.limit=9",
        "cot.rules_off=[\"leak\"]",
        "cot.stream=false",
        "cot.budget_tokens=1000000",
    ] {
        run(&teacher, dir, &[set])?;
        assert_eq!(teacher.asked(), paid, "{set} asks for nothing again");
        assert!(dir.join("teacher/journal.jsonl").is_file(), "{set}");
    }
    // A backend that no build of a test has: refused at once, with everything still there.
    let refused = run(&teacher, dir, &["run.backend=libtorch"])?;
    assert!(
        refused.contains("built without the backend libtorch"),
        "{refused}"
    );
    assert_eq!(teacher.asked(), paid);
    // Another program does the stage again, from the journal.
    for file in ["done.json", "work.json"] {
        let path = dir.join("stage-2-cot").join(file);
        let text = std::fs::read_to_string(&path)?;
        let version = env!("CARGO_PKG_VERSION");
        std::fs::write(&path, text.replace(&format!("{version:?}"), "\"0.0.1\""))?;
    }
    run(&teacher, dir, &[])?;
    assert_eq!(teacher.asked(), paid);
    // A threshold that the scores do not reach asks for the attempts that are left, and only for these.
    run(&teacher, dir, &["cot.judge_threshold=10"])?;
    assert!(teacher.asked() > paid);
    let bodies = teacher.bodies();
    let different: HashSet<&String> = bodies.iter().collect();
    assert_eq!(different.len(), bodies.len(), "no request was sent twice");
    Ok(())
}

#[test]
fn seeds_and_runs_share_what_was_answered() -> TestResult {
    let (teacher, folder) = (Teacher::start()?, tempfile::tempdir()?);
    let journal = folder.path().join("answers");
    let shared = format!("cot.journal={:?}", journal.display().to_string());
    run(&teacher, &folder.path().join("one"), &[&shared])?;
    let paid = teacher.asked();
    run(
        &teacher,
        &folder.path().join("two"),
        &[&shared, "sft.train.max_steps=3"],
    )?;
    assert_eq!(teacher.asked(), paid);
    assert!(!folder.path().join("one/teacher").exists());
    // Another model would have everything paid for again: that is said, not done.
    let two = folder.path().join("two");
    let files = ["recipe.toml", "stage-2-cot/ner-cot.jsonl"].map(|file| two.join(file));
    let before: Vec<_> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let other = ["cot.teacher_model=other", &shared];
    let refused = run(&teacher, &two, &other)?;
    assert!(refused.contains("cot.allow_change"), "{refused}");
    assert_eq!(teacher.asked(), paid);
    let after: Vec<_> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    assert_eq!(before, after, "what was done is as it was");
    Ok(())
}

#[test]
fn the_journal_of_an_older_program_is_moved_out_of_its_stage() -> TestResult {
    let (teacher, folder) = (Teacher::start()?, tempfile::tempdir()?);
    let dir = folder.path();
    run(&teacher, dir, &[])?;
    let paid = teacher.asked();
    let stage = dir.join("stage-2-cot");
    for file in ["journal.jsonl", "manifest.json"] {
        std::fs::rename(dir.join("teacher").join(file), stage.join(file))?;
    }
    std::fs::remove_dir_all(dir.join("teacher"))?;
    let before = std::fs::read(stage.join("journal.jsonl"))?;
    run(&teacher, dir, &["cot.judge_threshold=7"])?;
    assert_eq!(teacher.asked(), paid);
    let kept = std::fs::read(dir.join("teacher/journal-of-a-stage-1.jsonl"))?;
    assert_eq!(kept, before, "the file itself stays as it was");
    // It is kept when nothing is paid for any more, too.
    std::fs::copy(
        dir.join("teacher/journal-of-a-stage-1.jsonl"),
        stage.join("journal.jsonl"),
    )?;
    run(
        &teacher,
        dir,
        &["cot.teacher_url=simulated", "cot.judge_url=simulated"],
    )?;
    let again = std::fs::read(dir.join("teacher/journal-of-a-stage-2.jsonl"))?;
    assert_eq!(again, before);
    Ok(())
}

#[test]
fn what_a_server_knows_beside_the_protocol_is_in_its_requests() -> TestResult {
    let (teacher, folder) = (Teacher::start()?, tempfile::tempdir()?);
    let sets = [
        "data.train_sentences=2",
        "cot.teacher_extra.reasoning_effort=low",
        "cot.judge_extra={chat_template_kwargs = {enable_thinking = false}}",
    ];
    run(&teacher, folder.path(), &sets)?;
    let bodies = teacher.bodies();
    let with = |words: &str| bodies.iter().filter(|body| body.contains(words)).count();
    assert_eq!(with(r#""reasoning_effort":"low""#), 2, "{bodies:?}");
    assert_eq!(
        with(r#""chat_template_kwargs":{"enable_thinking":false}"#),
        2,
        "{bodies:?}"
    );
    Ok(())
}

#[test]
fn a_budget_ends_a_run_and_a_larger_one_goes_on() -> TestResult {
    let (teacher, folder) = (Teacher::start()?, tempfile::tempdir()?);
    let slow = [
        "cot.concurrency=1",
        "cot.fixed_concurrency=true",
        "cot.max_tokens=1024",
    ];
    // A request may cost 1,024 dollars, and its answer then costs ten.
    let price = ["cot.price_in=0", "cot.price_out=1000000"];
    let poor = [&slow[..], &price, &["cot.budget_usd=1075"]].concat();
    let ended = run(&teacher, folder.path(), &poor)?;
    assert!(ended.contains("stage cot"), "{ended}");
    let asked = teacher.asked();
    assert!((1..24).contains(&asked), "{asked}");
    let rich = [&slow[..], &price, &["cot.budget_usd=100000"]].concat();
    run(&teacher, folder.path(), &rich)?;
    assert_eq!(teacher.asked(), 24);
    Ok(())
}

#[test]
fn sentences_of_the_evaluation_are_left_out_and_counted() -> TestResult {
    let dir = tempfile::tempdir()?;
    let example = |sentence: &str| Example {
        sentence: sentence.into(),
        schema: vec!["person".into()],
        ..Example::default()
    };
    let same = example("Ada Brel left Port Halvek on the third day of the fair.");
    let other = example("Nobody knows who paid for the boat of the two sisters.");
    let eval = dir.path().join("eval.jsonl");
    std::fs::write(&eval, serde_json::to_string(&same)?)?;
    let recipe = Recipe::resolve("smoke", &[])?;
    let job = CotJob {
        source: &[same, other],
        config: &recipe.cot,
        seed: 1,
        sampling_seed: 1,
        exclude: vec![eval],
        journal: dir.path().join("journal"),
        out: dir.path().join("out"),
        session: &Session::silent(),
    };
    let funnel = job.run()?;
    assert_eq!(funnel.rejected_rows.get("in_evaluation_data"), Some(&1));
    assert_eq!(funnel.rows, 2);
    Ok(())
}
