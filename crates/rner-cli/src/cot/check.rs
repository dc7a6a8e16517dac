//! `rner cot check`: what a source has too often, or should not have at all.

use std::collections::BTreeMap;

use anyhow::Result;
use ner_cot::Source;
use ner_cot::near::NearDuplicates;
use rner::cot::{leakage, source};
use serde_json::json;

use super::args::CheckArgs;

/// Examples that are shown of each kind.
const SHOWN: usize = 5;

/// Runs the command.
pub(super) fn check(args: &CheckArgs) -> Result<()> {
    let leakage = leakage(&args.against)?;
    let mut near = NearDuplicates::new(args.near_duplicates)?;
    let (mut rows, mut duplicates) = (0_usize, 0_usize);
    let mut leaks: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut shown = Vec::new();
    let source = source(&args.data, &args.input.reading()?)?;
    for row in source.rows()?.take(args.limit.unwrap_or(usize::MAX)) {
        let sentence = row?.sentence;
        if let Some(earlier) = near.insert(&sentence) {
            duplicates += 1;
            if duplicates <= SHOWN {
                shown.push(json!({"row": rows, "like_row": earlier, "sentence": sentence}));
            }
        }
        if let Some(leak) = leakage
            .as_ref()
            .and_then(|leakage| leakage.check(&sentence))
        {
            let count = leaks
                .entry((leak.set.to_owned(), leak.kind.name()))
                .or_default();
            *count += 1;
            if *count <= SHOWN {
                shown.push(json!({
                    "row": rows, "set": leak.set, "kind": leak.kind.name(),
                    "sentence": sentence, "in_evaluation_data": leak.sentence,
                }));
            }
        }
        rows += 1;
    }
    let cut_short =
        near.n_cut_short() + leakage.as_ref().map_or(0, |leakage| leakage.n_cut_short());
    if args.json {
        let leaks: Vec<_> = leaks
            .iter()
            .map(|((set, kind), rows)| json!({"set": set, "kind": kind, "rows": rows}))
            .collect();
        let found = json!({
            "rows": rows, "near_duplicates": duplicates, "leaks": leaks, "searches_cut_short": cut_short,
            "examples": shown,
        });
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    println!("{rows} rows, {duplicates} of them nearly the same as an earlier one");
    for ((set, kind), rows) in &leaks {
        println!("  {rows:>6} rows are in {set} ({})", kind.replace('_', " "));
    }
    if leaks.is_empty() && leakage.is_some() {
        println!("  no row is in the evaluation data");
    }
    if cut_short > 0 {
        println!(
            "  {cut_short} searches for near-duplicates were cut short: some may have been passed over"
        );
    }
    shown.iter().for_each(|example| println!("  {example}"));
    Ok(())
}
