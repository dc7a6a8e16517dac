//! Labels such as `misc`: which side loses them under which preset, and that the results say so.

use ner_eval::load::LoadedSuite;
use ner_eval::{EvalSet, Prediction, ReportSettings, RunReport, Suite};
use ner_score::Scorer;
use ner_types::{Entity, Example};

/// One sentence with a city and a `misc`, and an answer that finds both.
fn report(scorer: Scorer) -> RunReport {
    let example = Example {
        sentence: "Brel met Oslin .".into(),
        schema: vec!["city".into(), "misc".into()],
        entities: vec![Entity::new("Brel", "city"), Entity::new("Oslin", "misc")],
        ..Example::default()
    };
    let set = EvalSet {
        name: "north".into(),
        examples: vec![example],
    };
    let suite = Suite {
        name: "one".into(),
        sets: vec![set],
    };
    let answer = Prediction {
        dataset: "north".into(),
        index: 0,
        completion: r#"{"entities": {"city": ["Brel"], "misc": ["Oslin"]}}"#.into(),
        truncated: false,
        tokens: None,
        thought: None,
    };
    let settings = ReportSettings {
        scorer,
        ..ReportSettings::default()
    };
    let loaded = LoadedSuite::from_suite(suite);
    RunReport::new(&loaded, vec![answer], vec![], None, &settings).expect("of the suite")
}

#[test]
fn only_the_papers_preset_counts_them_as_errors_and_every_result_says_what_it_did() {
    for scorer in Scorer::ALL {
        let report = report(scorer);
        let set = &report.result.sets[0];
        let is_paper = scorer == Scorer::ReasoningIe;
        let expected = if is_paper { 200.0 / 3.0 } else { 100.0 };
        assert!((set.f1 - expected).abs() < 1e-9, "{scorer}: {}", set.f1);
        let analysed = &report.analysis.sets[0].report;
        assert!(
            (analysed.micro.f1 * 100.0 - expected).abs() < 1e-9,
            "{scorer}"
        );
        let row = report
            .analysis
            .scorers
            .iter()
            .find(|row| row.scorer == scorer);
        let row = row.expect("every preset has a row");
        assert!((row.mean_f1 - expected).abs() < 1e-9, "{scorer}");
        let filtered = set.filtered;
        assert_eq!(filtered.gold_removed, 1, "{scorer}");
        assert_eq!(filtered.predictions_counted, usize::from(is_paper));
        assert_eq!(filtered.predictions_removed, usize::from(!is_paper));
        let notes = report.notes.join("\n");
        assert!(notes.contains("1 gold entities"), "{scorer}: {notes}");
        assert_eq!(notes.contains("count as errors"), is_paper, "{notes}");
    }
}

/// Own data have no rows of the paper beside them, and neither has a part of its benchmark.
#[test]
fn types_and_errors_stand_where_the_paper_has_no_rows() {
    let text = report(Scorer::ReasoningIe).to_text();
    for part in [
        "types of north",
        "city",
        "errors          all",
        "outside_schema",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("ChatGPT"), "{text}");
    let named = |limit: Option<usize>| {
        let example = Example {
            sentence: "Brel .".into(),
            schema: vec!["city".into()],
            ..Example::default()
        };
        let set = EvalSet {
            name: "mit-movie".into(),
            examples: vec![example.clone(), example],
        };
        let loaded = LoadedSuite::from_suite(Suite {
            name: "one".into(),
            sets: vec![set],
        });
        let loaded = match limit {
            Some(limit) => loaded.limited(limit),
            None => loaded,
        };
        let settings = ReportSettings::default();
        RunReport::new(&loaded, vec![], vec![], None, &settings).expect("of the suite")
    };
    assert!(named(None).to_text().contains("ChatGPT"));
    let part = named(Some(1));
    assert!(!part.to_text().contains("ChatGPT"));
    assert_eq!(part.limit, Some(1));
    let note = "the first 1 sentences of each set, 1 of 2";
    assert!(
        part.notes.iter().any(|line| line.starts_with(note)),
        "{:?}",
        part.notes
    );
    // A limit that cuts nothing off is none.
    assert!(named(Some(2)).to_text().contains("ChatGPT"));
}
