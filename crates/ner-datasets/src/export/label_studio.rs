//! Label Studio's tasks with predictions, which its annotators accept or correct, and its labeling configuration.
//!
//! Places are characters (Unicode code points): since 2022 the editor converts between the browser's UTF-16
//! and code points, "as in Python and other modern tools" (`charsToCodePoints` in `selection-tools` of its editor). The
//! score of a task, by which Label Studio can sort, is the lowest confidence in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::form::{Beside, Form, LeftOut};
use super::html::colour;
use super::row::{ExportMention, ExportRow};
use crate::fault::FaultReport;
use ner_types::Span;

/// Names of the tags in the configuration, to which results refer.
const FROM: &str = "label";
const TO: &str = "text";

/// Writes an array of tasks.
pub(super) struct LabelStudio<W> {
    out: W,
    n_rows: usize,
    labels: BTreeSet<String>,
    left_out: LeftOut,
}

impl<W: Write> LabelStudio<W> {
    pub(super) fn new(out: W, left_out: LeftOut) -> Self {
        Self {
            out,
            n_rows: 0,
            labels: BTreeSet::new(),
            left_out,
        }
    }
}

impl<W: Write> Form for LabelStudio<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        if self.left_out.unanswered(row) {
            return Ok(());
        }
        self.left_out.ungrounded(row);
        for (mention, _) in row.placed() {
            if !self.labels.contains(&mention.label) {
                self.labels.insert(mention.label.clone());
            }
        }
        self.out
            .write_all(if self.n_rows == 0 { b"[\n" } else { b",\n" })?;
        self.n_rows += 1;
        Ok(serde_json::to_writer(&mut self.out, &task(row))?)
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn beside(&self) -> Option<Beside> {
        Some(Beside {
            ending: "labels.xml",
            text: config(&self.labels),
        })
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let end: &[u8] = if self.n_rows == 0 { b"[]\n" } else { b"\n]\n" };
        self.out.write_all(end)?;
        self.out.flush()
    }
}

fn task(row: &ExportRow) -> Value {
    let placed = row.placed().enumerate();
    let result: Vec<Value> = placed
        .map(|(i, (mention, span))| region(i, mention, &span))
        .collect();
    let scores = row.mentions.iter().map(|mention| mention.confidence);
    let scores: Option<Vec<f64>> = scores.collect();
    let lowest = scores.and_then(|scores| scores.into_iter().reduce(f64::min));
    let mut prediction = json!({"model_version": "rner", "result": result});
    if let Some(score) = lowest {
        prediction["score"] = json!(score.clamp(0.0, 1.0));
    }
    // The configuration shows the reasoning, so every task has one.
    let reasoning = row.reasoning.as_deref().unwrap_or_default();
    json!({
        "data": {"id": row.name(), "text": row.sentence, "reasoning": reasoning},
        "predictions": [prediction],
    })
}

fn region(number: usize, mention: &ExportMention, span: &Span) -> Value {
    let mut region = json!({
        "id": format!("e{number}"), "from_name": FROM, "to_name": TO, "type": "labels",
        "value": {"start": span.char_start, "end": span.char_end, "text": mention.text, "labels": [mention.label]},
    });
    if let Some(confidence) = mention.confidence {
        region["score"] = json!(confidence);
    }
    if let Some(passage) = &mention.evidence {
        region["meta"] = json!({"text": [passage]});
    }
    region
}

/// The labeling configuration: the labels, the text, and the reasoning below.
fn config(labels: &BTreeSet<String>) -> String {
    let mut xml = format!("<View>\n  <Labels name=\"{FROM}\" toName=\"{TO}\">\n");
    for (i, label) in labels.iter().enumerate() {
        let (label, colour) = (escaped(label), colour(i));
        // Writing to a string does not fail.
        let _ = writeln!(
            xml,
            "    <Label value=\"{label}\" background=\"{colour}\"/>"
        );
    }
    let _ = write!(
        xml,
        "  </Labels>\n  <Text name=\"{TO}\" value=\"$text\" granularity=\"symbol\"/>\n  <Header value=\"Reasoning of the \
         model\" size=\"5\"/>\n  <Text name=\"reasoning\" value=\"$reasoning\"/>\n</View>\n"
    );
    xml
}

/// Text as an attribute of XML, in which control characters cannot be.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            control if control < ' ' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
