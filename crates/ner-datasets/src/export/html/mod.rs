//! A page for people: every text with its entities marked, the reasoning folded beside it, and counts by type. One file
//! without a script, for light and dark screens and for a phone.
//!
//! The counts stand above the texts, so the texts are held until the end. What is shown is limited, by
//! [`HtmlOptions::rows`] and by [`MAX_BYTES`]; what is not is counted and named, and its entities are among the counts.

mod article;
mod colours;
mod escape;
mod marks;
mod summary;

use std::io::{self, Write};

use super::form::{Form, LeftOut};
use super::row::ExportRow;
use crate::fault::FaultReport;

pub(super) use self::colours::colour;
use self::escape::escaped;
use self::summary::{Faults, Types};

/// Most bytes of texts on a page; browsers become slow beyond some megabytes.
const MAX_BYTES: usize = 16 << 20;
/// Texts that are not shown, by name.
const NAMED: usize = 10;
const STYLE: &str = include_str!("style.css");

/// How the page is written.
#[derive(Clone, Debug)]
pub struct HtmlOptions {
    /// Most texts that are shown.
    pub rows: usize,
    /// The title.
    pub title: String,
}

impl Default for HtmlOptions {
    fn default() -> Self {
        Self {
            rows: 500,
            title: "Entities".into(),
        }
    }
}

/// Collects the texts that are shown, and counts all.
pub(super) struct Html<W> {
    out: W,
    options: HtmlOptions,
    types: Types,
    faults: Faults,
    body: String,
    n_rows: usize,
    n_shown: usize,
    n_faulty: usize,
    n_unanswered: usize,
    /// Names of the first texts that are not shown.
    not_shown: Vec<String>,
    left_out: LeftOut,
}

impl<W: Write> Html<W> {
    pub(super) fn new(out: W, options: &HtmlOptions, left_out: LeftOut) -> Self {
        Self {
            out,
            options: options.clone(),
            types: Types::default(),
            faults: Faults::default(),
            body: String::new(),
            n_rows: 0,
            n_shown: 0,
            n_faulty: 0,
            n_unanswered: 0,
            not_shown: Vec::new(),
            left_out,
        }
    }

    fn show(&mut self, row: &ExportRow) {
        if self.n_shown < self.options.rows {
            let article = article::article(self.n_rows, row, &self.types);
            if self.body.len() + article.len() <= MAX_BYTES {
                self.n_shown += 1;
                self.body += &article;
                return;
            }
        }
        if self.not_shown.len() < NAMED {
            self.not_shown.push(row.name());
        }
    }

    /// How much there is, in a sentence.
    fn headline(&self) -> String {
        let mut said = format!(
            "{}, {} of {}.",
            counted(self.n_rows, "text"),
            entities(self.types.entities()),
            counted(self.types.len(), "type")
        );
        let absent = self.types.absent();
        if absent > 0 {
            let verb = if absent == 1 { "stands" } else { "stand" };
            said += &format!(" {} {verb} nowhere in the text.", entities(absent));
        }
        if self.n_faulty > 0 {
            said += &format!(
                " Something is wrong with {}.",
                counted(self.n_faulty, "text")
            );
        }
        if self.n_unanswered > 0 {
            said += &format!(" {} no answer.", have(self.n_unanswered));
        }
        said
    }

    /// What the page does not show.
    fn hidden(&self) -> String {
        let hidden = self.n_rows - self.n_shown;
        if hidden == 0 {
            return String::new();
        }
        let names: Vec<String> = self.not_shown.iter().map(|name| escaped(name)).collect();
        let more = hidden - names.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!(
            "<p class=\"callout\"><strong>{} of {} are shown,</strong> at most {} of {} MiB. The counts are of all. Not shown: \
             {}{more}.</p>\n",
            self.n_shown,
            counted(self.n_rows, "text"),
            self.options.rows,
            MAX_BYTES >> 20,
            names.join(", ")
        )
    }

    fn page(&self) -> String {
        let (title, headline) = (escaped(&self.options.title), self.headline());
        let style = format!("{STYLE}{}", colours::rules());
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light \
             dark\">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
             <p>{headline}</p>\n{}</header>\n<main>\n<h2 id=\"types\">Types</h2>\n{}{}<h2 id=\"texts\">Texts</h2>\n{}{}\
             </main>\n</body>\n</html>\n",
            self.hidden(),
            self.types.table(),
            self.faults.table(),
            FILTER,
            self.body
        )
    }
}

/// Which texts are to be seen, chosen without a script.
const FILTER: &str = "<fieldset class=\"filter\" aria-label=\"Which texts\"><label><input type=\"radio\" name=\"only\" \
                      checked>all</label><label><input type=\"radio\" name=\"only\" id=\"only-found\">with \
                      entities</label><label><input type=\"radio\" name=\"only\" id=\"only-faulty\">with \
                      something wrong</label></fieldset>\n";

impl<W: Write> Form for Html<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        self.n_rows += 1;
        self.n_faulty += usize::from(article::is_faulty(row));
        self.n_unanswered += usize::from(row.error.is_some());
        self.types.add(row);
        self.faults.add(row);
        self.show(row);
        Ok(())
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let page = self.page();
        self.out.write_all(page.as_bytes())?;
        self.out.flush()
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn entities(n: usize) -> String {
    format!("{n} entit{}", if n == 1 { "y" } else { "ies" })
}

fn have(n: usize) -> String {
    format!(
        "{} {}",
        counted(n, "text"),
        if n == 1 { "has" } else { "have" }
    )
}
