//! The command blocks of a page.

/// A block that says what to type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its first word, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// How a block is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A script.
    Sh,
    /// Commands with their output.
    Console,
    /// A script that is not shown.
    Hidden,
    /// A script or commands that are not run, and why.
    NoRun(String),
}

/// All of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some((kind, end)) = begins(line) else {
            continue;
        };
        let inside: Vec<_> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim() != end)
            .collect();
        if let Some(kind) = kind {
            blocks.push(Block {
                line: at + 2,
                kind,
                text: inside.join("\n"),
            });
        }
    }
    blocks
}

/// What begins with a line, if it is a command block, and the line that ends it.
fn begins(line: &str) -> Option<(Option<Kind>, &'static str)> {
    if line == "<!-- run" {
        return Some((Some(Kind::Hidden), "-->"));
    }
    let info = line.trim_start().strip_prefix("```")?;
    let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
    let reason = rest
        .strip_prefix("no_run:")
        .map(|why| why.trim().to_owned());
    let kind = match (language, reason) {
        ("sh" | "console", Some(reason)) => Some(Kind::NoRun(reason)),
        ("sh", None) => Some(Kind::Sh),
        ("console", None) => Some(Kind::Console),
        _ => None,
    };
    Some((kind, "```"))
}
