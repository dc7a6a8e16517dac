//! Rows as `rner extract` writes them, of random texts and random mentions.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::export::row::ExportRow;

/// What texts are made of beside random characters.
const PIECES: [&str; 24] = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "Mira",
    "état-major",
    "小樽市",
    "👞",
    "👩‍👩‍👧",
    "e\u{301}",
    "\u{200f}",
    "שלום",
    ",",
    "\"",
    "'",
    "</script>",
    "&amp;",
    "ORG",
    "FLAG19",
    "_",
    "\u{2028}",
    "\u{85}",
    "\0",
];
const LABELS: [&str; 5] = ["person", "ORG", "political party", "地名", "<b>\"&"];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(&PIECES[..]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z]{1,6}",
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Some rows; the mentions begin and end with what is no white space.
pub(super) fn rows() -> impl Strategy<Value = Vec<ExportRow>> {
    let mention = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..LABELS.len(),
    );
    let row = (text(), vec(mention, 0..6));
    vec(row, 0..4).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        let rows = rows.map(|(i, (text, mentions))| {
            let n = text.chars().count() + 1;
            let mentions = mentions.iter().map(|(a, b, label)| {
                let (a, b) = (a.index(n), b.index(n));
                (a.min(b), a.max(b), LABELS[*label])
            });
            let mentions = mentions.filter_map(|mention| trimmed(&text, mention));
            of(i + 1, &text, &mentions.collect::<Vec<_>>())
        });
        rows.collect()
    })
}

fn trimmed<'a>(
    text: &str,
    (start, end, label): (usize, usize, &'a str),
) -> Option<(usize, usize, &'a str)> {
    let mention: Vec<char> = text.chars().skip(start).take(end - start).collect();
    let before = mention.iter().take_while(|c| c.is_whitespace()).count();
    let after = mention
        .iter()
        .rev()
        .take_while(|c| c.is_whitespace())
        .count();
    (before < mention.len()).then(|| (start + before, end - after, label))
}

/// A row with mentions in characters, as it is stored.
pub(super) fn of(line: usize, text: &str, mentions: &[(usize, usize, &str)]) -> ExportRow {
    let entities: Vec<Value> = mentions
        .iter()
        .map(|(start, end, label)| {
            let mention: String = text.chars().skip(*start).take(end - start).collect();
            json!({"text": mention, "label": label, "start": start, "end": end, "grounding": "exact",
                "confidence": 0.5, "evidence": "so it is"})
        })
        .collect();
    let stored = json!({
        "line": line, "id": format!("r{line}"), "sentence": text, "entities": entities, "offsets": "characters",
        "reasoning": "because <b>", "problems": [], "is_json": true, "salvaged": false, "cut_off": false,
    });
    ExportRow::read(stored.to_string().as_bytes()).expect("a row")
}
