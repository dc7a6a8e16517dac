//! Text of anybody as text of a page: nothing in it is markup, and nothing in it is invisible.

/// Text for an element or an attribute in quotes.
///
/// Control characters, which HTML does not allow, and those that turn the direction of what follows are written by
/// their number, so that nobody reads what is not there. Line ends are those of Unix.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => escaped.push('\n'),
            hidden if is_hidden(hidden) => escaped += &format!("⟦U+{:04X}⟧", u32::from(hidden)),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Control characters, and those of directions.
fn is_hidden(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (character.is_control() && character != '\n' && character != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup_or_invisible() {
        for (text, expected) in [
            (
                "</script><b a='1'>\"&",
                "&lt;/script&gt;&lt;b a=&#39;1&#39;&gt;&quot;&amp;",
            ),
            ("a\0\u{7f}\u{85}b", "a⟦U+0000⟧⟦U+007F⟧⟦U+0085⟧b"),
            ("x\u{202e}y", "x⟦U+202E⟧y"),
            ("1\r\n2\r3\t", "1\n2\n3\t"),
            ("Zoë 小樽 👞\u{200d}", "Zoë 小樽 👞\u{200d}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
