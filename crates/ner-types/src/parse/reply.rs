//! Replies of models that are asked for one type at a time, as UniversalNER is: a JSON list of strings.

/// The texts of a reply to the question for one type, or `None` if it is no list of strings.
///
/// Read as by UniversalNER's evaluator: the reply must begin with `[`, it is cut behind the first `]` of its first
/// line, and what remains must be JSON. What stands behind the list is passed over. That evaluator takes a reply that
/// it cannot read for an empty list.
///
/// ```
/// use ner_types::parse_type_reply;
///
/// let texts = parse_type_reply(r#"["Port Halvek", "Brel"] and so on"#);
/// assert_eq!(texts, Some(vec!["Port Halvek".to_string(), "Brel".to_string()]));
/// assert_eq!(parse_type_reply("Here they are: [\"Brel\"]"), None);
/// ```
pub fn parse_type_reply(reply: &str) -> Option<Vec<String>> {
    let line = reply.split('\n').next().unwrap_or(reply);
    let end = line.find(']')?;
    if !line.starts_with('[') {
        return None;
    }
    serde_json::from_str(&line[..=end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_by_the_evaluator() {
        let check = |reply: &str, expected: Option<&[&str]>| {
            let read = parse_type_reply(reply);
            let read: Option<Vec<&str>> = read
                .as_ref()
                .map(|texts| texts.iter().map(String::as_str).collect());
            assert_eq!(read.as_deref(), expected, "{reply:?}");
        };
        check("[]", Some(&[]));
        check("[\"a\", \"b\"]", Some(&["a", "b"]));
        check("[\"a\"]\n[\"b\"]", Some(&["a"]));
        check("[\"小樽\"] ].", Some(&["小樽"]));
        // The first bracket ends the list, even inside of a string.
        check("[\"a [1]\", \"b\"]", None);
        for reply in [
            "",
            " [\"a\"]",
            "[\"a\",\n\"b\"]",
            "[\"a\"",
            "[1]",
            "['a']",
            "{}",
            "]",
        ] {
            check(reply, None);
        }
    }
}
