//! What can be typed, and how the parts share the time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::lab::{Amount, Lab};
use crate::parts::Part;
use crate::report::{Outcome, Report};
use crate::tally::Tally;

/// Tries to break rner; every failure prints its seed and its command.
#[derive(Debug, Parser)]
#[command(name = "rner-torture", bin_name = "cargo xtask torture")]
pub(crate) struct Cli {
    /// Time for all parts together; the amounts of CI if left out.
    #[arg(long, value_name = "N", conflicts_with = "cases", value_parser = positive)]
    minutes: Option<f64>,
    /// Seed of the first case; the next has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases of each part, in place of the amounts of CI.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// Run only this part (repeatable); all but the long ones if left out.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// The workspace, for its fixtures.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err("expected a number above 0".into())
    }
}

impl Cli {
    /// Runs the parts one after the other; whether nothing failed.
    pub(crate) fn run(&self) -> Result<bool> {
        let root = self.root.canonicalize();
        let root = root.with_context(|| self.root.display().to_string())?;
        ensure!(
            root.join("fixtures").is_dir(),
            "{}: expected the workspace, which has the folder fixtures",
            root.display()
        );
        let parts = Part::chosen(&self.only);
        let weights: f64 = parts.iter().map(|part| part.weight()).sum();
        let mut report = Report::new(self.seed);
        for part in parts {
            let share = part.weight() / weights;
            let lab = Lab::new(root.clone(), self.seed, self.amount(share))?;
            report.add(one(part, &lab));
        }
        report.print(self.json)?;
        Ok(report.is_clean())
    }

    fn amount(&self, share: f64) -> Amount {
        match (self.cases, self.minutes) {
            (Some(cases), _) => Amount::Cases(cases),
            (None, Some(minutes)) => Amount::Time(Duration::from_secs_f64(minutes * 60.0 * share)),
            (None, None) => Amount::Standard,
        }
    }
}

/// Runs one part. A part that cannot be carried out at all has failed.
fn one(part: Part, lab: &Lab) -> Outcome {
    eprintln!("torture {}: {}", part.name(), part.about());
    let start = Instant::now();
    let mut tally = Tally::new(part.name());
    if let Err(error) = part.run(lab, &mut tally) {
        tally.fail(lab.seed(), format!("{error:#}"));
    }
    let seconds = start.elapsed().as_secs_f64();
    let failures = tally.faults().len();
    eprintln!(
        "torture {}: {failures} failures in {seconds:.1} s",
        part.name()
    );
    Outcome {
        part,
        tally,
        seconds,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--minutes 0",
            "--minutes nan",
            "--cases 0",
            "--only kil",
            "--minutes 1 --cases 2",
        ] {
            let parsed = Cli::try_parse_from(["x"].into_iter().chain(line.split_whitespace()));
            assert!(parsed.is_err(), "{line}");
        }
    }

    #[test]
    fn the_time_is_shared_and_the_cases_are_not() {
        let cli = |line: &str| {
            Cli::try_parse_from(["x"].into_iter().chain(line.split_whitespace()))
                .expect("it parses")
        };
        let half_a_minute = Amount::Time(Duration::from_secs(30));
        assert_eq!(cli("--minutes 1").amount(0.5), half_a_minute);
        assert_eq!(cli("--cases 3").amount(0.5), Amount::Cases(3));
        assert_eq!(cli("").amount(0.5), Amount::Standard);
    }
}
