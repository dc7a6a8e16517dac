//! What a run measures: whether its figures may stand beside the paper's.

use ner_datasets::BENCHMARK_SETS;
use ner_eval::EvalResult;
use ner_eval::paper::row_of_base;
use ner_eval::result::SetResult;
use ner_eval::table::PaperBeside;
use serde::{Deserialize, Serialize};

use crate::data::{Protocol, RunProtocol};

/// Test sentences of the seven sets.
const BENCHMARK_SENTENCES: usize = 6470;

/// What a run measures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    /// What the stage `data` says of it; none of a run of a version that did not.
    pub data: Option<RunProtocol>,
    /// The base model as the recipe names it.
    pub base: String,
}

/// Whether the paper's rows may stand beside the results.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    /// In the same columns.
    Beside(PaperBeside),
    /// Only in a table of their own, for this reason.
    Apart(String),
}

impl Setting {
    /// What the figures of the table are.
    pub(super) fn measure(&self) -> &'static str {
        match self.data.as_ref().map(|data| &data.protocol) {
            Some(Protocol::ZeroShot) => "Zero-shot micro-F1",
            Some(Protocol::InDomain { .. }) if self.is_like_the_paper() => {
                "Zero-shot micro-F1 (of the MIT sets only before GRPO)"
            }
            Some(Protocol::InDomain { .. }) => "In-domain micro-F1",
            Some(Protocol::HeldOut { .. }) => "Micro-F1 on held-out domains",
            None => "Micro-F1",
        }
    }

    fn is_like_the_paper(&self) -> bool {
        self.data
            .as_ref()
            .is_some_and(RunProtocol::is_like_the_paper)
    }

    /// Whether the paper's rows may stand beside these results: on its seven sets, whole, with its label names or
    /// B2NER's, and zero-shot as far as the paper itself is.
    pub(super) fn comparison(&self, result: Option<&EvalResult>) -> Comparison {
        if let Some(why) = self.difference(result) {
            return Comparison::Apart(why);
        }
        let b2ner_test_sets = self.label_map() == "b2ner";
        Comparison::Beside(PaperBeside {
            b2ner_test_sets,
            same_base: row_of_base(&self.base, b2ner_test_sets),
        })
    }

    fn label_map(&self) -> &str {
        self.data
            .as_ref()
            .map_or("none", |data| data.label_map.as_str())
    }

    /// In what the run differs from the paper's evaluation, if it does.
    fn difference(&self, first: Option<&EvalResult>) -> Option<String> {
        let sets = first.map_or(&[][..], |result| result.sets.as_slice());
        let of_the_paper = |set: &SetResult| BENCHMARK_SETS.contains(&set.name.as_str());
        if sets.is_empty() || !sets.iter().all(of_the_paper) {
            return Some(
                "They are on other test sets and are no measure for the table above.".into(),
            );
        }
        match self.data.as_ref().map(|data| &data.protocol) {
            Some(Protocol::InDomain { sets }) if !self.is_like_the_paper() => {
                return Some(format!("{IN_DOMAIN} Trained on: {}.", sets.join(", ")));
            }
            Some(Protocol::HeldOut { domains }) => {
                return Some(format!("{HELD_OUT} Held out: {}.", domains.join(", ")));
            }
            None => return Some("What this run was trained on is not recorded.".into()),
            Some(_) => {}
        }
        let map = self.label_map();
        if !["none", "b2ner"].contains(&map) {
            return Some(format!(
                "This run's test sets have the label names of {map}, not the paper's."
            ));
        }
        let sentences = first.map_or(0, sentences);
        (sets.len() < BENCHMARK_SETS.len() || sentences != BENCHMARK_SENTENCES).then(|| {
            let sets = sets.len();
            format!("This run scored {sentences} sentences of {sets} sets, the paper {BENCHMARK_SENTENCES} of seven.")
        })
    }
}

const IN_DOMAIN: &str = "They are zero-shot. This run is in-domain: it was trained on the train splits of the sets that \
                         it scores, so its figures cannot be compared with them.";
const HELD_OUT: &str = "This run was trained on other sets of the same benchmark and scored on those that were held \
                        out; the paper was trained on none of them.";

/// Sentences that an evaluation was to answer.
pub(super) fn sentences(result: &EvalResult) -> usize {
    result
        .sets
        .iter()
        .map(|set| set.sentences + set.unanswered)
        .sum()
}

#[cfg(test)]
mod tests {
    use ner_eval::steps::Steps;
    use serde_json::json;

    use super::*;
    use crate::data::Training;
    use crate::report::{Machine, ModelResult, Program, ReportData, render, text_table};

    const SETS: [(&str, usize, f64); 7] = [
        ("mit-movie", 2443, 71.2),
        ("mit-restaurant", 1521, 50.4),
        ("CrossNER_AI", 431, 63.6),
        ("CrossNER_literature", 416, 59.1),
        ("CrossNER_music", 465, 71.6),
        ("CrossNER_politics", 651, 68.6),
        ("CrossNER_science", 543, 69.9),
    ];

    /// Results on the benchmark; the last set lacks some sentences.
    fn results(lacking: usize) -> Vec<ModelResult> {
        let set = |(name, sentences, f1): (&str, usize, f64)| {
            let lacking = if name == "CrossNER_science" {
                lacking
            } else {
                0
            };
            json!({
                "name": name, "sentences": sentences - lacking, "unanswered": 0,
                "counts": {"tp": 1, "predicted": 2, "gold": 3},
                "precision": 50.0, "recall": 33.3, "f1": f1, "interval": {"low": 1.0, "high": 90.0},
                "parse_failures": 0, "schema_violations": 0, "hallucinated_entities": 0, "truncated": 0,
                "reasoning_chars": null
            })
        };
        let value = json!({
            "suite": "crossner-mit", "sets": SETS.map(set), "mean_f1": 64.914, "mean_f1_paper": 64.91,
            "interval": {"low": 63.0, "high": 66.0}, "resamples": 100, "seed": 42, "complete": true
        });
        vec![ModelResult {
            name: "+ GRPO".into(),
            seed: 42,
            result: serde_json::from_value(value).expect("the shape of an evaluation result"),
        }]
    }

    fn data(setting: Setting, results: Vec<ModelResult>) -> ReportData {
        ReportData {
            title: "A run on the benchmark".into(),
            created: String::new(),
            machine: Machine::here("flex"),
            program: Program::here(),
            simulated_teacher: false,
            notes: vec![],
            funnel: None,
            stages: vec![],
            charts: vec![],
            results,
            setting,
            steps: Steps::default(),
            samples: vec![],
            recipe: String::new(),
        }
    }

    fn setting(protocol: Protocol, label_map: &str, base: &str, grpo_sets: &[&str]) -> Setting {
        let training = Training {
            stage: "grpo".into(),
            scored_sets: grpo_sets.iter().map(|set| (*set).to_owned()).collect(),
            ..Training::default()
        };
        Setting {
            data: Some(RunProtocol {
                protocol,
                eval: "crossner-mit".into(),
                label_map: label_map.into(),
                training: vec![training],
                overlap: vec![],
                sample: vec![],
                missing: vec![],
                notes: vec![],
            }),
            base: base.into(),
        }
    }

    fn zero_shot() -> Setting {
        setting(Protocol::ZeroShot, "none", "Qwen/Qwen3-1.7B-Base", &[])
    }

    fn in_domain(sets: &[&str]) -> Setting {
        let names = sets.iter().map(|set| (*set).to_owned()).collect();
        setting(
            Protocol::InDomain { sets: names },
            "none",
            "Qwen/Qwen3-1.7B-Base",
            sets,
        )
    }

    #[test]
    fn a_run_like_the_papers_stands_beside_it_with_its_distance() {
        let text = text_table(&data(zero_shot(), results(0)));
        let row = |name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_default()
        };
        let cells = |name| {
            row(name)
                .trim_start_matches(name)
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        // CrossNER: (63.6 + 59.1 + 71.6 + 68.6 + 69.9) / 5 = 66.56, for us as for the paper.
        let ours = cells("+ GRPO ");
        assert_eq!(ours[7..10], ["64.91", "66.56", "64.91"], "{text}");
        let paper = cells("the paper's ReasoningNER 1.7B");
        assert_eq!(paper[7..], ["65.1", "66.6", "65.1"], "{text}");
        let distance = cells("+ GRPO minus the paper's ReasoningNER 1.7B");
        let expected = [
            "+1.0", "-2.0", "+0.0", "+0.0", "+0.0", "+0.0", "+0.0", "-0.2", "+0.0", "-0.2",
        ];
        assert_eq!(distance, expected, "{text}");
        assert!(!text.contains('♣'), "{text}");
        let page = render(&data(zero_shot(), results(0))).expect("the template renders");
        assert!(page.contains("Zero-shot micro-F1") && page.contains("+ GRPO minus the paper"));
    }

    #[test]
    fn in_domain_is_not_called_zero_shot_and_stands_apart() {
        let setting = in_domain(&["CrossNER_AI", "mit-movie"]);
        let text = text_table(&data(setting.clone(), results(0)));
        assert!(!text.contains("the paper's ReasoningNER"), "{text}");
        assert!(
            text.contains("In-domain micro-F1")
                && text.contains("Trained on: CrossNER_AI, mit-movie."),
            "{text}"
        );
        let page = render(&data(setting, results(0))).expect("the template renders");
        assert!(!page.contains("Zero-shot micro-F1") && page.contains("In-domain micro-F1"));
        assert!(!page.contains("minus the paper") && page.contains("train splits of the sets"));
    }

    #[test]
    fn only_the_whole_benchmark_with_known_labels_is_compared() {
        let apart = |setting: &Setting, lacking| match setting
            .comparison(Some(&results(lacking)[0].result))
        {
            Comparison::Apart(why) => why,
            Comparison::Beside(_) => String::new(),
        };
        assert_eq!(apart(&zero_shot(), 0), "");
        assert!(apart(&zero_shot(), 3).contains("6467 sentences of 7 sets"));
        let base = "Qwen/Qwen3-1.7B-Base";
        let renamed = setting(Protocol::ZeroShot, "mine.toml", base, &[]);
        assert!(apart(&renamed, 0).contains("mine.toml"));
        let domains = vec!["CrossNER_AI".to_owned()];
        let held_out = setting(Protocol::HeldOut { domains }, "none", base, &[]);
        assert!(apart(&held_out, 0).contains("Held out: CrossNER_AI."));
        assert!(apart(&Setting::default(), 0).contains("not recorded"));
    }

    #[test]
    fn grpo_prompts_of_mit_are_the_papers_own_and_are_named() {
        let setting = in_domain(&["mit-movie", "mit-restaurant"]);
        let text = text_table(&data(setting.clone(), results(0)));
        assert!(text.contains("minus the paper's"), "{text}");
        let page = render(&data(setting, results(0))).expect("the template renders");
        assert!(page.contains("of the MIT sets only before GRPO"), "{page}");
    }

    #[test]
    fn b2ners_labels_are_compared_with_b2ners_rows() {
        let setting = setting(Protocol::ZeroShot, "b2ner", "Qwen/Qwen3-8B-Base", &[]);
        let text = text_table(&data(setting, results(0)));
        assert!(text.contains("the paper's ReasoningNER 8B ♣"), "{text}");
        assert!(!text.contains("ReasoningNER 1.7B"), "{text}");
        // 64.914 − 77.3
        assert!(text.contains("-12.4"), "{text}");
    }
}
