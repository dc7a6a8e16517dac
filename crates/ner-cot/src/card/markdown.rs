//! Texts of others inside of YAML and Markdown.

/// A text in a table or a line: on one line, with what Markdown would read escaped.
pub(super) fn inline(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let mut out = String::with_capacity(text.len());
    for c in words.join(" ").chars() {
        if matches!(c, '\\' | '|' | '`' | '*' | '<' | '>' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text as a block that no line of it can end.
pub(super) fn code_block(text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

/// A text in YAML. JSON's strings are YAML's, and need no rules about what may stand bare.
pub(super) fn yaml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list in YAML; nothing for an empty one.
pub(super) fn yaml_strings(key: &str, values: &[String]) -> String {
    let lines = values
        .iter()
        .map(|value| format!("- {}\n", yaml_string(value)));
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!("{key}:\n{lines}")
    }
}

/// A number with a comma before each three digits.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_out() {
        assert_eq!(inline("a | `b`\n# <c>"), "a \\| \\`b\\` # \\<c\\>");
        assert_eq!(code_block("a\n"), "```text\na\n```\n");
        assert_eq!(code_block("```json"), "````text\n```json\n````\n");
        assert_eq!(yaml_string("a: \"b\"\n---"), r#""a: \"b\"\n---""#);
        assert_eq!(yaml_strings("language", &[]), "");
        assert_eq!(
            yaml_strings("language", &["no".into()]),
            "language:\n- \"no\"\n"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (45_787, "45,787"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), expected);
        }
    }
}
