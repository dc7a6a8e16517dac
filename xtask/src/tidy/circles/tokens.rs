//! Rust text as a list of tokens, without comments, literals and tests. It reads what compiles, and checks nothing.

/// Words, `::`, and all other marks one by one. Comments, strings, characters and lifetimes are left out.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let n_left_out = left_out(rest);
        if n_left_out > 0 {
            rest = &rest[n_left_out..];
            continue;
        }
        let (token, behind) = rest.split_at(token_len(rest, first));
        tokens.push(token);
        rest = behind;
    }
    tokens
}

fn token_len(rest: &str, first: char) -> usize {
    if rest.starts_with("::") {
        2
    } else {
        word_len(rest).max(first.len_utf8())
    }
}

fn word_len(rest: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

/// How many bytes of white space, comment or literal `rest` begins with; 0 if it begins with a token.
fn left_out(rest: &str) -> usize {
    let n_blank = rest.len() - rest.trim_start().len();
    if n_blank > 0 {
        return n_blank;
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    if rest.starts_with('\'') {
        return quote_len(rest);
    }
    string_len(rest).unwrap_or(0)
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// A character with its quotes, or a lifetime.
fn quote_len(rest: &str) -> usize {
    let mut chars = rest[1..].chars();
    let first = chars.next().unwrap_or('\'');
    if first == '\\' {
        return 3 + rest[3..].find('\'').map_or(0, |end| end + 1);
    }
    if chars.next() == Some('\'') {
        return 2 + first.len_utf8();
    }
    1 + word_len(&rest[1..])
}

/// A string of any kind: plain, of bytes, of C, raw.
fn string_len(rest: &str) -> Option<usize> {
    let n_prefix = word_len(rest);
    let prefix = &rest[..n_prefix];
    if !["", "b", "c", "r", "br", "cr"].contains(&prefix) {
        return None;
    }
    let behind = &rest[n_prefix..];
    if prefix.ends_with('r') {
        let n_hashes = behind.bytes().take_while(|byte| *byte == b'#').count();
        let body = behind[n_hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(n_hashes));
        let n_body = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(n_prefix + n_hashes + 1 + n_body);
    }
    behind
        .starts_with('"')
        .then(|| n_prefix + plain_len(behind))
}

/// A string with escapes, which begins with its quote.
fn plain_len(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The tokens without the items under `#[cfg(test)]`, and the names of the modules of tests among these.
pub(super) fn without_tests<'a>(tokens: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut kept, mut test_modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let behind = attributes_end(tokens, at);
        let is_test = is_test_attribute(&tokens[at..behind]);
        let end = item_end(tokens, behind);
        match end {
            Some(end) if is_test => {
                if let [.., "mod", name, ";"] = &tokens[behind..end] {
                    test_modules.push(*name);
                }
                at = end;
            }
            _ => {
                let next = behind.max(at + 1);
                kept.extend(&tokens[at..next]);
                at = next;
            }
        }
    }
    (kept, test_modules)
}

/// Where the attributes that begin at `at` end; `at` if there are none.
fn attributes_end(tokens: &[&str], mut at: usize) -> usize {
    while tokens.get(at) == Some(&"#") && tokens.get(at + 1) == Some(&"[") {
        at = bracket_end(tokens, at + 1);
    }
    at
}

fn is_test_attribute(attributes: &[&str]) -> bool {
    attributes.contains(&"cfg") && attributes.contains(&"test") && !attributes.contains(&"not")
}

/// Behind the bracket that closes the one at `open`.
fn bracket_end(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

const ITEMS: [&str; 15] = [
    "pub",
    "use",
    "mod",
    "fn",
    "impl",
    "const",
    "static",
    "struct",
    "enum",
    "trait",
    "type",
    "unsafe",
    "async",
    "extern",
    "macro_rules",
];

/// Behind the item that begins at `start`: a semicolon, or braces that are not those of a `use`.
fn item_end(tokens: &[&str], start: usize) -> Option<usize> {
    let is_item = tokens.get(start).is_some_and(|token| ITEMS.contains(token));
    let mut marks = tokens[start..]
        .iter()
        .filter(|token| ["use", "{", ";"].contains(token));
    let is_use = marks.next() == Some(&"use");
    let mut at = start;
    while is_item && at < tokens.len() {
        match tokens[at] {
            ";" => return Some(at + 1),
            "{" if !is_use => return Some(bracket_end(tokens, at)),
            "(" | "[" | "{" => at = bracket_end(tokens, at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_marks_remain_and_comments_and_literals_go() {
        let text = r##"
            //! Head: crate::a
            fn f<'a>(x: &'a str) -> char { /* one /* two */ one */ '\'' }
            const S: [&str; 3] = ["a \" b", r#"raw " crate::c"#, r"\"];
            let c = ('x', b'\n', '"', b"bytes"); let r = rest::of(x);
        "##;
        let expected = "fn f < > ( x : & str ) -> char { } const S : [ & str ; 3 ] = [ , , ] ; \
                        let c = ( , b , , ) ; let r = rest :: of ( x ) ;";
        let joined = tokens(text).join(" ").replace("- >", "->");
        assert_eq!(joined, expected);
    }

    fn check(text: &str, expected: &str, modules: &[&str]) {
        let (kept, tests) = without_tests(&tokens(text));
        assert_eq!(kept.join(""), expected, "{text}");
        assert_eq!(tests, modules, "{text}");
    }

    #[test]
    fn items_of_tests_go_with_all_that_is_in_them() {
        check("#[cfg(test)] mod tests; fn f(){}", "fnf(){}", &["tests"]);
        check("#[cfg(test)] mod t { fn g(){} } fn f(){}", "fnf(){}", &[]);
        check("#[cfg(test)] use a::{b, c}; fn f(){}", "fnf(){}", &[]);
        check("#[cfg(test)] #[inline] fn g(x: [u8; 2]) {} a", "a", &[]);
        check("#[cfg(all(test, unix))] pub(crate) mod t; a", "a", &["t"]);
    }

    #[test]
    fn items_of_other_configurations_stay() {
        check("#[cfg(not(test))] mod a;", "#[cfg(not(test))]moda;", &[]);
        check("#[cfg(unix)] mod a;", "#[cfg(unix)]moda;", &[]);
    }
}
