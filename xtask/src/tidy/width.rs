//! The width of prose: Markdown and the comments of Rust code, at most 120 columns.
//!
//! What cannot be broken is left alone: code blocks, tables, and lines that are one long word, such as a link. The
//! width of code is rustfmt's affair.

use super::Finding;

const MAX_COLUMNS: usize = 120;

/// Whether a comment that is too wide fails the check, or only warns.
const WIDE_COMMENTS_FAIL: bool = true;

/// Markdown that is older than the rule, and only warned of until it is written anew.
const OLDER: &[&str] = &[];

/// Prose of Markdown that goes beyond the limit.
pub(super) fn markdown(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().enumerate();
    let wide = too_wide(lines.map(|(idx, line)| (idx, line, line)));
    findings(path, wide, !OLDER.contains(&path))
}

/// Comments and documentation of a Rust file that go beyond the limit.
pub(super) fn comments(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().enumerate();
    let comments = lines.filter_map(|(idx, line)| Some((idx, line, comment(line)?)));
    findings(path, too_wide(comments), WIDE_COMMENTS_FAIL)
}

fn findings(path: &str, wide: impl Iterator<Item = (usize, usize)>, fails: bool) -> Vec<Finding> {
    let finding = if fails {
        Finding::problem
    } else {
        Finding::warning
    };
    let found = wide.map(|(idx, columns)| {
        let message = format!("{columns} columns; the limit for prose is {MAX_COLUMNS}");
        finding(format!("{path}:{}", idx + 1), message)
    });
    found.collect()
}

/// The text of a line that is nothing but a comment.
fn comment(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    Some(text.trim_start_matches(['/', '!']))
}

/// Index and columns of each line whose prose is too wide. A line comes with the part of it that is prose.
fn too_wide<'a>(
    lines: impl Iterator<Item = (usize, &'a str, &'a str)>,
) -> impl Iterator<Item = (usize, usize)> {
    let mut fence = None;
    lines.filter_map(move |(idx, line, prose)| {
        let prose = prose.trim_start();
        let is_code = in_code_block(&mut fence, prose);
        let columns = line.chars().count();
        let is_free = is_code || prose.starts_with('|') || is_one_word(prose);
        (columns > MAX_COLUMNS && !is_free).then_some((idx, columns))
    })
}

/// True for the lines of a code block, its fences too; `fence` is what ends the block that is open.
fn in_code_block<'a>(fence: &mut Option<&'a str>, line: &'a str) -> bool {
    let was_open = fence.is_some();
    let n_ticks = line.bytes().take_while(|byte| *byte == b'`').count();
    let ends = fence.is_some_and(|open| line.trim_end() == open);
    if ends {
        *fence = None;
    } else if !was_open && n_ticks >= 3 {
        *fence = Some(&line[..n_ticks]);
    }
    was_open || fence.is_some()
}

/// True if a line has nowhere to be broken, behind the mark of a list or the name of a link.
fn is_one_word(prose: &str) -> bool {
    let word = match prose.split_once(' ') {
        Some((mark, rest)) if is_mark(mark) => rest.trim_start(),
        _ => prose,
    };
    !word.trim_end().contains(' ')
}

fn is_mark(word: &str) -> bool {
    matches!(word, "-" | "*" | ">") || word.ends_with("]:") || word.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide_lines(found: &[Finding]) -> Vec<&str> {
        found.iter().map(|finding| finding.place.as_str()).collect()
    }

    /// A line of short words with so many characters.
    fn prose(columns: usize) -> String {
        "ä ".repeat(columns)[..].chars().take(columns).collect()
    }

    #[test]
    fn columns_are_characters_and_120_of_them_pass() {
        assert_eq!(markdown("a.md", &prose(120)), []);
        let text = format!("# Head\n\n{}\n", prose(121));
        assert_eq!(wide_lines(&markdown("a.md", &text)), ["a.md:3"]);
    }

    #[test]
    fn what_cannot_be_broken_passes() {
        let link = format!("https://example.org/{}", "a".repeat(120));
        let long = prose(130);
        for text in [
            format!("```sh\n{long}\n```\n"),
            format!("````md\n```\n{long}\n````\n"),
            format!("| {long} |"),
            link.clone(),
            format!("- {link}"),
            format!("[name]: {link}"),
        ] {
            assert_eq!(markdown("a.md", &text), [], "{text}");
        }
    }

    #[test]
    fn prose_behind_a_code_block_and_around_a_link_is_measured() {
        let long = prose(130);
        let behind = format!("````\n```\n````\n{long}\n");
        assert_eq!(wide_lines(&markdown("a.md", &behind)), ["a.md:4"]);
        let around = format!("See [here](https://example.org/{}).", "a".repeat(120));
        assert_eq!(wide_lines(&markdown("a.md", &around)), ["a.md:1"]);
    }

    #[test]
    fn comments_of_every_kind_are_measured_and_code_is_not() {
        let long = prose(118);
        for start in ["// ", "/// ", "//! ", "    // "] {
            let text = format!("{start}{long}\nfn f() {{}}\n");
            assert_eq!(wide_lines(&comments("a.rs", &text)), ["a.rs:1"], "{start}");
        }
        let code = format!("let text = \"{long}\"; // said\n");
        assert_eq!(comments("a.rs", &code), []);
        let example = format!("/// ```\n/// {long}\n/// ```\n/// | {long} |\n");
        assert_eq!(comments("a.rs", &example), []);
    }
}
