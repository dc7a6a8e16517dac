//! The two questions of the paper, answered by the tests of this run: does reasoning beat none, and does GRPO beat
//! fine-tuning.

use ner_eval::page::figures::{p_text, p_words, plain, signed, signed_interval};
use ner_eval::steps::{Step, Steps};
use serde_json::{Value, json};

use super::data::ReportData;
use super::steps::{LEVEL, is_shown};
use crate::recipe::Row;

/// A question: what is compared, and the words of its answers.
struct Question {
    rows: (Row, Row),
    /// Its subject, at the beginning of a sentence.
    subject: &'static str,
}

const QUESTIONS: [Question; 2] = [
    Question {
        rows: (Row::WithoutCot, Row::Cot),
        subject: "Reasoning",
    },
    Question {
        rows: (Row::Cot, Row::Grpo),
        subject: "GRPO",
    },
];

/// Columns of the terminal.
const WIDTH: usize = 110;

/// One sentence for each question; none if the run has nothing that answers either.
pub(super) fn sentences(steps: &Steps) -> Vec<String> {
    let of = |question: &Question| {
        let (from, to) = (question.rows.0.title(), question.rows.1.title());
        steps
            .steps
            .iter()
            .find(|step| step.from == from && step.to == to)
    };
    if QUESTIONS.iter().all(|question| of(question).is_none()) {
        return Vec::new();
    }
    let told = QUESTIONS.iter().map(|question| match of(question) {
        Some(step) => answer(question, step, steps.rounds),
        None => unasked(question),
    });
    told.collect()
}

fn unasked(question: &Question) -> String {
    let (from, to) = (question.rows.0.title(), question.rows.1.title());
    format!(
        "{}: this run does not ask, because it has not both {from} and {to}.",
        question.subject
    )
}

fn answer(question: &Question, step: &Step, rounds: usize) -> String {
    let (second, first) = (plain(step.second, 2), plain(step.first, 2));
    let (gain, interval) = (
        signed(step.gain, 2),
        signed_interval(step.interval.low, step.interval.high, 2),
    );
    let p = p_words(step.p_holm, step.p_value, rounds);
    format!(
        "{} {}: {} has a mean F1 of {second}, {} of {first}, a gain of {gain} points (95 % interval {interval}; paired \
         test over {} sentences, after Holm {p}{}).",
        question.subject,
        verdict(step),
        step.to,
        step.from,
        step.sentences,
        over_seeds(step),
    )
}

/// What the tests show, and no more than that.
fn verdict(step: &Step) -> &'static str {
    let is_over_sentences = step.p_holm < LEVEL;
    match (is_over_sentences, is_shown(step), step.gain > 0.0) {
        (false, _, _) => "is not shown to help or to harm",
        (true, true, true) => "helps",
        (true, true, false) => "harms",
        (true, false, true) => "helps these models, but not surely others",
        (true, false, false) => "harms these models, but not surely others",
    }
}

/// Whether training again would show it too.
fn over_seeds(step: &Step) -> String {
    match (&step.over_seeds, step.seeds.len()) {
        (Some(test), seeds) => {
            format!("; over {seeds} seeds p = {}", p_text(test.p_value)).replace("= <", "<")
        }
        (None, 0 | 1) => "; one seed, so another training may differ".to_owned(),
        (None, seeds) => {
            format!("; {seeds} seeds, too few to test whether another training differs")
        }
    }
}

/// What stands against reading the sentences as the paper's.
fn caution(data: &ReportData) -> Option<&'static str> {
    let is_toy = data
        .setting
        .data
        .as_ref()
        .is_some_and(|data| data.eval == "tiny");
    match (data.simulated_teacher, is_toy) {
        (true, true) => Some(
            "Both hold for a toy model on a made-up benchmark, taught by a simulated teacher: they test this program, \
             not the paper.",
        ),
        (true, false) => Some("The teacher is simulated: they test this program, not the paper."),
        (false, true) => Some("The benchmark is made up: they test this program, not the paper."),
        (false, false) => None,
    }
}

/// The headline of the page; null if there is none.
pub(super) fn view(data: &ReportData) -> Value {
    let sentences = sentences(&data.steps);
    if sentences.is_empty() {
        return Value::Null;
    }
    json!({ "sentences": sentences, "caution": caution(data) })
}

/// The same for the terminal; empty if there is none.
pub(super) fn text(data: &ReportData) -> String {
    let sentences = sentences(&data.steps);
    let caution = caution(data).filter(|_| !sentences.is_empty());
    let all = sentences.iter().map(String::as_str).chain(caution);
    all.map(wrapped).collect()
}

/// A sentence in lines, each ending with a line break.
fn wrapped(sentence: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use ner_score::Interval;
    use ner_score::student::paired_t_test;

    use super::*;

    fn step(rows: (Row, Row), gain: f64, p: f64, by_seed: &[f64]) -> Step {
        Step {
            from: rows.0.title().into(),
            to: rows.1.title().into(),
            seeds: (42..).take(by_seed.len()).collect(),
            sentences: 700,
            first: 60.0,
            second: 60.0 + gain,
            gain,
            by_seed: by_seed.to_vec(),
            interval: Interval {
                low: gain - 1.0,
                high: gain + 1.0,
            },
            p_value: p,
            p_holm: (2.0 * p).min(1.0),
            over_seeds: paired_t_test(by_seed),
        }
    }

    const COT: (Row, Row) = (Row::WithoutCot, Row::Cot);
    const GRPO: (Row, Row) = (Row::Cot, Row::Grpo);

    fn steps(steps: Vec<Step>) -> Steps {
        Steps {
            steps,
            rounds: 1000,
            seed: 42,
        }
    }

    #[test]
    fn both_questions_are_answered_with_their_paired_p_values() {
        let least = 1.0 / 1001.0;
        let told = sentences(&steps(vec![
            step(COT, 2.5, least, &[2.4, 2.5, 2.6]),
            step(GRPO, -0.2, 0.4, &[-0.2]),
        ]));
        let expected = [
            "Reasoning helps: SFT with CoT has a mean F1 of 62.50, SFT without CoT of 60.00, a gain of +2.50 points \
             (95 % interval +1.50 to +3.50; paired test over 700 sentences, after Holm p ≤ 0.0020; over 3 seeds p = \
             0.0005).",
            "GRPO is not shown to help or to harm: + GRPO has a mean F1 of 59.80, SFT with CoT of 60.00, a gain of \
             −0.20 points (95 % interval −1.20 to +0.80; paired test over 700 sentences, after Holm p = 0.8000; one \
             seed, so another training may differ).",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_verdict_says_no_more_than_the_tests() {
        for (gain, p, by_seed, expected) in [
            (2.0, 0.001, &[2.0][..], "helps"),
            (-2.0, 0.001, &[-2.0], "harms"),
            (2.0, 0.03, &[2.0], "is not shown to help or to harm"),
            (
                2.0,
                0.001,
                &[0.1, 0.5, 5.4],
                "helps these models, but not surely others",
            ),
            (
                -2.0,
                0.001,
                &[-0.1, -0.5, -5.4],
                "harms these models, but not surely others",
            ),
        ] {
            assert_eq!(
                verdict(&step(COT, gain, p, by_seed)),
                expected,
                "{gain} {p}"
            );
        }
    }

    #[test]
    fn a_question_that_the_run_does_not_ask_is_named() {
        let told = sentences(&steps(vec![step(GRPO, 1.0, 0.001, &[1.0])]));
        assert!(
            told[0].starts_with("Reasoning: this run does not ask"),
            "{told:?}"
        );
        assert!(told[1].starts_with("GRPO helps:"), "{told:?}");
        assert!(sentences(&Steps::default()).is_empty());
        assert!(
            sentences(&steps(vec![step(
                (Row::Base, Row::BaseStep),
                1.0,
                0.1,
                &[1.0]
            )]))
            .is_empty()
        );
    }

    #[test]
    fn lines_of_the_terminal_end_in_time() {
        let text = wrapped(&"word ".repeat(60));
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
