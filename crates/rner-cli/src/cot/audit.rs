//! `rner cot audit`: how often the rules are wrong.

use std::path::Path;

use anyhow::Result;
use ner_cot::audit::{Audit, AuditOptions, AuditSample, Fault, Group, Manner, Origin, Rate, Tally};
use ner_cot::rules::Rules;
use ner_datasets::{ReadOptions, Split};
use ner_types::Example;
use rner::inputs::{files, with_schema};
use serde_json::json;

use super::args::AuditArgs;

/// Runs the command.
pub(super) fn audit(args: &AuditArgs) -> Result<()> {
    let off = args.no_rule.iter();
    let mut audit = Audit::new(AuditOptions {
        seed: args.seed,
        rules: off.fold(Rules::default(), |rules, rule| rules.without(*rule)),
        manners: if args.manner.is_empty() {
            Manner::ALL.into()
        } else {
            args.manner.clone()
        },
        samples: args.show,
    });
    audit.hand_written();
    for path in &args.data {
        rows(path, args.limit.unwrap_or(usize::MAX), &mut |row| {
            audit.row(row)
        })?;
    }
    if args.json {
        let groups: Vec<&Group> = audit.groups().collect();
        let found = json!({
            "rows": audit.rows(), "skipped": audit.skipped(), "seed": args.seed,
            "groups": groups, "examples": audit.samples(),
        });
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print(&audit);
    }
    Ok(())
}

/// The annotated rows of a path, up to `limit` of each file or set.
fn rows(path: &Path, limit: usize, each: &mut dyn FnMut(&Example)) -> Result<()> {
    if path.is_dir()
        && let Ok(benchmark) = ner_datasets::open_data_dir(path)
    {
        for set in benchmark.read(Split::Train)? {
            set.examples.iter().take(limit).for_each(&mut *each);
        }
        return Ok(());
    }
    for (file, format) in files(&[path.to_owned()], None)? {
        let options = with_schema(&file, format, ReadOptions::default())?;
        for row in ner_datasets::open(&file, format, options)?.take(limit) {
            each(&row?.example);
        }
    }
    Ok(())
}

fn print(audit: &Audit) {
    for sample in audit.samples() {
        show(sample);
    }
    println!("{} rows of data, and the hand-written chains", audit.rows());
    for (reason, count) in audit.skipped() {
        println!("  {count} rows left out: {reason}");
    }
    println!(
        "\nright answers rejected, and contradictions caught, in per cent with 95 % intervals"
    );
    for group in audit.groups() {
        let manner = group.manner.map_or("as it is", Manner::name);
        println!("\n{} chains, {manner}", group.origin.name());
        line("right, rejected", &group.right);
        for fault in Fault::ALL {
            if let Some(tally) = group.wrong.get(&fault) {
                line(&format!("{}, caught", fault.name()), tally);
            }
        }
    }
    println!();
    for origin in [Origin::HandWritten, Origin::Generated, Origin::Own] {
        let (right, wrong) = audit.total(origin);
        if right.any.of > 0 {
            println!("{} chains, all", origin.name());
            line("right, rejected", &right);
            line("contradictions, caught", &wrong);
        }
    }
}

fn line(what: &str, tally: &Tally) {
    let rules = tally.by_rule.iter();
    let rules: Vec<String> = rules
        .map(|(rule, count)| format!("{rule} {count}"))
        .collect();
    println!("  {what:<23} {}  {}", rate(tally.any), rules.join(", "));
}

fn rate(rate: Rate) -> String {
    let (low, high) = rate.interval();
    let counts = format!("{} of {}", rate.hits, rate.of);
    format!(
        "{counts:>16}  {:>6.2} [{:.2}, {:.2}]",
        100.0 * rate.share(),
        100.0 * low,
        100.0 * high
    )
}

fn show(sample: &AuditSample) {
    let manner = sample.manner.map_or("as it is", Manner::name);
    let verdict = match sample.missed {
        Some(fault) => format!("missed: {}", fault.name()),
        None => format!("rejected though right: {}", sample.findings.join("; ")),
    };
    println!("{} chain, {manner}, {verdict}", sample.origin.name());
    println!("  sentence: {}", sample.sentence);
    println!(
        "  reasoning: {}",
        sample.reasoning.replace('\n', "\n             ")
    );
    let answer: Vec<&str> = sample.answer.split_whitespace().collect();
    println!("  answer: {}\n", answer.join(" "));
}
