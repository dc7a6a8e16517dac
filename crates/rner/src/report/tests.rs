//! The page of a made-up run: what must be on it, and what must not get through.

use super::*;
use ner_cot::Funnel;
use ner_eval::EvalResult;
use ner_eval::steps::{Step, Steps};
use ner_score::Interval;
use ner_score::student::paired_t_test;
use ner_types::Entity;
use serde_json::json;

/// Scores as an evaluation would write them.
fn result(f1: [f64; 2], mean: f64) -> EvalResult {
    let set = |name: &str, f1: f64| {
        json!({
            "name": name, "sentences": 10, "unanswered": 0,
            "counts": {"tp": 1, "predicted": 2, "gold": 3},
            "precision": 50.0, "recall": 33.3, "f1": f1, "interval": {"low": 1.0, "high": 90.0},
            "parse_failures": 1, "schema_violations": 2, "hallucinated_entities": 3, "truncated": 0,
            "reasoning_chars": {"count": 9, "median": 120, "p95": 300}
        })
    };
    let value = json!({
        "suite": "tiny", "sets": [set("harbours", f1[0]), set("gardens", f1[1])],
        "mean_f1": mean, "mean_f1_paper": mean, "interval": {"low": mean - 2.0, "high": mean + 2.0},
        "resamples": 100, "seed": 42, "complete": true
    });
    serde_json::from_value(value).expect("the shape of an evaluation result")
}

fn model(name: &str, seed: u64, mean: f64) -> ModelResult {
    ModelResult {
        name: name.into(),
        seed,
        result: result([mean - 1.0, mean + 1.0], mean),
    }
}

fn funnel() -> Funnel {
    Funnel {
        threshold: 9.0,
        attempts: 2,
        rows: 100,
        accepted: 90,
        rejected: 10,
        accepted_at_attempt: vec![70, 20],
        answers: 130,
        rejected_answers: [("judge_score".to_owned(), 25), ("not_json".to_owned(), 15)].into(),
        ..Funnel::default()
    }
}

fn metrics() -> Vec<serde_json::Value> {
    let sft = (1..=120).map(|i| {
        let wave = f64::from(i * 7 % 11) / 20.0;
        json!({"stage": "sft-cot", "seed": 42, "global_step": i, "loss": 2.0 / f64::from(i).sqrt() + wave})
    });
    let plain = (1..=120).map(|i| {
        json!({"stage": "sft-plain", "seed": 42, "global_step": i, "loss": 1.0 / f64::from(i).sqrt()})
    });
    let grpo = (1..=20).map(|i| {
        json!({"stage": "grpo", "seed": 42, "global_step": i, "reward": 6.0 + f64::from(i) / 10.0,
            "rewards/f1/mean": 0.5 + f64::from(i) / 100.0, "kl": 0.001 * f64::from(i),
            "completions/mean_length": 90 - i})
    });
    sft.chain(plain).chain(grpo).collect()
}

fn samples() -> Vec<Sample> {
    vec![
        Sample {
            model: "SFT with CoT".into(),
            set: "harbours".into(),
            sentence: "The Osprey left Port Maren with captain Ida Voss.".into(),
            gold: vec![Entity::new("Port Maren", "harbour"), Entity::new("Ida Voss", "captain")],
            completion: "<think>\n\"Port Maren\" is where a ship leaves from, so it is a harbour. \
                \"Osprey\" left, so it is a captain.\n</think>\n{\n  \"entities\": {\n    \"harbour\": \
                [\"Port Maren\"],\n    \"captain\": [\"Osprey\", \"Nobody\"]\n  }\n}"
                .into(),
        },
        Sample {
            model: "base".into(),
            set: "harbours".into(),
            sentence: "The Osprey left Port Maren with captain Ida Voss.".into(),
            gold: vec![Entity::new("Port Maren", "harbour"), Entity::new("Ida Voss", "captain")],
            completion: "{\"entities\": {}}".into(),
        },
        Sample {
            model: "base".into(),
            set: "gardens".into(),
            sentence: "A <script>alert(1)</script> & \"quotes\" grow here.".into(),
            gold: vec![Entity::new("<script>alert(1)</script>", "plant")],
            completion: "grow <b>grow</b> grow".into(),
        },
    ]
}

/// Two steps: one that is shown with three seeds, and one that is not.
fn steps() -> Steps {
    let step = |from: &str, to: &str, gain: f64, p: f64| Step {
        from: from.into(),
        to: to.into(),
        seeds: vec![42, 43, 44],
        sentences: 20,
        first: 5.0,
        second: 5.0 + gain,
        gain,
        by_seed: vec![gain - 1.0, gain, gain + 1.0],
        interval: Interval {
            low: gain - 3.0,
            high: gain + 3.0,
        },
        p_value: p,
        p_holm: 2.0 * p,
        over_seeds: paired_t_test(&[gain - 1.0, gain, gain + 1.0]),
    };
    Steps {
        steps: vec![
            step("base", "SFT with CoT", 57.0, 0.001),
            step("SFT with CoT", "+ GRPO", 1.0, 0.2),
        ],
        rounds: 999,
        seed: 42,
    }
}

fn data() -> ReportData {
    let stage = |name: &str, seconds: f64, skipped: bool| StageTime {
        name: name.into(),
        seconds,
        skipped,
        summary: "some rows".into(),
    };
    ReportData {
        title: "A made-up run".into(),
        created: now_utc(),
        machine: Machine::here("flex"),
        program: Program::here(),
        simulated_teacher: true,
        notes: vec!["A note with <i>tags</i>.".into()],
        funnel: Some(funnel()),
        stages: vec![stage("cot", 12.0, true), stage("sft-cot", 125.0, false)],
        charts: charts(&metrics()),
        results: vec![
            model("base", 42, 5.0),
            model("SFT with CoT", 42, 60.0),
            model("SFT with CoT", 43, 62.0),
            model("SFT with CoT", 44, 64.0),
        ],
        setting: Setting::default(),
        steps: steps(),
        samples: samples(),
        recipe: crate::recipe::Recipe::resolve("tiny", &[])
            .map(|r| r.to_toml())
            .unwrap_or_default(),
    }
}

fn page() -> String {
    render(&data()).expect("the template renders")
}

#[test]
fn the_page_says_what_a_reader_needs() {
    let page = page();
    for part in [
        "The teacher and the judge are simulated",
        "62.00 ± 2.00",
        "3 seeds",
        "seed 43",
        "58.00 to 62.00",
        "score is below the threshold",
        "Not measured by this program",
        "no measure for the table above",
        "ReasoningNER 8B ♣",
        "2 min 05 s",
        "done earlier",
        "lr = ",
        "cut by the limit",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    // Five drawings, and two keys for the stages of the first.
    assert_eq!(page.matches("<svg").count(), 7);
}

/// The row of the step table that begins with these cells.
fn row_of<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    let cells = format!("<th scope=\"row\">{from} → {to}</th>");
    page.lines()
        .find(|line| line.contains(&cells))
        .unwrap_or_default()
}

#[test]
fn each_step_has_its_gain_interval_and_p_values() {
    let page = page();
    let shown = row_of(&page, "base", "SFT with CoT");
    for part in [
        "class=\"own\"",
        "+57.00",
        "+54.00 to +60.00",
        "<td>≤ 0.0010</td>",
        "<td>≤ 0.0020</td>",
        "+56.00, +57.00, +58.00",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let not_shown = row_of(&page, "SFT with CoT", "+ GRPO");
    assert!(
        not_shown.contains("0.4000") && !not_shown.contains("own"),
        "{not_shown}"
    );
    // t = 1 / (1 / √3) with two degrees of freedom.
    assert!(
        not_shown.contains("1.73 (2)") && not_shown.contains("0.2254"),
        "{not_shown}"
    );
    for part in [
        "20 sentences and 3 seeds",
        "999 rounds",
        "corrected for the 2 steps",
        "SFT on Pile-NER 40.3",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn a_gain_that_the_seeds_do_not_agree_on_is_not_bold() {
    let mut data = data();
    data.steps.steps[1].p_holm = 0.001;
    let page = render(&data).expect("the template renders");
    let row = row_of(&page, "SFT with CoT", "+ GRPO");
    assert!(row.contains("0.0010") && !row.contains("own"), "{row}");
    data.steps.steps[1].over_seeds = None;
    let page = render(&data).expect("the template renders");
    assert!(row_of(&page, "SFT with CoT", "+ GRPO").contains("class=\"own\""));
}

#[test]
fn mean_and_interval_stand_first_and_gains_have_real_minus_signs() {
    let page = page();
    let head = "<th scope=\"col\">model</th><th scope=\"col\">mean</th><th scope=\"col\">95 % interval</th>";
    assert!(page.contains(head), "{page}");
    assert!(
        page.contains("−2.00 to +4.00") && !page.contains("<td>-"),
        "{page}"
    );
    assert!(page.contains("± is the standard deviation over seeds"));
    let mut one_seed = data();
    one_seed.results.truncate(2);
    let page = render(&one_seed).expect("the template renders");
    assert!(
        !page.contains('±'),
        "nothing is explained that is not there"
    );
}

#[test]
fn the_headline_answers_the_papers_questions_and_says_what_it_rests_on() {
    let page = page();
    let body = page.split("<table>").next().unwrap_or_default();
    for part in [
        "Reasoning: this run does not ask",
        "GRPO is not shown to help or to harm",
        "after Holm p = 0.4000",
        "The teacher is simulated: they test this program",
    ] {
        assert!(body.contains(part), "{part} is missing\n{body}");
    }
}

#[test]
fn what_a_model_repeats_is_shown_once() {
    let mut data = data();
    data.samples[2].completion = "Brit".to_owned() + &"rit".repeat(39);
    data.samples[1].completion = format!(
        "Let us see. {{\"entities\": {{\"harbour\": [{}]}}}}",
        vec!["\"Port Maren\""; 30].join(", ")
    );
    data.samples[0].completion = format!(
        "{{\"entities\": {{\"harbour\": [{}]}}}}",
        vec!["\"Port Maren\""; 30].join(", ")
    );
    let page = render(&data).expect("the template renders");
    assert!(
        page.contains("Brit ⟨×39⟩") || page.contains("Brit ⟨×40⟩"),
        "{page}"
    );
    assert!(!page.contains("ritritrit"), "{page}");
    assert!(
        page.contains("text before the JSON") && !page.contains("is not JSON; text"),
        "{page}"
    );
    let once = "<mark class=\"yes\">Port Maren<small>harbour</small></mark> <span class=\"fold\">×30</span>";
    assert!(page.contains(once), "{page}");
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page();
    for foreign in ["<script", "http://", "https://", "<link", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign} is on the page");
    }
}

#[test]
fn every_text_is_escaped() {
    let page = page();
    assert!(page.contains("&lt;i&gt;tags"));
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains("<b>grow"));
}

#[test]
fn entities_are_marked_right_and_wrong() {
    let page = page();
    assert!(page.contains("left <mark class=\"yes\">Port Maren<small>harbour</small></mark> with"));
    assert!(page.contains("<mark>Osprey<small>captain</small></mark>"));
    assert!(page.contains("<mark>Nobody<small>captain</small></mark>"));
    assert_eq!(
        page.matches("left <mark class=\"yes\">Port Maren").count(),
        1,
        "shown once"
    );
    assert!(page.contains("no entity"));
}

#[test]
fn marks_prefer_the_longer_entity_and_never_overlap() {
    let entities = [Entity::new("York", "city"), Entity::new("New York", "city")];
    let (line, rest) = highlight::mark("é New York, York", &entities, &[]);
    let texts: Vec<&str> = line.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["é ", "New York", ", ", "York"]);
    assert!(rest.is_empty());
    let (_, rest) = highlight::mark("New York", &entities, &[]);
    assert_eq!(rest.len(), 1);
}

#[test]
fn every_model_is_shown_on_the_same_sentences() {
    let example = |sentence: &str, entities: usize| ner_types::Example {
        sentence: sentence.into(),
        entities: (0..entities)
            .map(|i| Entity::new(i.to_string(), "n"))
            .collect(),
        ..Default::default()
    };
    let set = |name: &str| ner_eval::EvalSet {
        name: name.into(),
        examples: vec![example("few", 1), example("two", 2), example("three", 3)],
    };
    let suite = ner_eval::Suite {
        name: "s".into(),
        sets: vec![set("harbours"), set("gardens")],
    };
    let mut result = result([1.0, 2.0], 1.5);
    result.predictions = (0..3)
        .map(|index| ner_eval::Prediction {
            dataset: "gardens".into(),
            index,
            completion: format!("answer {index}"),
            truncated: false,
            tokens: None,
            thought: None,
        })
        .collect();
    let picked = pick_samples("base", &result, &suite);
    let told: Vec<(&str, &str)> = picked
        .iter()
        .map(|s| (s.sentence.as_str(), s.completion.as_str()))
        .collect();
    assert_eq!(told, [("two", "answer 1")], "only what was answered");
}

#[test]
fn the_funnel_in_words_names_the_most_frequent_reason_first() {
    let expected = "\
90 of 100 sentences accepted, 10 given up, 0 unfinished; 130 answers, 0 judged
  rejected:     25  judge score
  rejected:     15  not json";
    assert_eq!(funnel_text(&funnel()), expected);
}

#[test]
fn rows_that_failed_at_their_server_are_named() {
    let row = |row: usize| {
        let row = json!({"row": row, "guid": format!("r{row}"), "part": "teacher", "status": 400,
                         "reason": "content_filter", "message": "no"});
        serde_json::from_value(row).expect("a row")
    };
    let failed = Funnel {
        failed: 7,
        failed_rows: (0..7).map(row).collect(),
        ..funnel()
    };
    let text = funnel_text(&failed);
    let named =
        "\n    row 5 (r4): content filter, status 400: no\n    and 2 more; funnel.json names them";
    assert!(text.ends_with(named), "{text}");
    assert!(text.contains("failed:        7  at the server"), "{text}");
}

#[test]
fn the_table_of_the_terminal_is_aligned() {
    let text = text_table(&data());
    let expected = "\
F1 in percent  harbours  gardens          mean   95 % interval
base               4.00     6.00          5.00    3.00 to 7.00
SFT with CoT      61.00    63.00  62.00 ± 2.00         3 seeds
  seed 42         59.00    61.00         60.00  58.00 to 62.00
  seed 43         61.00    63.00         62.00  60.00 to 64.00
  seed 44         63.00    65.00         64.00  62.00 to 66.00

step                     gain     95 % interval        p   p Holm  p seeds
base → SFT with CoT    +57.00  +54.00 to +60.00   0.0010   0.0020   0.0001
SFT with CoT → + GRPO   +1.00    -2.00 to +4.00   0.2000   0.4000   0.2254
Points of F1 on 20 sentences with 3 seeds. Interval (bootstrap) and p (approximate randomisation, 999 rounds)
are over sentences, a sentence's seeds kept together, given these models; Holm corrects for 2 steps;
p seeds: paired t-test over the seeds, sentences given.

Reasoning: this run does not ask, because it has not both SFT without CoT and SFT with CoT.
GRPO is not shown to help or to harm: + GRPO has a mean F1 of 6.00, SFT with CoT of 5.00, a gain of +1.00
points (95 % interval −2.00 to +4.00; paired test over 20 sentences, after Holm p = 0.4000; over 3 seeds p =
0.2254).
The teacher is simulated: they test this program, not the paper.
";
    assert_eq!(text, expected);
}

#[test]
fn a_run_without_anything_still_has_a_page() -> Result<()> {
    let mut empty = data();
    empty.funnel = None;
    (empty.stages, empty.charts) = (vec![], vec![]);
    (empty.results, empty.samples) = (vec![], vec![]);
    empty.steps = Steps::default();
    empty.simulated_teacher = false;
    let page = render(&empty)?;
    assert!(page.contains("No model was evaluated") && !page.contains("are simulated"));
    Ok(())
}

#[test]
fn a_time_that_cannot_be_is_no_panic() -> Result<()> {
    for seconds in [1e300, -1.0, f64::MAX] {
        let mut data = data();
        data.stages
            .iter_mut()
            .for_each(|stage| stage.seconds = seconds);
        render(&data)?;
    }
    Ok(())
}

#[test]
fn the_data_survives_the_disk() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let data = data();
    write(dir.path(), &data)?;
    let again = read(dir.path())?;
    assert_eq!(render(&again)?, render(&data)?);
    assert_eq!(
        std::fs::read_to_string(dir.path().join("report.html"))?,
        render(&data)?
    );
    std::fs::write(dir.path().join("report.json"), "{}")?;
    assert!(format!("{:#}", read(dir.path()).unwrap_err()).contains("report.json"));
    Ok(())
}

/// Writes the page to the path in `RNER_SAMPLE_REPORT`, for looking at it.
#[test]
fn a_sample_can_be_written() -> Result<()> {
    match std::env::var_os("RNER_SAMPLE_REPORT") {
        Some(path) => Ok(write_atomic(Path::new(&path), page().as_bytes())?),
        None => Ok(()),
    }
}
