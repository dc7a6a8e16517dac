//! The evaluation loop, the scores and the tables, on made-up sentences.

use ner_eval::result::Lengths;
use ner_eval::score::{compare, score_predictions};
use ner_eval::{
    Answer, BoxError, CancellationToken, Completer, Error, EvalOptions, EvalResult, EvalSet,
    Observer, Prediction, PredictionLog, Progress, Question, ResultTable, RunIdentity, Suite,
    evaluate, evaluate_from, evaluate_logged,
};
use ner_score::Counts;
use ner_types::{Entity, Example, PromptTemplate};

const OPTIONS: EvalOptions = EvalOptions {
    batch_size: 2,
    resamples: 200,
    seed: 1,
};

fn example(sentence: &str, entities: &[(&str, &str)]) -> Example {
    Example {
        sentence: sentence.into(),
        schema: vec!["City".into(), "misc".into(), "person".into()],
        entities: entities
            .iter()
            .map(|(text, label)| Entity::new(*text, *label))
            .collect(),
        ..Example::default()
    }
}

/// Three and one sentences; one has no gold entity, one only a placeholder.
fn suite() -> Suite {
    let first = vec![
        example(
            "Ardela Voss left Brel .",
            &[("Ardela Voss", "person"), ("Brel", "City")],
        ),
        example("It rains .", &[]),
        example("Oslin wakes .", &[("Oslin", "City")]),
    ];
    let second = vec![example("So it is .", &[("So", "misc")])];
    let set = |name: &str, examples| EvalSet {
        name: name.into(),
        examples,
    };
    Suite {
        name: "made up".into(),
        sets: vec![set("north", first), set("south", second)],
    }
}

fn answer(entities: &str) -> String {
    format!("<think>\nwhy\n</think>\n{{\"entities\": {{{entities}}}}}")
}

fn perfect() -> Vec<String> {
    let first = answer(r#""person": ["ardela voss"], "city": ["Brel", "BREL"]"#);
    vec![
        first,
        answer(""),
        answer(r#""CITY": ["The Oslin"]"#),
        answer(""),
    ]
}

fn predictions(completions: &[String]) -> Vec<Prediction> {
    let places = [("north", 0), ("north", 1), ("north", 2), ("south", 0)];
    let prediction = |((dataset, index), completion): ((&str, usize), &String)| Prediction {
        dataset: dataset.into(),
        index,
        completion: completion.clone(),
        truncated: false,
        tokens: None,
        thought: None,
    };
    places
        .into_iter()
        .zip(completions)
        .map(prediction)
        .collect()
}

/// Gives prepared answers in order and keeps the prompts.
struct Scripted {
    answers: std::vec::IntoIter<String>,
    prompts: Vec<String>,
}

impl Scripted {
    fn new(answers: Vec<String>) -> Self {
        Scripted {
            answers: answers.into_iter(),
            prompts: Vec::new(),
        }
    }
}

impl Completer for Scripted {
    fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
        self.prompts
            .extend(questions.iter().map(|it| it.prompt.clone()));
        let answer = |text: String| Answer {
            tokens: text.len(),
            thought: None,
            truncated: text.is_empty(),
            text,
        };
        Ok(self
            .answers
            .by_ref()
            .take(questions.len())
            .map(answer)
            .collect())
    }
}

/// Stops the run once so many sentences are done.
struct StopAfter(usize, CancellationToken);

impl Observer for StopAfter {
    fn on_batch(&mut self, progress: &Progress<'_>) {
        if progress.done >= self.0 {
            self.1.cancel();
        }
    }
}

fn run(completer: &mut dyn Completer, stop_after: usize) -> Result<EvalResult, Error> {
    let stop = CancellationToken::new();
    evaluate(
        &suite(),
        &PromptTemplate::paper(),
        completer,
        &OPTIONS,
        &stop,
        &mut StopAfter(stop_after, stop.clone()),
    )
}

/// Writes down what it hears.
#[derive(Default)]
struct Heard(Vec<(usize, usize, usize)>);

impl Observer for Heard {
    fn on_start(&mut self, done: usize, total: usize) {
        self.0.push((done, total, 0));
    }

    fn on_batch(&mut self, progress: &Progress<'_>) {
        self.0
            .push((progress.done, progress.total, progress.batch.len()));
    }
}

#[test]
fn a_perfect_system() {
    let mut completer = Scripted::new(perfect());
    let result = run(&mut completer, 99).expect("evaluated");
    assert!(result.complete);
    assert_eq!(
        result.sets[0].counts,
        Counts {
            tp: 3,
            predicted: 3,
            gold: 3
        }
    );
    assert_eq!((result.sets[0].f1, result.sets[0].sentences), (100.0, 3));
    // The second set has nothing to find and nothing was found: 0, as the paper's scorer says.
    assert_eq!(result.sets[1].counts, Counts::default());
    assert_eq!((result.mean_f1, result.mean_f1_paper), (50.0, 50.0));
    assert_eq!(result.mean_over(|name| name == "north"), Some(100.0));
    assert_eq!(
        result.sets[0].reasoning_chars,
        Some(Lengths {
            count: 3,
            median: 3,
            p95: 3
        })
    );
    assert!(
        completer.prompts[0].contains(r#"["city", "person"]"#),
        "{}",
        completer.prompts[0]
    );
    assert!(completer.prompts[3].contains("So it is ."));
}

#[test]
fn faults_of_answers_are_counted() {
    let completions = vec![
        answer(r#""person": ["Ardela Voss", "Nobody"], "planet": ["Brel"]"#),
        String::new(),
        r#"{"city": ["Oslin"]}"#.to_string(),
        answer(""),
    ];
    let result = run(&mut Scripted::new(completions), 99).expect("evaluated");
    let north = &result.sets[0];
    assert_eq!(
        north.counts,
        Counts {
            tp: 1,
            predicted: 3,
            gold: 3
        }
    );
    assert_eq!(
        (north.schema_violations, north.hallucinated_entities),
        (1, 1)
    );
    assert_eq!((north.parse_failures, north.truncated), (2, 1));
    assert_eq!(result.sets[1].parse_failures, 0);
}

#[test]
fn a_stopped_run_is_scored_and_taken_up_again() {
    let stopped = run(&mut Scripted::new(perfect()), 2).expect("evaluated");
    assert!(!stopped.complete);
    assert_eq!(
        (stopped.sets[0].sentences, stopped.sets[0].unanswered),
        (2, 1)
    );
    assert_eq!(stopped.predictions.len(), 2);

    let mut rest = Scripted::new(perfect().split_off(2));
    let mut heard = Heard::default();
    let template = PromptTemplate::paper();
    let earlier = stopped.predictions;
    let taken_up = evaluate_from(
        earlier,
        &suite(),
        &template,
        &mut rest,
        &OPTIONS,
        &CancellationToken::new(),
        &mut heard,
    )
    .expect("evaluated");
    assert_eq!(
        (rest.prompts.len(), heard.0),
        (2, vec![(2, 4, 0), (4, 4, 2)])
    );
    assert_eq!(
        taken_up,
        run(&mut Scripted::new(perfect()), 99).expect("evaluated")
    );
}

#[test]
fn a_run_that_is_stopped_before_it_begins_asks_nothing() {
    let (mut model, stop) = (Scripted::new(perfect()), CancellationToken::new());
    stop.cancel();
    let template = PromptTemplate::paper();
    let result = evaluate(&suite(), &template, &mut model, &OPTIONS, &stop, &mut ());
    let result = result.expect("scored");
    assert!(!result.complete && result.predictions.is_empty());
    assert!(model.prompts.is_empty());
}

/// Answers with a log until `stop_after` sentences are done.
fn logged(
    path: &std::path::Path,
    model: &str,
    completer: &mut dyn Completer,
    stop_after: usize,
) -> Result<EvalResult, Error> {
    let (suite, template, stop) = (suite(), PromptTemplate::paper(), CancellationToken::new());
    let identity = RunIdentity::new(&suite, "model", &template).with_files(model);
    let mut log = PredictionLog::open(path, &identity)?;
    evaluate_logged(
        &mut log,
        &suite,
        &template,
        completer,
        &OPTIONS,
        &stop,
        &mut StopAfter(stop_after, stop.clone()),
    )
}

#[test]
fn the_answers_of_one_model_are_never_taken_for_those_of_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("predictions.partial.jsonl");
    let half = logged(&path, "1111", &mut Scripted::new(perfect()), 2).expect("half");
    assert!(!half.complete);

    // The other model would have answered nothing rightly.
    let mut other = Scripted::new(vec![answer(""); 4]);
    let refused = logged(&path, "2222", &mut other, 99).expect_err("another model's answers");
    assert!(matches!(refused, Error::OtherRun { .. }), "{refused}");
    assert!(other.prompts.is_empty());

    let mut same = Scripted::new(perfect().split_off(2));
    let whole = logged(&path, "1111", &mut same, 99).expect("goes on");
    assert_eq!((whole.complete, same.prompts.len()), (true, 2));
}

struct Failing;

impl Completer for Failing {
    fn complete(&mut self, _: &[Question]) -> Result<Vec<Answer>, BoxError> {
        Err("out of memory".into())
    }
}

#[test]
fn faults_of_the_completer_are_named() {
    let message = run(&mut Failing, 99).expect_err("it fails").to_string();
    assert_eq!(
        message,
        "the model failed on the prompts of sentences 1 to 2 of 4: out of memory"
    );
    let error = run(&mut Scripted::new(vec![answer("")]), 99).expect_err("one answer");
    assert_eq!(
        error.to_string(),
        "expected 2 answers from the model, one a prompt, found 1"
    );
}

#[track_caller]
fn check_refused(suite: &Suite, predictions: Vec<Prediction>, expected: &str) {
    let message = score_predictions(suite, predictions, &OPTIONS)
        .expect_err("refused")
        .to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn predictions_that_do_not_fit_are_refused() {
    let good = predictions(&perfect());
    let other = |dataset: &str, index| {
        vec![Prediction {
            dataset: dataset.into(),
            index,
            ..good[0].clone()
        }]
    };
    check_refused(
        &suite(),
        other("east", 0),
        r#"prediction for "east", index 0: expected one of ["north", "south"]"#,
    );
    check_refused(&suite(), other("south", 1), "expected an index below 1");
    check_refused(
        &suite(),
        vec![good[0].clone(), good[0].clone()],
        "expected one, found a second one",
    );
    let mut twins = suite();
    twins.sets[1].name = "north".into();
    check_refused(
        &twins,
        vec![],
        r#"expected sets of different names, found "north" twice"#,
    );
}

#[test]
fn systems_are_compared_on_the_same_sentences() {
    let (good, bad) = (
        predictions(&perfect()),
        predictions(&vec![String::new(); 4]),
    );
    let test = compare(&suite(), &good, &bad, &OPTIONS).expect("the same sentences");
    assert_eq!(test.difference, 0.5);
    let error = compare(&suite(), &good, &bad[..3], &OPTIONS).expect_err("one sentence less");
    assert_eq!(
        error.to_string(),
        r#""south", index 0: expected an answer of both systems, found one"#
    );
}

#[test]
fn the_serialised_result_is_read_back_without_its_predictions() {
    let result = run(&mut Scripted::new(perfect()), 99).expect("evaluated");
    let text = serde_json::to_string(&result).expect("serialisable");
    let read: EvalResult = serde_json::from_str(&text).expect("readable");
    assert_eq!(
        read,
        EvalResult {
            predictions: vec![],
            ..result
        }
    );
}

#[test]
fn limited_suites_keep_the_first_sentences() {
    let limited = suite().limited(2);
    assert_eq!(
        (
            limited.sentences(),
            limited.sets[0].examples[1].sentence.as_str()
        ),
        (3, "It rains .")
    );
}

/// The result of a perfect system with its sets renamed.
fn renamed(names: [&str; 2]) -> EvalResult {
    let mut result = run(&mut Scripted::new(perfect()), 99).expect("evaluated");
    result
        .sets
        .iter_mut()
        .zip(names)
        .for_each(|(set, name)| set.name = name.into());
    result
}

#[test]
fn on_benchmark_sets_the_papers_rows_share_our_columns() {
    let text = ResultTable::new(&[("base", &renamed(["CrossNER_AI", "mit-movie"]))]).to_text();
    let lines: Vec<&str> = text.lines().collect();
    let words = |line: &str| {
        line.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines[0]),
        ["AI", "Movie", "Mean", "95", "%", "interval"]
    );
    assert_eq!(words(lines[2])[..4], ["base", "100.00", "0.00", "50.00"]);
    let of_paper = lines
        .iter()
        .find(|line| line.starts_with("ReasoningNER 1.7B"))
        .expect("a row of the paper");
    assert_eq!(
        words(of_paper),
        ["ReasoningNER", "1.7B", "63.6", "70.2", "–"]
    );
    assert!(text.contains("Reported by the paper") && text.contains("ReasoningNER 8B ♣"));
}

#[test]
fn on_other_sets_the_papers_rows_are_a_table_of_their_own() {
    let result = renamed(["north", "south"]);
    let table = ResultTable::new(&[("base", &result)]);
    let text = table.to_text();
    assert!(text.contains("north  south   Mean"), "{text}");
    assert!(
        text.contains("Movie  Restaurant    AI  Literature  Music  Politics  Science  Mean"),
        "{text}"
    );
    assert!(text.contains("are on other test sets"), "{text}");
    assert_eq!(table.to_html().matches("<table").count(), 2);
    let own = ResultTable::of_other_sets(&[("base", &result)]);
    let text = own.to_text();
    assert!(text.contains("north  south   Mean"), "{text}");
    assert!(
        !text.contains("paper (") && !text.contains("ChatGPT"),
        "{text}"
    );
    assert_eq!(own.to_html().matches("<table").count(), 1);
}

#[test]
fn html_is_escaped_and_balanced() {
    let mut result = renamed(["<b>", "a&b"]);
    result.complete = false;
    let html = ResultTable::new(&[("x < \"y\"", &result)]).to_html();
    assert!(
        html.contains("x &lt; &quot;y&quot; (incomplete)")
            && html.contains("&lt;b&gt;")
            && html.contains("a&amp;b")
    );
    for tag in ["table", "thead", "tbody", "tr", "th", "td", "p"] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn answers_that_could_not_be_read_are_told_beside_the_score() {
    let mut result = renamed(["north", "south"]);
    let clean = ResultTable::new(&[("base", &result)]).to_text();
    result.sets[0].parse_failures = 0;
    result.sets[1].parse_failures = 2;
    result.sets[1].sentences = 3;
    result.sets[1].truncated = 1;
    let text = ResultTable::new(&[("base", &result)]).to_text();
    let told = "base: answers that could not be read, and count as without entities: south 2 of 3, 1 cut off.";
    assert!(text.contains(told), "{text}");
    assert!(!clean.contains("south 2 of 3"), "{clean}");
}
