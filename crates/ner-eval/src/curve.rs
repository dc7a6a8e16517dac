//! What reasoning is worth: F1 against the tokens that a model may think, one evaluation for each budget.

use std::fmt::Write as _;

use ner_score::Interval;
use ner_types::Closed;
use serde::{Deserialize, Serialize};

use crate::prediction::Prediction;
use crate::result::EvalResult;

/// The evaluations of one system with growing budgets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Who answered.
    pub system: String,
    /// Resamples of the intervals.
    pub resamples: usize,
    /// Seed of the intervals.
    pub seed: u64,
    /// One for each budget, in the order asked for.
    pub points: Vec<CurvePoint>,
}

/// One evaluation. Tokens and seconds are means over the answered sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// The budget in tokens, or a word such as `full`.
    pub budget: String,
    /// Sentences that were answered.
    pub sentences: usize,
    /// Mean over the sets of their micro-F1, in percent.
    pub f1: f64,
    /// Its 95 % bootstrap interval, over sentences.
    pub interval: Interval,
    /// Tokens of the reasoning, without those that the budget forced.
    pub reasoning_tokens: f64,
    /// Tokens of the whole answer.
    pub tokens: f64,
    /// Seconds, in batches as the evaluation made them; nothing where the answers were there before.
    pub seconds: Option<f64>,
    /// Answers whose reasoning the budget closed.
    pub forced: usize,
    /// Answers whose reasoning was not closed.
    pub never_closed: usize,
    /// Answers that reached the limit of all their tokens.
    pub truncated: usize,
}

impl CurvePoint {
    /// The point of an evaluation whose answers say what their reasoning cost; `seconds` for each of them.
    pub fn new(
        budget: impl Into<String>,
        result: &EvalResult,
        answers: &[Prediction],
        seconds: Option<f64>,
    ) -> Self {
        let mean = |tokens: &dyn Fn(&Prediction) -> usize| {
            let all: usize = answers.iter().map(tokens).sum();
            all as f64 / answers.len().max(1) as f64
        };
        let closed = |end| {
            let is = |answer: &&Prediction| answer.thought.is_some_and(|it| it.closed == Some(end));
            answers.iter().filter(is).count()
        };
        Self {
            budget: budget.into(),
            sentences: answers.len(),
            f1: result.mean_f1,
            interval: result.interval,
            reasoning_tokens: mean(&|answer| answer.thought.map_or(0, |thought| thought.tokens)),
            tokens: mean(&|answer| answer.tokens.unwrap_or(0)),
            seconds,
            forced: closed(Closed::Forced),
            never_closed: closed(Closed::Never),
            truncated: answers.iter().filter(|answer| answer.truncated).count(),
        }
    }
}

impl Curve {
    /// The points as a table.
    pub fn to_text(&self) -> String {
        let mut out = String::from(
            "budget      F1  95 % interval   reasoning   tokens  ms/sentence  forced  not closed  cut off\n",
        );
        for point in &self.points {
            let CurvePoint { f1, interval, .. } = point;
            let milliseconds = point.seconds.map(|seconds| format!("{:.1}", seconds * 1e3));
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "{:<6}  {f1:>6.2}  {:>5.1} to {:>5.1}  {:>9.1}  {:>7.1}  {:>11}  {:>6}  {:>10}  {:>7}",
                point.budget,
                interval.low,
                interval.high,
                point.reasoning_tokens,
                point.tokens,
                milliseconds.as_deref().unwrap_or("–"),
                point.forced,
                point.never_closed,
                point.truncated
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use ner_types::{Entity, Example, Thought, render_answer};

    use super::*;
    use crate::score::score_predictions;
    use crate::{EvalOptions, EvalSet, Suite};

    fn answers(thoughts: [Option<Thought>; 3]) -> (EvalResult, Vec<Prediction>) {
        let example = Example {
            sentence: "Brel sleeps.".into(),
            schema: vec!["city".into()],
            entities: vec![Entity::new("Brel", "city")],
            ..Example::default()
        };
        let suite = Suite {
            name: "north".into(),
            sets: vec![EvalSet {
                name: "north".into(),
                examples: vec![example.clone(); 3],
            }],
        };
        let prediction = |(index, thought): (usize, &Option<Thought>)| Prediction {
            dataset: "north".into(),
            index,
            completion: render_answer(&example.entities),
            truncated: index == 2,
            tokens: Some(10 * (index + 1)),
            thought: *thought,
        };
        let all: Vec<Prediction> = thoughts.iter().enumerate().map(prediction).collect();
        let result = score_predictions(&suite, all.clone(), &EvalOptions::default());
        (result.expect("scored"), all)
    }

    fn curve() -> Curve {
        let thought = |tokens, closed| Some(Thought { tokens, closed });
        let (result, all) = answers([
            thought(6, Some(Closed::Forced)),
            thought(3, Some(Closed::Model)),
            None,
        ]);
        let (never, all_never) = answers([thought(9, Some(Closed::Never)), None, None]);
        Curve {
            system: "a <model>".into(),
            resamples: 1000,
            seed: 1,
            points: vec![
                CurvePoint::new("6", &result, &all, Some(0.0123)),
                CurvePoint::new("full", &never, &all_never, None),
            ],
        }
    }

    #[test]
    fn a_point_has_the_means_of_its_answers() {
        let point = &curve().points[0];
        assert_eq!((point.f1, point.sentences), (100.0, 3));
        assert_eq!((point.reasoning_tokens, point.tokens), (3.0, 20.0));
        assert_eq!(
            (point.forced, point.never_closed, point.truncated),
            (1, 0, 1)
        );
        assert_eq!(curve().points[1].never_closed, 1);
        let (result, _) = answers([None; 3]);
        assert_eq!(CurvePoint::new("0", &result, &[], None).tokens, 0.0);
    }

    #[test]
    fn a_curve_is_a_table_and_a_page() {
        let text = curve().to_text();
        assert!(text.contains("12.3") && text.contains("–"), "{text}");
        let dir = tempfile::tempdir().expect("a folder");
        let files = crate::curve_files::write_curve(&curve(), dir.path()).expect("written");
        let data = std::fs::read_to_string(files.data).expect("read");
        assert_eq!(serde_json::from_str::<Curve>(&data).expect("JSON"), curve());
        let page = std::fs::read_to_string(files.page).expect("read");
        assert!(
            page.contains("<svg") && page.contains("a &lt;model&gt;"),
            "{page}"
        );
        assert_eq!(
            page.matches("<circle").count(),
            2,
            "a point for each budget"
        );
    }
}
