//! The reasoning that leads from a sentence to its entities.

use crate::corpus::grammar::{Draft, Evidence, Mention, with_article};

/// One sentence of reasoning per mention, in order of appearance.
///
/// `labels` gives the schema's label for each type of the domain, or `None` if
/// the schema does not ask for the type; `fallback` gives the label to name
/// then.
pub(crate) fn reasoning(draft: &Draft, labels: &[Option<String>], fallback: &[&str]) -> String {
    let steps: Vec<String> = surroundings(draft)
        .into_iter()
        .zip(&draft.mentions)
        .map(|(shown, mention)| match &labels[mention.kind] {
            Some(label) => format!("{shown}, so its type is {label}."),
            None => {
                let label = fallback[mention.kind];
                format!("{shown}, so its type is {label}, which is not asked for.")
            }
        })
        .collect();
    steps.join(" ")
}

/// Each mention in its surroundings, in order of appearance.
pub(crate) fn surroundings(draft: &Draft) -> Vec<String> {
    let mut from = 0;
    draft
        .mentions
        .iter()
        .map(|mention| {
            let start = draft.text[from..]
                .find(&mention.text)
                .map_or(from, |at| from + at);
            let end = start + mention.text.len();
            from = end.min(draft.text.len());
            evidence(mention, &draft.text[..start], &draft.text[from..])
        })
        .collect()
}

/// The mention in quotation marks together with the words that tell its type, in
/// the order of the sentence.
fn evidence(mention: &Mention, before: &str, after: &str) -> String {
    let text = &mention.text;
    match &mention.evidence {
        Evidence::Cue(cue) | Evidence::Pair(cue) => format!("{cue} \"{text}\""),
        Evidence::Apposition(described) => format!("\"{text}\", {described}"),
        Evidence::Order(place, cue) => {
            let cue = with_article(cue);
            format!("\"{text}\" comes {place}, the {place} is {cue}")
        }
        Evidence::Meant(cue) => format!("by \"{text}\" {} is meant", with_article(cue)),
        Evidence::Context => context(text, before, after),
    }
}

/// The name with the two words after it, or with the two before it at the end.
fn context(text: &str, before: &str, after: &str) -> String {
    let next: Vec<&str> = words(after).take(2).collect();
    if next.len() == 2 {
        return format!("\"{text}\" {}", next.join(" "));
    }
    let mut last: Vec<&str> = words(before).collect();
    last.drain(..last.len().saturating_sub(2));
    format!("{} \"{text}\"", last.join(" "))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
}
