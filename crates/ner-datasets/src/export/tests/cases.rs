//! Single cases: what forms cannot hold, what stands beside them, and what is no row.

use std::path::Path;

use super::*;
use crate::export::row::ExportRow;
use crate::fault::FaultKind;

fn read(json: &str) -> Result<ExportRow, String> {
    ExportRow::read(json.as_bytes())
}

/// A row with a text that stands nowhere and one that is spelt otherwise, and a row without an answer.
fn faulty() -> [ExportRow; 2] {
    let row = r#"{"line": 4, "sentence": "Mira left Port  Halvek.", "entities": [
        {"text": "Oslin", "label": "city", "start": null, "end": null, "grounding": "ungrounded"},
        {"text": "port halvek", "label": "city", "start": 10, "end": 22, "grounding": "normalized"}],
        "offsets": "characters", "reasoning": null, "problems": [{"kind": "not_in_sentence", "detail": "Oslin",
        "message": "\"Oslin\" is not in the sentence"}], "is_json": true, "salvaged": false, "cut_off": true}"#;
    let error = r#"{"line": 5, "id": "x", "error": "the line is blank"}"#;
    [row, error].map(|row| read(row).expect("a row"))
}

#[test]
fn places_are_read_in_every_unit() {
    let of = |unit: &str, start: usize, end: usize| {
        let offsets = if unit.is_empty() {
            String::new()
        } else {
            format!(", \"offsets\": \"{unit}\"")
        };
        read(&format!(
            "{{\"sentence\": \"👞 Zoë\", \"entities\": [{{\"text\": \"Zoë\", \"label\": \"p\", \"start\": {start}, \"end\": \
             {end}}}]{offsets}}}"
        ))
    };
    for (unit, start, end) in [
        ("", 2, 5),
        ("characters", 2, 5),
        ("utf16", 3, 6),
        ("utf-16", 3, 6),
        ("bytes", 5, 9),
    ] {
        let row = of(unit, start, end).expect(unit);
        let mention = &row.mentions[0];
        let span = mention.span.expect("a place");
        assert_eq!(
            (span.chars(), span.bytes(), mention.utf16),
            (2..5, 5..9, [3, 6]),
            "{unit}"
        );
    }
    for (unit, start, end, said) in [
        (
            "characters",
            2,
            6,
            "[2, 6] in characters, outside of the text, for \"Zoë\"",
        ),
        ("utf16", 1, 3, "outside of the text"),
        ("bytes", 1, 3, "outside of the text"),
        ("words", 0, 1, "words"),
    ] {
        let fault = of(unit, start, end).expect_err(unit);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn what_is_no_row_is_named() {
    for (json, said) in [
        ("[]", "invalid type"),
        (
            "{\"text\": \"a\"}",
            "a row without `sentence` and `entities`",
        ),
        (
            "{\"sentence\": \"a\", \"entities\": [{\"text\": \"a\"}]}",
            "label",
        ),
        ("{\"sentence\": \"a\", ", "EOF"),
    ] {
        let fault = read(json).expect_err(json);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn evidence_is_a_text_or_a_place_in_the_reasoning() {
    let of = |evidence: &str| {
        let row = format!(
            "{{\"sentence\": \"a\", \"reasoning\": \"é because\", \"entities\": [{{\"text\": \"a\", \"label\": \"x\", \"evidence\": \
             {evidence}}}]}}"
        );
        read(&row).expect("a row").mentions[0].evidence.clone()
    };
    assert_eq!(of("\"why\"").as_deref(), Some("why"));
    assert_eq!(
        of("{\"text\": \"why\", \"start\": 0}").as_deref(),
        Some("why")
    );
    assert_eq!(of("{\"start\": 2, \"end\": 9}").as_deref(), Some("because"));
    assert_eq!(of("{\"start\": 2, \"end\": 99}"), None);
    assert_eq!(of("null"), None);
}

#[test]
fn what_a_form_cannot_hold_is_counted() {
    let rows = faulty();
    for (format, name, unanswered, ungrounded) in [
        (ExportFormat::Jsonl, "a.jsonl", 0, 0),
        (ExportFormat::Csv, "a.csv", 0, 0),
        (ExportFormat::Html, "a.html", 0, 0),
        (ExportFormat::LabelStudio, "a.json", 1, 1),
        (ExportFormat::Doccano, "a.jsonl", 1, 1),
        (ExportFormat::Prodigy, "a.jsonl", 1, 1),
        (ExportFormat::Gliner, "a.json", 1, 1),
        (ExportFormat::Conll, "a.conll", 1, 1),
    ] {
        let (_, left_out) = written(format, name, &rows);
        let counts =
            [FaultKind::Unanswered, FaultKind::Ungrounded].map(|kind| left_out.count(kind));
        assert_eq!(counts, [unanswered, ungrounded], "{format}");
        let lines: Vec<usize> = left_out.first.iter().map(|fault| fault.line).collect();
        assert!(lines.is_empty() || lines == [4, 5], "{format}: {lines:?}");
    }
    let nested = row("Port Halvek", &[(0, 11, "city"), (5, 11, "name")]);
    let (bytes, left_out) = written(ExportFormat::Conll, "a.conll", &[nested]);
    assert_eq!(left_out.count(FaultKind::Overlap), 1);
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        "Port\tB-city\nHalvek\tI-city\n\n"
    );
}

#[test]
fn a_table_has_a_line_for_every_row() {
    let mut rows = faulty().to_vec();
    rows.push(row("So.", &[]));
    let (bytes, _) = written(ExportFormat::Csv, "a.csv", &rows);
    let lines = back::csv_lines(std::str::from_utf8(&bytes).expect("UTF-8"));
    let short = |line: &Vec<String>| [2, 3, 4, 5, 11, 12, 15].map(|i| line[i].clone()).join("|");
    assert_eq!(
        lines.iter().map(short).collect::<Vec<_>>(),
        [
            "|Oslin|city||ungrounded||",
            "|Port  Halvek|city|10|normalized|port halvek|",
            "x||||||the line is blank",
            "r1||||||",
        ]
    );
}

#[test]
fn labels_that_brat_cannot_hold_are_respelled_and_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut brat = Box::new(super::super::Brat::new(dir.path(), Path::new("out")));
    let text = "Mira\nDolan left";
    let labels = [
        (0, 10, "political party"),
        (0, 4, "political_party"),
        (11, 15, "city"),
    ];
    brat.write(&row(text, &labels)).expect("written");
    let said = brat.left_out().first[0].to_string();
    assert!(
        said.contains("\"political party\", written as political_party"),
        "{said}"
    );
    assert_eq!(brat.left_out().count(FaultKind::Respelled), 2);
    brat.finish().expect("finished");
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect(name);
    let annotations = read("000001-r1.ann");
    let lines: Vec<&str> = annotations
        .lines()
        .filter(|line| line.starts_with('T'))
        .collect();
    assert_eq!(
        lines,
        [
            "T1\tpolitical_party 0 4;5 10\tMira Dolan",
            "T2\tpolitical_party_2 0 4\tMira",
            "T3\tcity 11 15\tleft",
        ]
    );
    assert!(annotations.contains("#1\tAnnotatorNotes T1\tconfidence 0.5; because: so it is\n"));
    assert!(read("visual.conf").contains("political_party_2 | political_party\n"));
    assert!(
        read("annotation.conf").contains("[entities]\npolitical_party\npolitical_party_2\ncity\n")
    );
}

#[test]
fn label_studio_gets_its_labels_and_the_lowest_confidence() {
    let mut out = Vec::new();
    let form = ExportFormat::LabelStudio.form(&mut out, &ExportOptions::default());
    let mut form = form.expect("begun");
    form.write(&row("Mira", &[(0, 4, "<b>\"&"), (0, 4, "person")]))
        .expect("written");
    let beside = form.beside().expect("labels");
    form.finish().expect("finished");
    assert_eq!(beside.ending, "labels.xml");
    assert!(
        beside
            .text
            .contains("<Label value=\"&lt;b&gt;&quot;&amp;\" background=\"#"),
        "{}",
        beside.text
    );
    let tasks: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(tasks[0]["predictions"][0]["score"], 0.5);
    assert_eq!(
        tasks[0]["predictions"][0]["result"][1]["value"]["labels"][0],
        "person"
    );
    assert_eq!(tasks[0]["data"]["id"], "r1");
}

#[test]
fn the_page_counts_and_names_what_it_does_not_show() {
    let rows: Vec<ExportRow> = (1..=30)
        .map(|i| strategy::of(i, "Mira", &[(0, 4, "person")]))
        .collect();
    let mut out = Vec::new();
    let mut options = ExportOptions::default();
    options.html.rows = 12;
    options.html.title = "<i>".into();
    let mut form = ExportFormat::Html.form(&mut out, &options).expect("begun");
    rows.iter()
        .for_each(|row| form.write(row).expect("written"));
    faulty()
        .iter()
        .for_each(|row| form.write(row).expect("written"));
    form.finish().expect("finished");
    let page = String::from_utf8(out).expect("UTF-8");
    for piece in [
        "<h1>&lt;i&gt;</h1>",
        "32 texts, 32 entities of 2 types. 1 entity stands nowhere in the text. Something is wrong with 2 texts. 1 text has no answer.",
        "<strong>12 of 32 texts are shown,</strong>",
        "Not shown: r13, r14, r15, r16, r17, r18, r19, r20, r21, r22 and 10 more.",
        "<th scope=\"row\">not in sentence</th><td>1</td>",
    ] {
        assert!(page.contains(piece), "{piece}\n{page}");
    }
    assert_eq!(page.matches("<article").count(), 12);
}
