//! Whether an output is the one that a page shows.

/// The first line that is not as it should be, if there is one.
pub(crate) fn difference(expected: &[&str], found: &[&str]) -> Option<String> {
    if matches(expected, found) {
        return None;
    }
    let shown = |lines: &[&str]| lines.join("\n    ");
    Some(format!(
        "the page shows\n    {}\n  and the program prints\n    {}",
        shown(expected),
        shown(found)
    ))
}

fn matches(expected: &[&str], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            (0..=found.len()).any(|skipped| matches(rest, &found[skipped..]))
        }
        Some((line, rest)) => found
            .split_first()
            .is_some_and(|(first, found)| is_line(line, first) && matches(rest, found)),
    }
}

fn is_line(expected: &str, found: &str) -> bool {
    let (expected, found) = (without_times(expected), without_times(found));
    let mut parts = expected.trim_end().split('…');
    let mut rest = found.trim_end();
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = after;
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    is_open || rest.is_empty()
}

/// A line in which every duration is `_`, as two runs never agree about them.
fn without_times(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        let unit = words[at].trim_end_matches([',', '.', ')', ';', ':']);
        let number = words[at - 1].trim_start_matches('(');
        if matches!(unit, "s" | "ms" | "min") && number.parse::<f64>().is_ok() {
            words[at - 1] = "_";
        }
    }
    words.join(" ")
}
