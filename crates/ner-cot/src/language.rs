//! Whether a reasoning changes into another script than the sentence's.
//!
//! Scripts, not languages: a change from English to Chinese is seen, one from
//! English to French is not.

use std::collections::HashSet;

use unicode_script::{Script, UnicodeScript};

use crate::agree::quotations;

/// Names the foreign script if more than `limit` of the reasoning's letters are
/// neither Latin nor of a script of the sentence or the schema.
///
/// Quotations do not count, so that a sentence about foreign words can be explained.
pub(crate) fn foreign_script(
    reasoning: &str,
    schema: &[String],
    sentence: &str,
    limit: f64,
) -> Option<String> {
    let mut known: HashSet<Script> = scripts(sentence).collect();
    known.extend(schema.iter().flat_map(|label| scripts(label)));
    known.insert(Script::Latin);
    let own_words = without_quotations(reasoning);
    let (mut n_letters, mut n_foreign, mut first) = (0_usize, 0_usize, None);
    for script in scripts(&own_words) {
        n_letters += 1;
        // Always known, and nearly always the one.
        if script != Script::Latin && !known.contains(&script) {
            n_foreign += 1;
            first = first.or(Some(script));
        }
    }
    // Texts have fewer letters than a float counts exactly.
    let share = n_foreign as f64 / n_letters.max(1) as f64;
    let script = first.filter(|_| share > limit)?;
    let (name, percent) = (script.full_name(), 100.0 * share);
    Some(format!(
        "{percent:.0} % of the reasoning's letters are foreign to the sentence, such as {name}"
    ))
}

/// The scripts of the letters, one by one; letters that all scripts share are left out.
fn scripts(text: &str) -> impl Iterator<Item = Script> + '_ {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let shared =
        |script: &Script| matches!(script, Script::Common | Script::Inherited | Script::Unknown);
    // All letters of ASCII are Latin; for the others a table is searched.
    let script = |c: char| {
        if c.is_ascii() {
            Script::Latin
        } else {
            c.script()
        }
    };
    letters.map(script).filter(move |script| !shared(script))
}

fn without_quotations(reasoning: &str) -> String {
    let mut own_words = String::with_capacity(reasoning.len());
    let mut from = 0;
    for place in quotations(reasoning) {
        own_words.push_str(&reasoning[from..place.start]);
        from = place.end;
    }
    own_words.push_str(&reasoning[from..]);
    own_words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reasoning: &str, sentence: &str, expected: Option<&str>) {
        let found = foreign_script(reasoning, &["city".into()], sentence, 0.2);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{reasoning:?}: expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn a_switch_of_script_is_seen() {
        check("Brel is a city.", "Brel sleeps.", None);
        check(
            "Brel是一个城市，因为人们在那里睡觉。",
            "Brel sleeps.",
            Some("Han"),
        );
        check("Брел это город.", "Brel sleeps.", Some("100 %"));
        check("Brel is a city (город).", "Brel sleeps.", Some("Cyrillic"));
    }

    #[test]
    fn the_scripts_of_the_sentence_and_quotations_are_no_switch() {
        check("小樽 is a city.", "She left 小樽.", None);
        check("小樽是一个城市。", "She left 小樽.", None);
        check(
            "\"小樽\" and “札幌市中央区” are cities.",
            "Otaru, Sapporo.",
            None,
        );
        check("Brel is a city; in µm and 12 — no.", "Brel sleeps.", None);
        check(
            "A city whose name is Брел.",
            "Brel sleeps in the sun.",
            None,
        );
        check("He writes \"город\", a city.", "Brel sleeps.", None);
        check(
            "\"Brel sleeps in the sun\" 是城市",
            "Brel sleeps.",
            Some("100 %"),
        );
        check("", "Brel sleeps.", None);
        check("…", "Brel sleeps.", None);
    }
}
