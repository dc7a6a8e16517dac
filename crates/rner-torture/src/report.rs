//! What a run found, as a table for people or as JSON.

use anyhow::Result;
use serde_json::{Value, json};

use crate::parts::Part;
use crate::tally::Tally;

/// What came out of one part.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) part: Part,
    pub(crate) tally: Tally,
    pub(crate) seconds: f64,
}

/// All parts of a run.
#[derive(Debug)]
pub(crate) struct Report {
    seed: u64,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Whether nothing failed.
    pub(crate) fn is_clean(&self) -> bool {
        self.outcomes
            .iter()
            .all(|one| one.tally.faults().is_empty())
    }

    pub(crate) fn print(&self, as_json: bool) -> Result<()> {
        if as_json {
            println!("{}", serde_json::to_string_pretty(&self.json())?);
        } else {
            print!("{}", self.markdown());
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let part = |one: &Outcome| json!({"part": one.part.name(), "seconds": one.seconds, "found": one.tally});
        json!({"seed": self.seed, "parts": self.outcomes.iter().map(part).collect::<Vec<_>>()})
    }

    /// A table as docs/reliability.md has it.
    fn markdown(&self) -> String {
        let mut text = String::from(
            "| part | tried | measured | failures | seconds |\n|---|---|---|---|---|\n",
        );
        for one in &self.outcomes {
            let row = [
                one.part.name().to_owned(),
                tried(&one.tally),
                measured(&one.tally),
                one.tally.faults().len().to_string(),
                format!("{:.0}", one.seconds),
            ];
            text.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        for one in &self.outcomes {
            for what in one.tally.skipped() {
                text.push_str(&format!("\nNot tried ({}): {what}.\n", one.part.name()));
            }
        }
        text
    }
}

fn tried(tally: &Tally) -> String {
    let counts = tally.counts().iter();
    joined(counts.map(|(what, number)| format!("{} {what}", grouped(*number))))
}

fn measured(tally: &Tally) -> String {
    joined(tally.measures().iter().map(|measure| match measure.limit {
        Some(limit) => format!("{} {:.2} (limit {limit})", measure.name, measure.value),
        None => format!("{} {:.2}", measure.name, measure.value),
    }))
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let all = words.collect::<Vec<_>>().join(", ");
    if all.is_empty() { "–".into() } else { all }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_counts_measures_failures_and_what_was_left_out() {
        let mut tally = Tally::new("teacher");
        tally.count("pairs", 1080);
        tally.measure("spent / budget", 0.5, Some(1.0), 1);
        tally.skip("the moon");
        let mut report = Report::new(1);
        report.add(Outcome {
            part: Part::Teacher,
            tally,
            seconds: 2.4,
        });
        let text = report.markdown();
        let row = "| teacher | 1,080 pairs | spent / budget 0.50 (limit 1) | 0 | 2 |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("Not tried (teacher): the moon."), "{text}");
        assert!(report.is_clean());
    }

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
