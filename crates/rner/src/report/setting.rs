//! What a run measures: whether its figures may stand beside the paper's.

use ner_datasets::BENCHMARK_SETS;
use ner_eval::EvalResult;
use ner_eval::paper::row_of_base;
use ner_eval::table::PaperBeside;
use serde::{Deserialize, Serialize};

use super::data::ModelResult;
use crate::recipe::{DataSource, Recipe};

/// Test sentences of the seven sets.
const BENCHMARK_SENTENCES: usize = 6470;

/// How the training data relate to the test sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Nothing of the test sets' domains was trained on; what the paper does.
    #[default]
    ZeroShot,
    /// Trained on the train splits of the sets that are scored.
    InDomain,
    /// Trained on other sets of the benchmark, scored on those that were held out.
    HeldOut,
}

/// What a run measures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    /// How training and test data relate.
    pub protocol: Protocol,
    /// Whose label names the test sets have: `none` for their own, `b2ner`, or a file.
    pub label_map: String,
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
    /// What a recipe measures.
    pub fn of(recipe: &Recipe) -> Self {
        let data = &recipe.data;
        let dirs = [&data.train, &data.eval].map(|source| DataSource::parse(source));
        let in_domain =
            matches!(&dirs, [DataSource::Dir(train), DataSource::Dir(eval)] if train == eval);
        Self {
            protocol: if in_domain {
                Protocol::InDomain
            } else {
                Protocol::ZeroShot
            },
            label_map: "none".to_owned(),
            base: recipe.model.base.clone(),
        }
    }

    /// What the figures of the table are.
    pub(super) fn measure(&self) -> &'static str {
        match self.protocol {
            Protocol::ZeroShot => "Zero-shot micro-F1",
            Protocol::InDomain => "In-domain micro-F1",
            Protocol::HeldOut => "Micro-F1 on held-out domains",
        }
    }

    /// Whether the paper's rows may stand beside these results: on its seven sets, whole, with its label names, and
    /// zero-shot.
    pub(super) fn comparison(&self, results: &[ModelResult]) -> Comparison {
        match self.difference(results) {
            Some(why) => Comparison::Apart(why),
            None => {
                let b2ner_test_sets = self.label_map == "b2ner";
                Comparison::Beside(PaperBeside {
                    b2ner_test_sets,
                    same_base: row_of_base(&self.base, b2ner_test_sets),
                })
            }
        }
    }

    /// In what the run differs from the paper's evaluation, if it does.
    fn difference(&self, results: &[ModelResult]) -> Option<String> {
        let sets: Vec<&str> = results
            .first()
            .map(|run| {
                run.result
                    .sets
                    .iter()
                    .map(|set| set.name.as_str())
                    .collect()
            })
            .unwrap_or_default();
        let sentences = results.first().map_or(0, |run| sentences(&run.result));
        if sets.is_empty() || !sets.iter().all(|set| BENCHMARK_SETS.contains(set)) {
            return Some(
                "They are on other test sets and are no measure for the table above.".into(),
            );
        }
        match self.protocol {
            Protocol::InDomain => return Some(IN_DOMAIN.into()),
            Protocol::HeldOut => return Some(HELD_OUT.into()),
            Protocol::ZeroShot => {}
        }
        if !["none", "", "b2ner"].contains(&self.label_map.as_str()) {
            let map = &self.label_map;
            return Some(format!(
                "This run's test sets have the label names of {map}, not the paper's."
            ));
        }
        (sets.len() < BENCHMARK_SETS.len() || sentences != BENCHMARK_SENTENCES).then(|| {
            format!(
                "This run scored {sentences} sentences of {} sets, the paper {BENCHMARK_SENTENCES} of seven.",
                sets.len()
            )
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
    use crate::report::{Machine, Program, ReportData, render, text_table};

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

    fn zero_shot() -> Setting {
        Setting {
            protocol: Protocol::ZeroShot,
            label_map: "none".into(),
            base: "Qwen/Qwen3-1.7B-Base".into(),
        }
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
        let setting = Setting {
            protocol: Protocol::InDomain,
            ..zero_shot()
        };
        let text = text_table(&data(setting.clone(), results(0)));
        assert!(!text.contains("the paper's ReasoningNER"), "{text}");
        assert!(
            text.contains("In-domain micro-F1") && text.contains("train splits of the sets"),
            "{text}"
        );
        let page = render(&data(setting, results(0))).expect("the template renders");
        assert!(!page.contains("Zero-shot micro-F1") && page.contains("In-domain micro-F1"));
        assert!(!page.contains("minus the paper") && page.contains("train splits of the sets"));
    }

    #[test]
    fn only_the_whole_benchmark_with_known_labels_is_compared() {
        let apart = |setting: &Setting, lacking| match setting.comparison(&results(lacking)) {
            Comparison::Apart(why) => why,
            Comparison::Beside(_) => String::new(),
        };
        assert_eq!(apart(&zero_shot(), 0), "");
        assert!(apart(&zero_shot(), 3).contains("6467 sentences of 7 sets"));
        let renamed = Setting {
            label_map: "mine.toml".into(),
            ..zero_shot()
        };
        assert!(apart(&renamed, 0).contains("mine.toml"));
        let held_out = Setting {
            protocol: Protocol::HeldOut,
            ..zero_shot()
        };
        assert!(apart(&held_out, 0).contains("held out"));
    }

    #[test]
    fn b2ners_labels_are_compared_with_b2ners_rows() {
        let setting = Setting {
            label_map: "b2ner".into(),
            base: "Qwen/Qwen3-8B-Base".into(),
            ..zero_shot()
        };
        let text = text_table(&data(setting, results(0)));
        assert!(text.contains("the paper's ReasoningNER 8B ♣"), "{text}");
        assert!(!text.contains("ReasoningNER 1.7B"), "{text}");
        // 64.914 − 77.3
        assert!(text.contains("-12.4"), "{text}");
    }
}
