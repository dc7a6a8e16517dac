//! What one run has over another, as data and as a table.

use std::fmt::Write as _;

use ner_score::randomization::is_floor;
use ner_score::{Interval, Scorer};
use serde::{Deserialize, Serialize};

/// What the second run has over the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The preset that counted both.
    pub scorer: Scorer,
    /// One entry per set that both runs have.
    pub sets: Vec<Gain>,
    /// The mean of these sets.
    pub mean: Gain,
    /// Sentences that one run alone answered; they are left out.
    pub unpaired: usize,
    /// Sets that one run alone has; they are left out.
    pub unpaired_sets: Vec<String>,
    /// Sets that both runs have and of which one of them, or both, answered nothing; they are left out too.
    #[serde(default)]
    pub unanswered_sets: Vec<String>,
    /// Resamples of the bootstrap, and shuffles of the randomisation.
    pub resamples: usize,
    /// Seed of both.
    pub seed: u64,
}

/// The gain on one set, or on the mean of several. F1, gain and interval are in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Name of the set.
    pub name: String,
    /// Sentences that both runs answered.
    pub sentences: usize,
    /// F1 of the first run on these sentences.
    pub first: f64,
    /// F1 of the second run.
    pub second: f64,
    /// Second minus first.
    pub gain: f64,
    /// 95 % interval of the gain: paired bootstrap over sentences.
    pub interval: Interval,
    /// Two-sided p-value of the paired bootstrap.
    pub p_bootstrap: f64,
    /// Two-sided p-value of approximate randomisation.
    pub p_randomization: f64,
    /// The latter, corrected for looking at several sets (Holm 1979). Of the mean: uncorrected.
    pub p_holm: f64,
    /// Sentences with a higher F1 in the second run.
    pub better: usize,
    /// Sentences with a lower one.
    pub worse: usize,
}

impl Comparison {
    /// The comparison as an aligned table, ending with notes and a line break.
    pub fn to_text(&self, first: &str, second: &str) -> String {
        // The mean of one set is that set again.
        let mean = (self.sets.len() > 1).then_some(&self.mean);
        let rows = || self.sets.iter().chain(mean);
        let width = rows()
            .map(|gain| gain.name.chars().count())
            .max()
            .unwrap_or(0);
        let mut out = format!("gain of {second} (B) over {first} (A), in points of F1\n\n");
        let _ = writeln!(
            out,
            "{:<width$}  {:>6}  {:>6}  {:>6}  {:>16}  {:>8}  {:>8}  {:>8}  {:>13}",
            "set", "A", "B", "gain", "95 % interval", "p (AR)", "p Holm", "p boot", "better/worse"
        );
        for gain in rows() {
            let interval = format!("{:+.2} to {:+.2}", gain.interval.low, gain.interval.high);
            let moved = format!("{}/{}", gain.better, gain.worse);
            let _ = writeln!(
                out,
                "{:<width$}  {:>6.2}  {:>6.2}  {:>+6.2}  {interval:>16}  {:>8}  {:>8}  {:>8}  {moved:>13}",
                gain.name,
                gain.first,
                gain.second,
                gain.gain,
                self.p_text(gain.p_randomization, gain.p_randomization),
                self.p_text(gain.p_holm, gain.p_randomization),
                self.p_text(gain.p_bootstrap, gain.p_bootstrap)
            );
        }
        out.push_str(&self.notes());
        out
    }

    /// A p-value, with "≤" if the test that it rests on gave the smallest value that its rounds can give.
    fn p_text(&self, p: f64, tested: f64) -> String {
        let sign = if is_floor(tested, self.resamples) {
            "≤"
        } else {
            ""
        };
        format!("{sign}{p:.4}")
    }

    /// What is not in the figures, a sentence each.
    pub fn left_out(&self) -> Vec<String> {
        let sentences = (self.unpaired > 0).then(|| {
            format!(
                "{} sentences that one run alone answered are left out.",
                self.unpaired
            )
        });
        let named = |sets: &[String], why: &str| {
            (!sets.is_empty()).then(|| format!("Left out, {why}: {}.", sets.join(", ")))
        };
        let alone = named(&self.unpaired_sets, "as one run alone has them");
        let unanswered = named(&self.unanswered_sets, "as a run answered nothing of them");
        [sentences, alone, unanswered]
            .into_iter()
            .flatten()
            .collect()
    }

    /// What the figures are, and what is not in them.
    fn notes(&self) -> String {
        let (scorer, n) = (self.scorer, self.resamples);
        let mut out = format!(
            "\nScorer {scorer}. Two-sided p-values over sentences: AR = approximate randomisation, boot = paired \
             bootstrap, {n} rounds each;\nHolm = AR corrected for the number of sets. better/worse: sentences whose \
             F1 rose or fell; ≤: no round reached it.\n"
        );
        for line in self.left_out() {
            out += &format!("{line}\n");
        }
        out
    }
}
