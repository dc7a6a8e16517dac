//! Texts of models with their runs of repetition folded, so that a sample stays readable.

/// A part of a text is folded if it stands at least so often in a row,
const TIMES: usize = 4;
/// has at most so many characters,
const LONGEST: usize = 160;
/// and takes at least so many characters in all.
const LEAST: usize = 24;

/// The text with each run of one repeated part written once, followed by the number of times: `Brit` and 39 more `rit`
/// become `Brit ⟨×40⟩`. White space alone is left as it is.
pub fn folded(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len().min(4096));
    let mut at = 0;
    while at < chars.len() {
        match run_at(&chars[at..]) {
            Some((length, times)) => {
                out.extend(&chars[at..at + length]);
                out += &format!(" ⟨×{times}⟩ ");
                at += length * times;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}

/// Length of the shortest part that a text begins with again and again, and how often.
fn run_at(text: &[char]) -> Option<(usize, usize)> {
    if text[0].is_whitespace() {
        return None;
    }
    let longest = LONGEST.min(text.len() / TIMES);
    (1..=longest).find_map(|length| {
        let same = text
            .iter()
            .zip(&text[length..])
            .take_while(|(a, b)| a == b)
            .count();
        let times = 1 + same / length;
        (times >= TIMES && times * length >= LEAST).then_some((length, times))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_parts_are_written_once() {
        for (text, expected) in [
            ("B".to_owned() + &"rit".repeat(40), "Brit ⟨×40⟩ ".to_owned()),
            (
                "Brel is a city.\n".repeat(9) + "End",
                "Brel is a city.\n ⟨×9⟩ End".to_owned(),
            ),
            (
                "no no no, and 1000000".to_owned(),
                "no no no, and 1000000".to_owned(),
            ),
            (" ".repeat(60) + "é", " ".repeat(60) + "é"),
            (String::new(), String::new()),
        ] {
            assert_eq!(folded(&text), expected);
        }
    }
}
