//! The simulated teacher and judge under the NER-CoT pipeline, over HTTP.

use std::collections::HashMap;
use std::path::Path;

use chat_client::{ChatClient, Endpoint, Sampling};
use ner_cot::output::write_dataset;
use ner_cot::{CancellationToken, Error, Outcome, Pipeline, PipelineConfig};
use ner_toy::teacher::{
    GoldEntry, JUDGE_MODEL, MistakeRates, RunningTeacher, TEACHER_MODEL, gold, reasoning_from_gold,
    serve,
};
use ner_toy::{Corpus, CorpusConfig};
use ner_types::{Entity, Example};

const NAMES: [&str; 6] = [
    "Ardela Voss",
    "Dr. Oke",
    "Miro \"Mo\" Hale",
    "Łucja",
    "Tam",
    "Bo Li",
];
const PLACES: [&str; 5] = ["Port Halvek", "St. Oslin", "小樽", "Brel", "Quay 9"];

/// Sentences with a person and a city each, and some without entities.
fn source(rows: usize) -> Vec<Example> {
    (0..rows)
        .map(|row| {
            let (name, place) = (NAMES[row % 6], PLACES[row % 5]);
            let empty = row % 10 == 9;
            Example {
                guid: Some(format!("row-{row}")),
                dataset: Some("tests".into()),
                sentence: if empty {
                    format!("Nothing happened on day {row}.")
                } else {
                    format!("On day {row} the pilot {name} left for {place}, without a map.")
                },
                schema: vec!["person".into(), "city".into(), "Ship".into()],
                entities: if empty {
                    Vec::new()
                } else {
                    vec![Entity::new(name, "person"), Entity::new(place, "city")]
                },
                ..Example::default()
            }
        })
        .collect()
}

fn corpus(source: &[Example]) -> HashMap<String, GoldEntry> {
    let entry = |example: &Example| GoldEntry {
        reasoning: reasoning_from_gold(&example.sentence, &example.schema, &example.entities),
        entities: example.entities.clone(),
    };
    source
        .iter()
        .map(|example| (example.sentence.clone(), entry(example)))
        .collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn start(source: &[Example], rates: MistakeRates, rt: &tokio::runtime::Runtime) -> RunningTeacher {
    serve(corpus(source), 7, rates, rt.handle()).expect("a free port")
}

fn pipeline(url: &str, teacher: &str, concurrency: usize) -> Pipeline {
    let client = |model: &str| {
        let mut endpoint = Endpoint::new(url, model);
        endpoint.concurrency = concurrency;
        ChatClient::new(endpoint).expect("a client")
    };
    let sampling = Sampling {
        seed: Some(1),
        ..Sampling::default()
    };
    let config = PipelineConfig {
        teacher: sampling.clone(),
        judge: sampling,
        // A busy machine must not turn a stop into lost answers.
        grace: std::time::Duration::from_secs(60),
        ..PipelineConfig::default()
    };
    Pipeline::new(client(teacher), client(JUDGE_MODEL), config).expect("valid settings")
}

/// Stops the run once so many rows are done.
struct StopAfter<'a>(usize, &'a CancellationToken);

impl ner_cot::Observer for StopAfter<'_> {
    fn on_progress(&mut self, progress: &ner_cot::Progress) {
        if progress.done >= self.0 {
            self.1.cancel();
        }
    }
}

fn run(
    rt: &tokio::runtime::Runtime,
    pipeline: &Pipeline,
    source: &[Example],
    dir: &Path,
) -> Result<Outcome, Error> {
    rt.block_on(pipeline.run(source, dir, &CancellationToken::new(), &mut ()))
}

#[test]
fn without_mistakes_every_row_is_accepted_as_gold() {
    let (source, rt) = (source(60), runtime());
    let teacher = start(&source, MistakeRates::none(), &rt);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipeline = pipeline(&teacher.url, TEACHER_MODEL, 8);
    let outcome = run(&rt, &pipeline, &source, dir.path()).expect("runs");
    assert_eq!(
        outcome.funnel.rejected_answers,
        Default::default(),
        "{:?}",
        outcome.funnel.samples
    );
    assert_eq!(outcome.accepted.len(), source.len());
    for (row, gold) in outcome.accepted.iter().zip(&source) {
        assert_eq!(row.entities, gold.entities);
        assert_eq!((&row.guid, &row.dataset), (&gold.guid, &gold.dataset));
    }
}

/// The rules must not reject the reasoning about ambiguous names.
#[test]
fn the_corpus_is_accepted_at_the_first_attempt_where_nothing_is_wrong() {
    let config = CorpusConfig {
        seed: 9,
        train: 300,
        rl: 0,
        eval_per_domain: 0,
    };
    let (source, rt) = (Corpus::generate(&config).train, runtime());
    let teacher = serve(gold(&source), 7, MistakeRates::none(), rt.handle()).expect("a free port");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipeline = pipeline(&teacher.url, TEACHER_MODEL, 8);
    let outcome = run(&rt, &pipeline, &source, dir.path()).expect("runs");
    assert_eq!(
        outcome.funnel.rejected_answers,
        Default::default(),
        "{:?}",
        outcome.funnel.samples
    );
    assert_eq!(outcome.funnel.accepted_at_attempt[0], source.len());
}

#[test]
fn mistakes_are_found_and_asked_about_again() {
    let (source, rt) = (source(400), runtime());
    let rates = MistakeRates {
        judge_noise: 0.0,
        ..MistakeRates::default()
    };
    let teacher = start(&source, rates, &rt);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipeline = pipeline(&teacher.url, TEACHER_MODEL, 16);
    let outcome = run(&rt, &pipeline, &source, dir.path()).expect("runs");
    let funnel = &outcome.funnel;
    for reason in [
        "truncated",
        "json_complete",
        "reasoning_answer_agree",
        "entity_in_sentence",
        "judge_score",
    ] {
        assert!(
            funnel.rejected_answers.contains_key(reason),
            "{reason}: {funnel:?}"
        );
    }
    assert_eq!(funnel.accepted + funnel.rejected, source.len());
    assert!(funnel.accepted_at_attempt[1] > 0, "{funnel:?}");
    let gold: HashMap<_, _> = source.iter().map(|e| (&e.guid, &e.entities)).collect();
    for row in &outcome.accepted {
        assert_eq!(
            &row.entities, gold[&row.guid],
            "a judge without noise lets no mistake pass"
        );
    }
}

#[test]
fn the_dataset_does_not_depend_on_concurrency_or_interruption() {
    let (source, rt) = (source(200), runtime());
    let teacher = start(&source, MistakeRates::default(), &rt);
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let write = |outcome: &Outcome, dir: &Path| {
        let (data, funnel) =
            write_dataset(dir, &outcome.accepted, &outcome.funnel).expect("written");
        (
            std::fs::read(data).expect("readable"),
            std::fs::read(funnel).expect("readable"),
        )
    };
    let one = run(
        &rt,
        &pipeline(&teacher.url, TEACHER_MODEL, 1),
        &source,
        dirs[0].path(),
    )
    .expect("runs");
    let many = pipeline(&teacher.url, TEACHER_MODEL, 32);
    let other = run(&rt, &many, &source, dirs[1].path()).expect("runs");
    assert_eq!(write(&one, dirs[0].path()), write(&other, dirs[1].path()));

    let (stop, dir) = (CancellationToken::new(), dirs[2].path());
    let interrupted = rt
        .block_on(many.run(&source, dir, &stop, &mut StopAfter(50, &stop)))
        .expect("stops");
    assert!(interrupted.stopped && interrupted.funnel.unfinished > 0);
    let resumed = run(&rt, &many, &source, dir).expect("goes on");
    assert_eq!(write(&one, dirs[0].path()), write(&resumed, dir));
    assert!(
        resumed.requests < other.requests,
        "answers of the interrupted run are used"
    );
    assert_eq!(
        resumed.requests + interrupted.requests,
        other.requests,
        "none was sent twice"
    );

    let rerun = run(&rt, &many, &source, dir).expect("reruns");
    assert_eq!(rerun.requests, 0);
}

#[test]
fn an_unknown_model_ends_the_run_with_words() {
    let (source, rt) = (source(3), runtime());
    let teacher = start(&source[..1], MistakeRates::none(), &rt);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipeline = pipeline(&teacher.url, "gpt-0", 4);
    let error = run(&rt, &pipeline, &source, dir.path())
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("tiny-teacher") && error.contains("127.0.0.1"),
        "{error}"
    );
}

#[test]
fn an_unknown_sentence_costs_its_row_and_is_named() {
    let (source, rt) = (source(3), runtime());
    let teacher = start(&source[..1], MistakeRates::none(), &rt);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipeline = pipeline(&teacher.url, TEACHER_MODEL, 4);
    let outcome = run(&rt, &pipeline, &source, dir.path()).expect("the other row is made");
    assert_eq!((outcome.funnel.accepted, outcome.funnel.failed), (1, 2));
    for row in &outcome.funnel.failed_rows {
        let words = &row.message;
        assert!(words.contains("the corpus has no sentence"), "{words}");
    }
}

#[test]
fn rates_that_are_no_shares_are_refused() {
    let rt = runtime();
    for bad in [-0.1, 0.9, f64::NAN] {
        let rates = MistakeRates {
            truncated: bad,
            missed_entity: 0.5,
            ..MistakeRates::none()
        };
        assert!(
            serve(HashMap::new(), 0, rates, rt.handle()).is_err(),
            "{bad}"
        );
    }
}
