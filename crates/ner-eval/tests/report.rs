//! What an evaluation leaves behind, and one run compared with another, on made-up sentences.

use ner_eval::compare::{RunScores, SetScores, compare_runs};
use ner_eval::completer::Outcome;
use ner_eval::load::{LoadedSuite, OnFault};
use ner_eval::{
    Answer, BoxError, CancellationToken, Completer, EvalOptions, EvalResult, EvalSet, Prediction,
    Prompting, Question, ReportSettings, RunReport, Suite, evaluate_from,
};
use ner_score::Scorer;
use ner_types::{Entity, Example, PromptTemplate};
use serde_json::Value;

const OPTIONS: EvalOptions = EvalOptions {
    batch_size: 4,
    resamples: 199,
    seed: 1,
};

/// Sentences "Ardela Voss met <i> in Brel": a person and a city each.
fn suite() -> Suite {
    let example = |i: usize| Example {
        sentence: format!("Ardela Voss met {i} in <Brel> ."),
        schema: vec!["city".into(), "person".into()],
        entities: vec![
            Entity::new("Ardela Voss", "person"),
            Entity::new("Brel", "city"),
        ],
        ..Example::default()
    };
    let set = |name: &str| EvalSet {
        name: name.into(),
        examples: (0..40).map(example).collect(),
    };
    Suite {
        name: "made up".into(),
        sets: vec![set("north"), set("south")],
    }
}

fn completion(entities: &str) -> String {
    format!("<think>\nfour words of reasoning\n</think>\n{{\"entities\": {{{entities}}}}}")
}

/// Answers by a rule; what the rule does not answer is missing.
fn predictions(rule: impl Fn(&str, usize) -> Option<String>) -> Vec<Prediction> {
    let mut predictions = Vec::new();
    for set in ["north", "south"] {
        for index in 0..40 {
            predictions.extend(rule(set, index).map(|completion| Prediction {
                dataset: set.into(),
                index,
                truncated: completion.is_empty(),
                tokens: Some(10),
                thought: None,
                completion,
            }));
        }
    }
    predictions
}

fn right() -> String {
    completion(r#""person": ["Ardela Voss"], "city": ["Brel"]"#)
}

/// Every fourth answer to the north has a boundary error, a foreign label and an invented name.
fn faulty(set: &str, index: usize) -> String {
    match (set, index % 4) {
        ("north", 0) => completion(r#""person": ["Voss", "Nobody"], "planet": ["Brel"]"#),
        ("north", 1) => String::new(),
        _ => right(),
    }
}

fn settings(system: &str) -> ReportSettings {
    ReportSettings {
        system: system.into(),
        scorer: Scorer::ReasoningIe,
        prompting: Some(Prompting::StepByStep),
        options: OPTIONS,
        training: None,
    }
}

fn report(predictions: Vec<Prediction>) -> (LoadedSuite, RunReport) {
    let loaded = LoadedSuite::from_suite(suite());
    let report = RunReport::new(&loaded, predictions, vec![], None, &settings("m <1>"))
        .expect("predictions of the suite");
    (loaded, report)
}

#[test]
fn errors_and_signatures_are_counted() {
    let (_, report) = report(predictions(|set, index| Some(faulty(set, index))));
    let north = &report.analysis.sets[0];
    let errors: Vec<(&str, usize)> = north
        .report
        .errors
        .iter()
        .filter(|row| row.errors > 0)
        .map(|row| (row.class.name(), row.errors))
        .collect();
    let expected = [
        ("boundary", 10),
        ("hallucinated", 10),
        ("outside_schema", 10),
        ("parse_failure", 20),
    ];
    assert_eq!(errors, expected);
    let signs = &north.signatures;
    assert_eq!(
        (signs.answers, signs.parse_failures, signs.truncated),
        (40, 10, 10)
    );
    assert_eq!((signs.entities, signs.entities_outside_schema), (70, 10));
    assert_eq!(
        signs.reasoning_words.map(|l| (l.count, l.median, l.p95)),
        Some((30, 4, 4))
    );
    assert_eq!(signs.words_per_entity, Some(120.0 / 70.0));
    assert_eq!(signs.tokens_per_entity, Some(400.0 / 70.0));
    let spread = report.analysis.spread.as_ref().expect("two sets");
    assert_eq!(
        (spread.worst.as_str(), spread.best.as_str(), spread.highest),
        ("north", "south", 100.0)
    );
    assert_eq!(report.analysis.crossner_mean_f1, None);
}

#[test]
fn presets_stand_side_by_side_and_the_chosen_one_scores() {
    let all = predictions(|set, index| Some(faulty(set, index)));
    let (loaded, paper) = report(all.clone());
    for row in &paper.analysis.scorers {
        let settings = ReportSettings {
            scorer: row.scorer,
            ..settings("m")
        };
        let chosen = RunReport::new(&loaded, all.clone(), vec![], None, &settings).expect("scored");
        let f1: Vec<f64> = chosen.result.sets.iter().map(|set| set.f1).collect();
        assert_eq!(f1, row.f1, "{}", row.scorer);
        let of_report = chosen
            .analysis
            .sets
            .iter()
            .map(|set| set.report.micro.f1 * 100.0);
        assert_eq!(of_report.collect::<Vec<_>>(), row.f1, "{}", row.scorer);
    }
}

#[test]
fn results_begin_with_f1_by_name_and_are_read_back() {
    let (loaded, report) = report(predictions(|set, index| Some(faulty(set, index))));
    let dir = tempfile::tempdir().expect("a folder");
    let files = report
        .write(&loaded, &dir.path().join("run"))
        .expect("written");
    let text = std::fs::read_to_string(&files.results).expect("readable");
    assert!(
        text.starts_with("{\n  \"f1\": {\n    \"north\":"),
        "{}",
        &text[..40]
    );
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["f1"]["south"], 100.0);
    assert_eq!(value["f1"]["average"], report.result.mean_f1_paper);
    let read: RunReport = serde_json::from_str(&text).expect("a report");
    // Floats may lose their last bit on the way through JSON, so what is counted is compared.
    assert_eq!(read.prompting, report.prompting);
    assert_eq!(read.analysis.signatures.answers, 80);
    for (read, written) in read.analysis.sets.iter().zip(&report.analysis.sets) {
        assert_eq!(read.report.errors, written.report.errors);
        assert_eq!(read.report.tally, written.report.tally);
    }
    assert_eq!(read.sources, report.sources);
    let read: EvalResult = serde_json::from_str(&text).expect("a result as well");
    let counts = |result: &EvalResult| result.sets.iter().map(|set| set.counts).collect::<Vec<_>>();
    assert_eq!(counts(&read), counts(&report.result));
    assert_eq!(
        ner_eval::prediction::read_predictions(&files.predictions)
            .expect("readable")
            .len(),
        80
    );
    assert!(files.scores.is_file() && files.page.is_file());
}

#[test]
fn the_page_is_balanced_escaped_and_shows_errors_with_their_reasoning() {
    let (loaded, report) = report(predictions(|set, index| Some(faulty(set, index))));
    let html = report.to_html(&loaded).expect("a page");
    for expected in [
        "m &lt;1&gt;",
        "<mark class=\"wrong\">Ardela Voss<small>person · boundary</small></mark>",
        "<mark class=\"wrong\">Nobody<small>person · hallucinated</small></mark>",
        "four words of reasoning",
        "not readable; there is no answer",
        "are not the paper",
        "class=\"error e-boundary e-hallucinated e-outside_schema\"",
        "20 of 40 sentences with errors",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(!html.contains("<Brel>") && !html.contains("<script") && !html.contains("http"));
    for tag in [
        "table", "thead", "tbody", "tr", "p", "details", "section", "article", "div", "mark",
        "span",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

fn scores(rule: impl Fn(&str, usize) -> Option<String>) -> RunScores {
    RunScores::new(&suite(), &predictions(rule), Scorer::ReasoningIe)
}

#[test]
fn the_gain_of_a_run_is_told_by_set_with_its_certainty() {
    let (old, new) = (
        scores(|s, i| Some(faulty(s, i))),
        scores(|_, _| Some(right())),
    );
    let gains = compare_runs(&old, &new, &OPTIONS, OnFault::Fatal).expect("comparable");
    let (north, south) = (&gains.sets[0], &gains.sets[1]);
    // North: of 80 gold pairs 40 are right, among 70 predicted.
    let first = 100.0 * 2.0 * 40.0 / 150.0;
    assert!(
        (north.first - first).abs() < 1e-9 && north.second == 100.0,
        "{north:?}"
    );
    assert!((north.gain - (100.0 - first)).abs() < 1e-9);
    assert_eq!((north.better, north.worse, south.better), (20, 0, 0));
    assert!(
        north.interval.low > 0.0 && north.p_randomization < 0.02,
        "{north:?}"
    );
    assert_eq!(
        (south.gain, south.p_randomization, south.p_holm),
        (0.0, 1.0, 1.0)
    );
    assert_eq!(north.p_holm, 2.0 * north.p_randomization);
    assert!((gains.mean.gain - north.gain / 2.0).abs() < 1e-9);
    assert_eq!(gains.mean.sentences, 80);
    let text = gains.to_text("old", "new");
    assert!(
        text.starts_with("gain of new (B) over old (A)") && text.contains("+46.67"),
        "{text}"
    );
    let back = compare_runs(&new, &old, &OPTIONS, OnFault::Fatal).expect("comparable");
    assert!((back.sets[0].gain + north.gain).abs() < 1e-9);
}

#[test]
fn runs_that_cannot_be_compared_are_refused() {
    let whole = scores(|_, _| Some(right()));
    let part = scores(|set, index| (set != "south" || index != 7).then(right));
    let refused = |a: &RunScores, b: &RunScores| {
        compare_runs(a, b, &OPTIONS, OnFault::Fatal)
            .expect_err("refused")
            .to_string()
    };
    assert!(refused(&whole, &part).starts_with("\"south\", index 7"));
    let common = compare_runs(&whole, &part, &OPTIONS, OnFault::Skip).expect("the common ones");
    assert_eq!((common.unpaired, common.sets[1].sentences), (1, 39));
    let mut other = whole.clone();
    other.sets[0].gold[3] += 1;
    assert!(refused(&whole, &other).contains("\"north\", index 3: expected 2 gold pairs"));
    other.sets.remove(0);
    let common = compare_runs(&whole, &other, &OPTIONS, OnFault::Fatal).expect("the common set");
    assert_eq!(
        (common.sets.len(), common.unpaired_sets),
        (1, vec!["north".into()])
    );
    other.sets.clear();
    assert!(refused(&whole, &other).contains("found none that both did"));
    other.scorer = Scorer::GoLlie;
    assert!(refused(&whole, &other).contains("scored by reasoningie, found gollie"));
}

#[test]
fn scores_are_read_from_a_folder_and_checked() {
    let dir = tempfile::tempdir().expect("a folder");
    let scores = scores(|_, _| Some(right()));
    let path = scores.write(dir.path()).expect("written");
    assert_eq!(RunScores::read(dir.path()).expect("readable"), scores);
    assert_eq!(RunScores::read(&path).expect("readable"), scores);
    let refused = |change: fn(&mut SetScores), expected: &str| {
        let mut broken = scores.clone();
        change(&mut broken.sets[1]);
        broken.write(dir.path()).expect("written");
        let message = RunScores::read(dir.path()).expect_err("broken").to_string();
        assert!(message.contains(expected), "{message}");
    };
    refused(|set| set.tp.truncate(1), "\"south\", whose lists differ");
    refused(|set| set.tp[3] += 1 << 9, "whose counts cannot be");
    refused(|set| set.gold[3] = usize::MAX, "whose counts cannot be");
}

/// Answers all but the prompts with a certain number in them.
struct Flaky {
    asked: usize,
    healed: bool,
}

impl Completer for Flaky {
    fn complete(&mut self, _: &[Question]) -> Result<Vec<Answer>, BoxError> {
        Err("asked one by one only".into())
    }

    fn attempt(&mut self, questions: &[Question]) -> Result<Vec<Outcome>, BoxError> {
        self.asked += questions.len();
        let outcome = |question: &Question| {
            if question.prompt.contains("met 13 ") && !self.healed {
                Outcome::Failed("503: busy (after 6 tries)".into())
            } else {
                Outcome::Answered(Answer {
                    text: right(),
                    ..Answer::default()
                })
            }
        };
        Ok(questions.iter().map(outcome).collect())
    }
}

#[test]
fn failed_requests_are_named_and_asked_again_when_the_run_goes_on() {
    let template = Prompting::Direct.apply(&PromptTemplate::paper());
    let stop = CancellationToken::new();
    let mut flaky = Flaky {
        asked: 0,
        healed: false,
    };
    let first = evaluate_from(
        vec![],
        &suite(),
        &template,
        &mut flaky,
        &OPTIONS,
        &stop,
        &mut (),
    )
    .expect("most");
    assert!(!first.complete);
    let named: Vec<_> = first
        .failures
        .iter()
        .map(|f| (f.dataset.as_str(), f.index))
        .collect();
    assert_eq!(named, [("north", 13), ("south", 13)]);
    assert_eq!((first.sets[0].sentences, first.sets[0].unanswered), (39, 1));
    let mut healed = Flaky {
        asked: 0,
        healed: true,
    };
    let all = evaluate_from(
        first.predictions,
        &suite(),
        &template,
        &mut healed,
        &OPTIONS,
        &stop,
        &mut (),
    )
    .expect("all");
    assert!(all.complete && all.failures.is_empty());
    assert_eq!(healed.asked, 2);
}

#[test]
fn a_set_without_any_answer_has_no_score_and_no_part_in_the_mean() {
    let (_, report) = report(predictions(|set, _| (set == "south").then(right)));
    assert!(!report.result.complete);
    let value = serde_json::to_value(&report).expect("serialisable");
    assert_eq!(value["f1"]["north"], Value::Null);
    assert_eq!(value["f1"]["average"], 100.0);
    let interval = report.result.interval;
    assert_eq!((interval.low, interval.high), (100.0, 100.0));
    assert_eq!(report.analysis.scorers[0].mean_f1, 100.0);
    assert_eq!(
        report.analysis.spread.map(|spread| spread.worst),
        Some("south".into())
    );
    let text = ner_eval::ResultTable::new(&[("m", &report.result)]).to_text();
    let row = text
        .lines()
        .find(|line| line.starts_with("m "))
        .expect("our row");
    let cells: Vec<&str> = row.split_whitespace().take(5).collect();
    assert_eq!(cells, ["m", "(incomplete)", "–", "100.00", "100.00"]);
}

/// The north's people were seen with their label, its cities with another one.
#[test]
fn entities_are_told_apart_by_the_training_data() {
    let dir = tempfile::tempdir().expect("a folder");
    let train = dir.path().join("train.txt");
    let rows = "Ardela\tB-person\nVoss\tI-person\n\nBrel\tB-ship\nOsk\tB-city\n";
    std::fs::write(&train, rows).expect("written");
    let spec = "name = \"x\"\ntitle = \"x\"\n[[set]]\nname = \"x\"\n[labels]\nship = \"vessel\"\n";
    let spec = ner_eval::SuiteSpec::parse(spec, "x").expect("a suite");
    let training = spec
        .read_training(std::slice::from_ref(&train))
        .expect("readable");
    assert_eq!((training.about.sentences, training.about.entities), (2, 3));

    let loaded = LoadedSuite::from_suite(suite());
    let predictions = predictions(|set, index| Some(faulty(set, index)));
    let with = ReportSettings {
        training: Some(training),
        ..settings("m")
    };
    let report = RunReport::new(&loaded, predictions, vec![], None, &with).expect("of the suite");
    let tables = &report.analysis.sets[0].report.buckets;
    let seen = tables
        .iter()
        .find(|table| table.by == ner_score::buckets::BucketBy::Seen)
        .expect("the table");
    let rows: Vec<_> = seen
        .rows
        .iter()
        .map(|row| (row.name.as_str(), row.support, row.found))
        .collect();
    let expected = [
        ("seen, same label", 40, 20.0),
        ("seen, other label", 40, 20.0),
        ("unseen", 0, 0.0),
    ];
    assert_eq!(rows, expected);
    let page = report.to_html(&loaded).expect("a page");
    assert!(
        page.contains("Entities seen in training") && page.contains("seen, other label"),
        "{page}"
    );
    assert!(page.contains("train.txt") && page.contains("2 sentences with 3 entities"));

    let missing = spec
        .read_training(&[dir.path().join("none.txt")])
        .expect_err("no such file");
    assert!(missing.to_string().contains("none.txt"), "{missing}");
}

#[test]
fn a_comparison_has_a_page() {
    let scores = |rule: fn(&str, usize) -> String| {
        let predictions = predictions(|set, index| Some(rule(set, index)));
        RunScores::new(&suite(), &predictions, Scorer::ReasoningIe)
    };
    let (old, new) = (scores(faulty), scores(|_, _| right()));
    let gains = compare_runs(&old, &new, &OPTIONS, OnFault::Fatal).expect("comparable");
    let page = gains.to_html("runs/<old>", "runs/new").expect("a page");
    for words in ["&lt;old&gt;", "north", "south", "mean"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let north = &gains.sets[0];
    assert!(
        page.contains(&format!("<td>{:.2}</td><td>100.00</td>", north.first)),
        "{page}"
    );
    assert!(
        page.contains(&format!(">{:+.2}<", north.gain)) && page.contains(">0.00<"),
        "{page}"
    );
    // 199 rounds cannot give less than 1 / 200, which Holm doubles.
    for words in ["p ≤ 0.0050", "≤ 0.0100", "B is better", "▲ +", "○ 0.00"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "{page}"
    );
}

/// The figures of a page by themselves: the text between tags.
fn words_of(page: &str) -> Vec<String> {
    let body = page.split("</style>").nth(1).unwrap_or_default();
    let texts = body.split('<').filter_map(|part| part.split('>').nth(1));
    texts
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_loss_on_one_set_is_told_once_with_a_real_minus_sign() {
    let of_north = |rule: fn(&str, usize) -> String| {
        let mut suite = suite();
        suite.sets.truncate(1);
        let predictions = predictions(|set, index| (set == "north").then(|| rule(set, index)));
        RunScores::new(&suite, &predictions, Scorer::ReasoningIe)
    };
    let (good, bad) = (of_north(|_, _| right()), of_north(faulty));
    let gains = compare_runs(&good, &bad, &OPTIONS, OnFault::Fatal).expect("comparable");
    let page = gains.to_html("good", "bad").expect("a page");
    let words = words_of(&page);
    // The headline, the track and the table.
    assert_eq!(
        words.iter().filter(|text| text.contains("−46.67")).count(),
        3,
        "{words:?}"
    );
    assert!(
        words
            .iter()
            .all(|text| text != "mean" && !text.contains("Holm")),
        "{words:?}"
    );
    let hyphen = |text: &&String| text.starts_with('-') && text.len() > 1;
    assert_eq!(words.iter().find(hyphen), None);
    assert!(
        words.iter().any(|text| text.contains("B is worse")),
        "{words:?}"
    );
}

#[test]
fn a_page_of_one_set_has_no_mean_and_no_spread_and_names_absent_sets_in_one_line() {
    let mut loaded = LoadedSuite::from_suite(suite());
    loaded.suite.sets.truncate(1);
    loaded.absent = ["west", "east"]
        .map(|set| {
            format!("data: expected the test split of {set:?} as {set}.txt; found none of them")
        })
        .into();
    let north = predictions(|set, index| (set == "north").then(|| faulty(set, index)));
    let report = RunReport::new(&loaded, north, vec![], None, &settings("m"))
        .expect("predictions of the set");
    let page = report.to_html(&loaded).expect("a page");
    let words = words_of(&page);
    let has = |wanted: &str| words.iter().any(|text| text == wanted);
    assert!(
        !has("mean") && !has("all sets") && !has("spread between the sets"),
        "{words:?}"
    );
    assert_eq!(page.matches("class=\"callout\"").count(), 1, "{page}");
    assert!(
        has("Not in the data, and so left out of every figure: west, east."),
        "{words:?}"
    );
    // The axis of the scores has numbers, and the cards of errors are folded.
    assert!(
        ["0", "20", "40", "60", "80", "100"]
            .iter()
            .all(|tick| has(tick)),
        "{words:?}"
    );
    assert!(
        !page.contains("<details open") && !page.contains(" open>"),
        "{page}"
    );
    assert!(page.contains("href=\"#errors\""), "{page}");
}
