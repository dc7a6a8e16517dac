//! The paper's normalisation of labels and of texts for matching.

/// Lower-cases and trims a label.
pub fn normalize_label(label: &str) -> String {
    label.trim().to_lowercase()
}

/// Whether a normalised label stands for "none of the types" and is therefore
/// left out of schema and gold: empty, `na`, `n a`, `misc`, `else`, `other`,
/// `nan`.
pub fn is_dropped_label(normalized: &str) -> bool {
    matches!(
        normalized,
        "" | "na" | "n a" | "misc" | "else" | "other" | "nan"
    )
}

/// The form in which entity texts are compared.
///
/// Lower case, ASCII punctuation removed, the words *a*, *an* and *the*
/// replaced by a space, white space collapsed: the normalisation of the SQuAD
/// scorer, which the paper and UniversalNER use. `C++`, `C#` and `C` become
/// equal, and "The" becomes the empty string.
pub fn normalize_text(text: &str) -> String {
    let bare: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    let mut out = String::with_capacity(bare.len());
    let mut rest = bare.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest
            .char_indices()
            .find(|&(_, c)| is_word(c) != is_word(first))
            .map_or(rest.len(), |(at, _)| at);
        let (run, tail) = rest.split_at(end);
        match run {
            "a" | "an" | "the" => out.push(' '),
            _ => out.push_str(run),
        }
        rest = tail;
    }
    collapse_whitespace(&out)
}

/// A word character in the sense of `\w`; the underscore is punctuation and
/// has already been removed.
fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

/// Joins the words with single spaces. Python also splits at U+001C–U+001F,
/// which Rust does not count as white space.
fn collapse_whitespace(text: &str) -> String {
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let mut out = String::with_capacity(text.len());
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_as_the_paper_does() {
        for (text, expected) in [
            ("C++", "c"),
            ("U.S.", "us"),
            ("the A-Team", "ateam"),
            ("The", ""),
            ("A  Ledger\u{1c}of the Rain", "ledger of rain"),
            ("Theory of an Ant", "theory of ant"),
            ("“Quoted”", "“quoted”"),
            ("", ""),
        ] {
            assert_eq!(normalize_text(text), expected, "{text:?}");
        }
    }

    #[test]
    fn placeholders_are_recognised_after_normalisation() {
        assert!(is_dropped_label(&normalize_label(" N A ")));
        assert!(!is_dropped_label(&normalize_label("nation")));
    }
}
