//! What the rows have in all: counts by type and by fault.

use std::collections::{BTreeMap, HashMap};

use super::colours::COLOURS;
use super::escape::escaped;
use crate::export::row::ExportRow;

/// Types that the page counts by name; the others are summed up.
const NAMED: usize = 200;

/// The types, in the order in which they were met.
#[derive(Default)]
pub(super) struct Types {
    numbers: HashMap<String, usize>,
    counts: Vec<OfType>,
}

/// What there is of a type.
#[derive(Default)]
struct OfType {
    label: String,
    entities: usize,
    rows: usize,
    absent: usize,
    /// Sum of the confidences, and how many there are.
    confidence: (f64, usize),
}

impl Types {
    pub(super) fn add(&mut self, row: &ExportRow) {
        let mut met = Vec::new();
        for mention in &row.mentions {
            let number = self.number(&mention.label);
            let count = &mut self.counts[number];
            count.entities += 1;
            count.absent += usize::from(mention.span.is_none());
            if let Some(confidence) = mention.confidence {
                count.confidence.0 += confidence;
                count.confidence.1 += 1;
            }
            if !met.contains(&number) {
                met.push(number);
                count.rows += 1;
            }
        }
    }

    fn number(&mut self, label: &str) -> usize {
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        let number = self.counts.len();
        self.numbers.insert(label.into(), number);
        self.counts.push(OfType {
            label: label.into(),
            ..OfType::default()
        });
        number
    }

    /// The number of a type's colour.
    pub(super) fn colour(&self, label: &str) -> usize {
        self.numbers.get(label).map_or(0, |number| number % COLOURS)
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn entities(&self) -> usize {
        self.counts.iter().map(|count| count.entities).sum()
    }

    pub(super) fn absent(&self) -> usize {
        self.counts.iter().map(|count| count.absent).sum()
    }

    /// The table, most frequent types first: also the legend of the colours.
    pub(super) fn table(&self) -> String {
        let mut order: Vec<&OfType> = self.counts.iter().collect();
        order.sort_by_key(|count| std::cmp::Reverse(count.entities));
        let has_confidence = order.iter().any(|count| count.confidence.1 > 0);
        let rows = order.iter().take(NAMED);
        let rows: String = rows.map(|count| self.line(count, has_confidence)).collect();
        let more: usize = order.iter().skip(NAMED).map(|count| count.entities).sum();
        let confidence = if has_confidence {
            "<th scope=\"col\">mean confidence</th>"
        } else {
            ""
        };
        let rest = match order.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!("<p class=\"soft\">And {n} more types, with {more} entities.</p>\n"),
        };
        format!(
            "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">type</th><th \
             scope=\"col\">entities</th><th scope=\"col\">in texts</th><th scope=\"col\">not in the \
             text</th>{confidence}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n{rest}"
        )
    }

    fn line(&self, count: &OfType, has_confidence: bool) -> String {
        let (label, colour) = (escaped(&count.label), self.colour(&count.label));
        let mean = match (has_confidence, count.confidence) {
            (false, _) => String::new(),
            (true, (_, 0)) => "<td>–</td>".into(),
            (true, (sum, n)) => format!("<td>{:.2}</td>", sum / n as f64),
        };
        format!(
            "<tr><th scope=\"row\"><mark class=\"c{colour}\">{label}</mark></th><td>{}</td><td>{}</td><td>{}</td>{mean}</tr>\n",
            count.entities, count.rows, count.absent
        )
    }
}

/// Faults by their kind, each with the first message.
#[derive(Default)]
pub(super) struct Faults {
    kinds: BTreeMap<String, (usize, String)>,
}

impl Faults {
    pub(super) fn add(&mut self, row: &ExportRow) {
        for problem in &row.problems {
            self.count(&problem.kind, &problem.message);
        }
        if row.is_cut_off {
            self.count("cut_off", "the answer had become too long");
        }
        if let Some(error) = &row.error {
            self.count("no_answer", error);
        }
    }

    fn count(&mut self, kind: &str, message: &str) {
        if !self.kinds.contains_key(kind) {
            self.kinds.insert(kind.into(), (0, message.into()));
        }
        if let Some((count, _)) = self.kinds.get_mut(kind) {
            *count += 1;
        }
    }

    /// The table; empty if nothing is wrong.
    pub(super) fn table(&self) -> String {
        if self.kinds.is_empty() {
            return String::new();
        }
        let line = |(kind, (count, message)): (&String, &(usize, String))| {
            let (kind, message) = (escaped(&kind.replace('_', " ")), escaped(message));
            format!(
                "<tr><th scope=\"row\">{kind}</th><td>{count}</td><td class=\"words\">{message}</td></tr>\n"
            )
        };
        let rows: String = self.kinds.iter().map(line).collect();
        format!(
            "<h2 id=\"faults\">What is wrong</h2>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th \
             scope=\"col\">fault</th><th scope=\"col\">times</th><th scope=\"col\" class=\"words\">the first \
             time</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        )
    }
}
