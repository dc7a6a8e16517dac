//! In which way an entity differs from the text that it was to be copied from.

use unicode_normalization::UnicodeNormalization;

/// Takes a difference of spelling away.
type Fold = fn(&str) -> String;

/// The ways in which two spellings may differ, each with its folding.
const WAYS: [(&str, Fold); 5] = [
    ("spaces", spaces),
    ("quotes", quotes),
    ("dashes", dashes),
    ("invisible characters", invisible),
    ("normalisation", normal_form),
];

/// How `text` stands in `sentence`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Letter by letter.
    Verbatim,
    /// In another spelling; the differences in words.
    Differs(&'static str),
    /// Not at all.
    Absent,
}

/// Looks for `text` in `sentence`. Letter case is no spelling: another case is absent.
pub(crate) fn copied(text: &str, sentence: &str) -> Copied {
    if text.is_empty() {
        return Copied::Absent;
    }
    if sentence.contains(text) {
        return Copied::Verbatim;
    }
    for (way, fold) in WAYS {
        let folded = fold(text);
        if !folded.is_empty() && fold(sentence).contains(&folded) {
            return Copied::Differs(way);
        }
    }
    let folded = fold_all(text);
    if !folded.is_empty() && fold_all(sentence).contains(&folded) {
        return Copied::Differs("quotes, spaces or normalisation");
    }
    Copied::Absent
}

/// Normalisation first, because it turns other characters into spaces and dashes.
fn fold_all(text: &str) -> String {
    let mut text = normal_form(text);
    for (_, fold) in &WAYS[..4] {
        text = fold(&text);
    }
    text
}

fn spaces(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

fn quotes(text: &str) -> String {
    let plain = |c| match c {
        '‘' | '’' | '‚' | '‛' | '′' | '´' | '`' => '\'',
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => '"',
        c => c,
    };
    text.chars().map(plain).collect()
}

fn dashes(text: &str) -> String {
    let is_dash = |c| matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}');
    text.replace(is_dash, "-")
}

/// Soft hyphens, zero-width spaces and joiners, marks of direction, byte order marks.
fn invisible(text: &str) -> String {
    let is_seen = |c: &char| {
        !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            && !matches!(c, '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    text.chars().filter(is_seen).collect()
}

fn normal_form(text: &str) -> String {
    text.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_told_apart() {
        use Copied::{Absent, Differs, Verbatim};
        for (text, sentence, expected) in [
            ("Brel", "In Brel.", Verbatim),
            ("Zoë", "Zoë sings.", Verbatim),
            ("Zoe\u{308}", "Zoë sings.", Differs("normalisation")),
            ("Zoë", "Zoe\u{308} sings.", Differs("normalisation")),
            ("Kofler", "Ko\u{fb02}er", Differs("normalisation")),
            ("人", "\u{2f08}", Differs("normalisation")),
            ("Ann's Inn", "At Ann’s Inn.", Differs("quotes")),
            ("Port Halvek", "In Port\u{a0}Halvek.", Differs("spaces")),
            ("Port Halvek", "In Port\nHalvek.", Differs("spaces")),
            ("Brel-Oslin", "The Brel–Oslin line.", Differs("dashes")),
            ("Brel", "In Br\u{200d}el.", Differs("invisible characters")),
            ("Br\u{ad}el", "In Brel.", Differs("invisible characters")),
            (
                "Ann's Inn",
                "At Ann’s\u{a0}Inn.",
                Differs("quotes, spaces or normalisation"),
            ),
            ("ann", "Ann sings.", Absent),
            ("Bo", "Ann sings.", Absent),
            ("", "Ann sings.", Absent),
            ("\u{200b}", "Ann sings.", Absent),
        ] {
            assert_eq!(copied(text, sentence), expected, "{text:?} in {sentence:?}");
        }
    }
}
