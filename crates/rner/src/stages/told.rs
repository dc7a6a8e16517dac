//! What a training tells about its data at the end: what was trained on, and what became of the rest.

/// The parts that are there, in brackets behind a number.
pub(super) fn in_brackets(parts: impl IntoIterator<Item = Option<String>>) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(" ({})", parts.join("; "))
}

/// Words about a number of things, if there are any.
pub(super) fn if_any(n: usize, words: impl FnOnce(usize) -> String) -> Option<String> {
    (n > 0).then(|| words(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_is_told() {
        let words = |n| if_any(n, |n| format!("{n} more"));
        assert_eq!(in_brackets([words(0), None]), "");
        assert_eq!(
            in_brackets([words(2), words(0), words(1)]),
            " (2 more; 1 more)"
        );
    }
}
