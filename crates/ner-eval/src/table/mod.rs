//! Results beside each other, as plain text or as an HTML fragment, with the paper's rows beneath.

mod details;
mod names;
mod seeds;

use std::fmt::Write as _;

use ner_datasets::BENCHMARK_SETS;

pub(crate) use self::details::details;
pub use self::names::short_name;
use self::names::{is_benchmark, set_names};
pub use self::seeds::{PaperBeside, SeedResult, SeedRow, SeedTable};
use crate::paper::{PAPER, PaperRow, TABLE_1};
use crate::result::EvalResult;

/// Named results, one row each; the columns are the sets, the mean and its interval.
///
/// If the results are on the paper's benchmark sets, its Table 1 continues the same columns. On other sets it follows
/// as a table of its own, because figures of different sets must not share a column.
#[derive(Clone, Debug)]
pub struct ResultTable {
    blocks: Vec<Block>,
    notes: Vec<String>,
}

/// Rows under one heading that share their columns with the blocks before, unless `header` says otherwise.
#[derive(Clone, Debug)]
struct Block {
    title: Option<String>,
    header: Option<Row>,
    rows: Vec<Row>,
    is_paper: bool,
}

/// A name, then a cell per column.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    cells: Vec<String>,
}

const ABSENT: &str = "–";

impl Block {
    /// The header, if there is one, and the rows.
    fn lines(&self) -> impl Iterator<Item = &Row> {
        self.header.iter().chain(&self.rows)
    }
}

impl ResultTable {
    /// Lays out the results with all rows of the paper's table beneath them.
    ///
    /// Columns are the sets of all results, in the order in which they occur; a result without a set has a dash there.
    pub fn new(results: &[(&str, &EvalResult)]) -> ResultTable {
        let mut sets = set_names(results.iter().map(|(_, result)| *result));
        // Without any result the paper's own columns are the ones to show.
        if sets.is_empty() {
            sets = BENCHMARK_SETS.to_vec();
        }
        let is_benchmark = is_benchmark(&sets);
        let paper_sets: &[&str] = if is_benchmark { &sets } else { &BENCHMARK_SETS };
        let ours = Block {
            title: Some("Measured by this program".into()),
            ..ours(results, &sets)
        };
        let paper = Block {
            title: Some(format!("Reported by the paper ({PAPER})")),
            header: (!is_benchmark).then(|| header(paper_sets, false)),
            rows: TABLE_1
                .iter()
                .map(|row| paper_row(row, paper_sets))
                .collect(),
            is_paper: true,
        };
        let mut notes = notes(results);
        notes.insert(1, PROCESSED.into());
        if !is_benchmark {
            notes.push(OTHER_SETS.into());
        }
        ResultTable {
            notes,
            blocks: vec![ours, paper],
        }
    }

    /// Lays out results on sets that the paper does not report on, or on a part of them: without its rows.
    pub fn of_other_sets(results: &[(&str, &EvalResult)]) -> ResultTable {
        let sets = set_names(results.iter().map(|(_, result)| *result));
        ResultTable {
            notes: notes(results),
            blocks: vec![ours(results, &sets)],
        }
    }

    /// The table as aligned plain text, ending with a line break.
    pub fn to_text(&self) -> String {
        let rows = self.blocks.iter().flat_map(Block::lines);
        let names = rows.map(|row| row.name.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        let mut widths = Vec::new();
        for (i, block) in self.blocks.iter().enumerate() {
            if let Some(header) = &block.header {
                widths = column_widths(&self.blocks[i..], header.cells.len());
                out.push_str(if i == 0 { "" } else { "\n" });
                push_line(&mut out, header, names, &widths);
            }
            if let Some(title) = &block.title {
                let _ = writeln!(out, "{title}");
            }
            let rows = block.rows.iter();
            rows.for_each(|row| push_line(&mut out, row, names, &widths));
        }
        let notes = self.notes.iter();
        notes.for_each(|note| out.push_str(&format!("{note}\n")));
        out
    }

    /// The table as an HTML fragment: one or two `<table class="results">`, then a paragraph of notes. All text is
    /// escaped; rows of the paper have the class `paper`.
    pub fn to_html(&self) -> String {
        let mut out = String::new();
        let mut columns = 0;
        for (i, block) in self.blocks.iter().enumerate() {
            if let Some(header) = &block.header {
                out.push_str(if i == 0 { "" } else { "</table>\n" });
                push_html_header(&mut out, header);
                columns = header.cells.len();
            }
            push_html_block(&mut out, block, columns);
        }
        out.push_str("</table>\n<p class=\"notes\">");
        out.push_str(
            &self
                .notes
                .iter()
                .map(|note| escape(note))
                .collect::<Vec<_>>()
                .join("<br>\n"),
        );
        out.push_str("</p>\n");
        out
    }
}

/// The measured rows under their header.
fn ours(results: &[(&str, &EvalResult)], sets: &[&str]) -> Block {
    let rows = results.iter();
    let rows = rows.map(|(name, result)| result_row(name, result, sets));
    Block {
        title: None,
        header: Some(header(sets, true)),
        rows: rows.collect(),
        is_paper: false,
    }
}

fn header(sets: &[&str], with_interval: bool) -> Row {
    let sets = sets.iter().map(|set| short_name(set));
    let last = ["Mean", "95 % interval"]
        .into_iter()
        .take(if with_interval { 2 } else { 1 });
    Row {
        name: String::new(),
        cells: sets.chain(last.map(String::from)).collect(),
    }
}

fn result_row(name: &str, result: &EvalResult, sets: &[&str]) -> Row {
    let f1 = |set: &&str| {
        let answered = result.set(set).filter(|set| set.sentences > 0);
        answered.map_or(ABSENT.into(), |set| format!("{:.2}", set.f1))
    };
    let interval = format!("{:.1} to {:.1}", result.interval.low, result.interval.high);
    let mean = format!("{:.2}", result.mean_f1_paper);
    let mark = if result.complete { "" } else { " (incomplete)" };
    Row {
        name: format!("{name}{mark}"),
        cells: sets.iter().map(f1).chain([mean, interval]).collect(),
    }
}

fn paper_row(row: &PaperRow, sets: &[&str]) -> Row {
    let name = if row.b2ner_test_sets {
        format!("{} ♣", row.model)
    } else {
        row.model.into()
    };
    Row {
        name,
        cells: paper_cells(row, sets),
    }
}

/// A row of the paper on these sets, and its mean.
fn paper_cells(row: &PaperRow, sets: &[&str]) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or(ABSENT.into(), |value| format!("{value:.1}"));
    // The paper's mean is over seven sets; beside fewer of them it would mislead.
    let mean = row.average.filter(|_| sets.len() == BENCHMARK_SETS.len());
    let f1 = sets.iter().map(|set| cell(row.f1_on(set)));
    f1.chain([cell(mean)]).collect()
}

const PROCESSED: &str =
    "♣ on the test sets as processed by B2NER: not comparable with the other rows.";

const OTHER_SETS: &str =
    "The paper's figures are on other test sets and are no measure for the ones above.";

fn notes(results: &[(&str, &EvalResult)]) -> Vec<String> {
    let mut notes = vec![
        "Micro-F1 in percent; the mean is the paper's, over scores rounded to two decimals. The interval is the 95 % \
         bootstrap over sentences."
            .to_string(),
    ];
    if results.iter().any(|(_, result)| !result.complete) {
        notes
            .push("Incomplete: some sentences have no answer; the scores cover the others.".into());
    }
    notes.extend(
        results
            .iter()
            .filter_map(|(name, result)| unreadable(name, result)),
    );
    notes
}

/// How many answers of a result could not be read, which is not the same as answers without entities.
fn unreadable(name: &str, result: &EvalResult) -> Option<String> {
    let sets = result.sets.iter().filter(|set| set.parse_failures > 0);
    let counts: Vec<String> = sets
        .map(|set| {
            let (of, cut) = (set.sentences, set.truncated);
            let cut = if cut > 0 {
                format!(", {cut} cut off")
            } else {
                String::new()
            };
            format!(
                "{} {} of {of}{cut}",
                short_name(&set.name),
                set.parse_failures
            )
        })
        .collect();
    (!counts.is_empty()).then(|| {
        let counts = counts.join("; ");
        format!("{name}: answers that could not be read, and count as without entities: {counts}.")
    })
}

/// Widths of the columns of the first block and of those that share its header.
fn column_widths(blocks: &[Block], columns: usize) -> Vec<usize> {
    let blocks = blocks
        .iter()
        .enumerate()
        .take_while(|(i, block)| *i == 0 || block.header.is_none());
    let lines: Vec<&Row> = blocks.flat_map(|(_, block)| block.lines()).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|row| row.cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    (0..columns).map(width).collect()
}

fn push_line(out: &mut String, row: &Row, names: usize, widths: &[usize]) {
    let mut line = format!("{:<names$}", row.name);
    for (cell, width) in row.cells.iter().zip(widths) {
        // Writing to a String cannot fail.
        let _ = write!(line, "  {cell:>width$}");
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn push_html_header(out: &mut String, header: &Row) {
    let cells: String = header
        .cells
        .iter()
        .map(|title| format!("<th scope=\"col\">{}</th>", escape(title)))
        .collect();
    out.push_str(&format!(
        "<table class=\"results\">\n<thead><tr><td>{}</td>{cells}</tr></thead>\n",
        escape(&header.name)
    ));
}

/// Rows with fewer cells than the table has columns end with empty ones.
fn push_html_block(out: &mut String, block: &Block, columns: usize) {
    let class = if block.is_paper {
        " class=\"paper\""
    } else {
        ""
    };
    out.push_str(&format!("<tbody{class}>\n"));
    if let Some(title) = &block.title {
        let (title, span) = (escape(title), columns + 1);
        out.push_str(&format!(
            "<tr><th scope=\"rowgroup\" colspan=\"{span}\">{title}</th></tr>\n"
        ));
    }
    for row in &block.rows {
        let cell = |column| escape(row.cells.get(column).map_or("", String::as_str));
        let cells: String = (0..columns)
            .map(|column| format!("<td>{}</td>", cell(column)))
            .collect();
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th>{cells}</tr>\n",
            escape(&row.name)
        ));
    }
    out.push_str("</tbody>\n");
}

/// Escapes text for HTML, attribute values included.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
