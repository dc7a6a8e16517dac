//! Finding a secret in a text, however JSON writes it.

/// Most backslashes before one character: enough for JSON within JSON within JSON.
const MOST_BACKSLASHES: usize = 7;

/// Replaces each occurrence of `secret` by `(key)`; `None` if there is none.
///
/// A character counts as found also where it follows backslashes (`\\/`) or is written as `\\u002f`.
pub(crate) fn mask(secret: &str, text: &str) -> Option<String> {
    // Backslashes are passed over in the text, so those of the secret cannot be looked for.
    let secret: Vec<u8> = secret.bytes().filter(|byte| *byte != b'\\').collect();
    let bytes = text.as_bytes();
    let (mut masked, mut kept, mut at) = (String::new(), 0, 0);
    while at < bytes.len() && !secret.is_empty() {
        match occurrence(&secret, &bytes[at..]) {
            // Both ends are at ASCII characters.
            Some(length) => {
                masked.push_str(&text[kept..at]);
                masked.push_str("(key)");
                at += length;
                kept = at;
            }
            None => at += 1,
        }
    }
    (kept > 0).then(|| masked + &text[kept..])
}

/// The bytes that the secret takes at the beginning of `text`, if it stands there.
fn occurrence(secret: &[u8], text: &[u8]) -> Option<usize> {
    let mut length = 0;
    for &expected in secret {
        length += character(expected, &text[length..])?;
    }
    Some(length)
}

/// The bytes that one character takes, backslashes before it included.
fn character(expected: u8, text: &[u8]) -> Option<usize> {
    let most = text.len().min(MOST_BACKSLASHES + 1);
    let slashes = text[..most].iter().take_while(|byte| **byte == b'\\');
    let slashes = slashes.count();
    let rest = &text[slashes..];
    if rest.first() == Some(&expected) {
        return Some(slashes + 1);
    }
    let hex = rest.get(..5).filter(|_| slashes > 0)?;
    let hex = std::str::from_utf8(hex).ok()?.strip_prefix('u')?;
    let code = u32::from_str_radix(hex, 16).ok()?;
    (code == u32::from(expected)).then_some(slashes + 5)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret = r#"sk-"1\2/é3"#.replace('é', "e");
        let twice = json!(json!({"a": &secret}).to_string()).to_string();
        for text in [
            secret.clone(),
            json!(&secret).to_string(),
            json!(&secret).to_string().replace('/', "\\/"),
            json!(&secret).to_string().replace("sk", "\\u0073\\u006B"),
            twice,
        ] {
            let masked = mask(&secret, &format!("é{text}é{text}")).expect("it is there");
            assert!(
                !masked.contains("sk-") && !masked.contains("e3"),
                "{masked}"
            );
            assert_eq!(masked.matches("(key)").count(), 2, "{masked}");
            assert!(masked.starts_with('é'), "{masked}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "sk-123",
            "sk-12 34",
            "u0073k-1234",
            "\\\\\\",
            "\\u00",
            "sk-123\\",
        ] {
            assert_eq!(mask("sk-1234", text), None, "{text}");
        }
        assert_eq!(mask("", "text"), None);
        assert_eq!(mask("aab", "aaab").as_deref(), Some("a(key)"));
    }
}
