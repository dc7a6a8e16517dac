//! The string forms of InstructUIE and B2NER, after the functions `_format` of their evaluators.
//!
//! Both evaluators compare pieces of text, not entities: the answer is written as `label: text; label: text`, repaired,
//! cut at semicolons, and every piece is repaired once more.

use ner_types::Entity;

/// The items of an output text of InstructUIE, each once, in ascending order. An empty answer, written `None`, is the
/// item `none`, and so a true positive wherever the gold answer is empty too.
pub fn instruct_uie_items(output: &str) -> Vec<String> {
    items(output, format_instruct_uie)
}

/// The items of an output text of B2NER, each once, in ascending order. Pieces without a colon are not items.
pub fn b2ner_items(output: &str) -> Vec<String> {
    let mut items = items(output, format_b2ner);
    items.retain(|item| item.contains(':'));
    items
}

fn items(output: &str, format: fn(&str) -> String) -> Vec<String> {
    let mut items: Vec<String> = format(output).split(';').map(format).collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// The target text of both projects: `label: text; label: text`, or `None`.
pub(crate) fn render(entities: &[Entity]) -> String {
    if entities.is_empty() {
        return "None".into();
    }
    let items: Vec<String> = entities.iter().map(render_one).collect();
    items.join("; ")
}

pub(crate) fn render_one(entity: &Entity) -> String {
    format!("{}: {}", entity.label, entity.text)
}

fn format_instruct_uie(text: &str) -> String {
    let text = squeeze_spaces(text).to_lowercase().replace(['{', '}'], "");
    let text = squeeze_runs(&text);
    text.replace('’', "'").replace("location", "located")
}

fn format_b2ner(text: &str) -> String {
    let text = squeeze_spaces(text).to_lowercase().replace(['{', '}'], "");
    let text = squeeze_runs(&text)
        .replace('；', ";")
        .replace('：', ":")
        .replace('，', ",")
        .replace(['’', '‘'], "'")
        .replace(['“', '”'], "\"")
        .replace("located", "location")
        .replace("organisation", "organization");
    match text.rsplit_once(':') {
        Some((label, name)) => format!("{label}:{}", unquoted(name)),
        None => text,
    }
}

/// Joins words with single spaces, and removes the spaces beside `, : ( ) . _ ; ' -`.
fn squeeze_spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pending = false;
    let mut after_mark = true;
    for c in text.chars() {
        if c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c) {
            pending = true;
            continue;
        }
        let is_mark = matches!(c, ',' | ':' | '(' | ')' | '.' | '_' | ';' | '\'' | '-');
        if pending && !is_mark && !after_mark {
            out.push(' ');
        }
        out.push(c);
        (pending, after_mark) = (false, is_mark);
    }
    out
}

/// Replaces runs of commas, of full stops and of semicolons by one.
fn squeeze_runs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let repeats = matches!(c, ',' | '.' | ';') && out.ends_with(c);
        if !repeats {
            out.push(c);
        }
    }
    out
}

/// A name without `@` and `#` around it, then what stands in its first 《 》, then without brackets around it.
fn unquoted(name: &str) -> &str {
    let name = name.trim_matches(['@', '#']);
    let name = in_book_marks(name).unwrap_or(name);
    in_brackets(name).unwrap_or(name)
}

/// `《(.+?)》`: at least one character, as few as possible.
fn in_book_marks(name: &str) -> Option<&str> {
    let (_, inner) = name.split_once('《')?;
    let second = inner.char_indices().nth(1)?.0;
    let end = second + inner[second..].find('》')?;
    Some(&inner[..end])
}

/// `^[《》<>（）()]+(.+?)[《》<>（）()]+$`: brackets at both ends. Of brackets alone, the last but one is the name.
fn in_brackets(name: &str) -> Option<&str> {
    let is_bracket = |c: char| matches!(c, '《' | '》' | '<' | '>' | '（' | '）' | '(' | ')');
    let inner = name.trim_matches(is_bracket);
    if inner.is_empty() {
        let places: Vec<usize> = name.char_indices().map(|(at, _)| at).collect();
        let last_but_one = places.len().checked_sub(2).filter(|&i| i > 0)?;
        return Some(&name[places[last_but_one]..places[last_but_one + 1]]);
    }
    (name.starts_with(is_bracket) && name.ends_with(is_bracket)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruct_uie_formats_as_its_evaluator() {
        for (output, expected) in [
            ("person: Ann ;  person:Ann", vec!["person:ann"]),
            ("Location: Port Halvek", vec!["located:port halvek"]),
            (" None", vec!["none"]),
            ("", vec![""]),
            ("song: A ; B", vec!["b", "song:a"]),
            (
                "org: O ' Dorne - Sons , Ltd . .",
                vec!["org:o'dorne-sons,ltd."],
            ),
            ("org: {x} y;; org: Z’s", vec!["org:x y", "org:z's"]),
        ] {
            assert_eq!(instruct_uie_items(output), expected, "{output:?}");
        }
    }

    #[test]
    fn b2ner_formats_as_its_evaluator() {
        for (output, expected) in [
            ("None", vec![]),
            (
                "organisation： Brel；located: X",
                vec!["location:x", "organization:brel"],
            ),
            ("book: 《小樽》", vec!["book:小樽"]),
            ("book: the 《A》 of 《B》", vec!["book:a"]),
            ("book: (x) y", vec!["book:(x)y"]),
            ("book: <<x>>", vec!["book:x"]),
            ("book: @@x#", vec!["book:x"]),
            ("book: (((", vec!["book:("]),
            ("book: ((", vec!["book:(("]),
            ("book: 《》", vec!["book:《》"]),
            ("book: “x”", vec!["book:\"x\""]),
        ] {
            assert_eq!(b2ner_items(output), expected, "{output:?}");
        }
    }
}
