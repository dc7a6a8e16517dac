//! What stands against a run, on the terminal.

use anyhow::{Result, anyhow};
use rner::preflight::{Finding, Severity};
use rner_cli::exit::usage;

/// Prints all of it to stdout, as text or as JSON, and fails if something would stop the run.
pub(crate) fn conclude(found: &[Finding], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(found)?);
    } else {
        println!("\nPreflight");
        found
            .iter()
            .for_each(|finding| println!("{}", line(finding)));
        if found.is_empty() {
            println!("  nothing stands against this run");
        }
    }
    verdict(found)
}

/// Says on stderr what is not merely good to know, and fails if something would stop the run.
pub(crate) fn say(found: &[Finding]) -> Result<()> {
    let matters = found.iter().filter(|f| f.severity != Severity::Note);
    matters.for_each(|finding| rner_cli::say!("{}", line(finding)));
    verdict(found)
}

/// A finding with its remedy below it.
fn line(finding: &Finding) -> String {
    let head = match finding.severity {
        Severity::Stops => "STOPS",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut text = format!("  {head:<8} {:<8} {}", finding.about, finding.what);
    if !finding.remedy.is_empty() {
        text.push_str(&format!("\n{:>20}{}", "-> ", finding.remedy));
    }
    text
}

/// Wrong usage if what was asked for has to change, a failure if the machine or a server has to.
fn verdict(found: &[Finding]) -> Result<()> {
    let stops: Vec<&Finding> = found
        .iter()
        .filter(|finding| finding.severity == Severity::Stops)
        .collect();
    if stops.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} of these would stop the run; nothing was downloaded, paid for or written",
        stops.len()
    );
    if stops.iter().any(|finding| finding.is_usage) {
        Err(usage(message))
    } else {
        Err(anyhow!(message))
    }
}
