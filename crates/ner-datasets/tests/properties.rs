//! Properties of the readers: no panic on any bytes, places on the borders of characters and equal to their text, and
//! tags that round trip.

use std::fs;

use ner_datasets::tags::{Mention, mentions, tags};
use ner_datasets::{Format, Policy, ReadOptions, Row, open};
use proptest::prelude::*;

const TEXT_FORMATS: [Format; 17] = [
    Format::InstructUie,
    Format::Bio,
    Format::MitBio,
    Format::IndexedBio,
    Format::UniNer,
    Format::NerCot,
    Format::Gliner,
    Format::Plain,
    Format::Tokens,
    Format::Slimer,
    Format::Gliner2,
    Format::Doccano,
    Format::LabelStudio,
    Format::Prodigy,
    Format::Spacy,
    Format::Extraction,
    Format::Hub,
];

fn read(bytes: &[u8], format: Format, max_row_bytes: usize) -> Vec<Row> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    let options = ReadOptions {
        policy: Policy::lenient(),
        max_row_bytes,
        check_ids: true,
        ..ReadOptions::default()
    };
    let rows = open(file.path(), format, options).expect("opened");
    rows.map(|row| row.expect("no fault is fatal")).collect()
}

fn assert_places(row: &Row) {
    let sentence = &row.example.sentence;
    for entity in &row.example.entities {
        if let Some(span) = entity.span {
            assert_eq!(span.text(sentence), Some(entity.text.as_str()));
            assert_eq!(sentence[..span.byte_start].chars().count(), span.char_start);
            assert_eq!(entity.text.chars().count(), span.chars().len());
        }
    }
    for (entity, span) in row.example.entities.iter().zip(row.located()) {
        assert!(span.is_none_or(|span| sentence[span] == entity.text));
    }
    assert!(
        row.words()
            .iter()
            .all(|word| sentence.get(word.clone()).is_some())
    );
}

/// Pieces of which files are made, in any order and number.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..60).prop_map(|chosen| chosen.concat())
}

fn bio_text() -> impl Strategy<Value = String> {
    pieces(&[
        "a",
        "é",
        "小",
        "\t",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "O",
        "B-x",
        "I-x",
        "I-y",
        "E-x",
        "-DOCSTART-",
        "\tO\n",
        "\tB-x\n",
        "\tI-x\n",
        "\u{feff}",
        "\u{a0}",
    ])
}

fn json_text() -> impl Strategy<Value = String> {
    pieces(&[
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        " ",
        "0",
        "1",
        "-1",
        "null",
        "\"é小\"",
        "\"text\":",
        "\"sentence\":",
        "\"entities\":[",
        "\"label\":\"x\"",
        "\"start\":0",
        "\"end\":2",
        "\"name\":\"é\"",
        "\"type\":\"x\"",
        "\"pos\":[0,1]",
        "\"tokenized_text\":[\"a\"]",
        "\"ner\":[[0,0,\"x\"]]",
        "[\"é小\",{\"entities\":[[0,1,\"x\"]]}]",
        "{\"text\":\"é小\",\"label\":[[0,2,\"x\"]]}",
        "{\"data\":{\"text\":\"é\"},\"annotations\":[{\"result\":[{\"value\":{\"start\":0,\"end\":1,\"labels\":[\"x\"]}}]}]}",
        "{\"tokens\":[\"é\"],\"ner_tags\":[\"B-x\"]}",
        "{\"input\":\"é\",\"output\":{\"entities\":{\"x\":[\"é\"]}}}",
        "{\"text\":\"é\",\"entities\":[{\"text\":\"é\",\"label\":\"x\",\"start\":0,\"end\":1}]}",
    ])
}

fn tag() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["O", "B-x", "I-x", "B-y", "I-y", "E-x", "S-y"][..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        format in prop::sample::select(&TEXT_FORMATS[..]),
        max in 1_usize..200,
    ) {
        read(&bytes, format, max).iter().for_each(assert_places);
    }

    #[test]
    fn bio_like_text_gives_places_of_its_words(text in bio_text(), is_mit in any::<bool>()) {
        let format = if is_mit { Format::MitBio } else { Format::Bio };
        for row in read(text.as_bytes(), format, 1 << 20) {
            assert_places(&row);
            prop_assert!(!row.words.is_empty());
            prop_assert!(row.example.entities.iter().all(|entity| entity.span.is_some()));
        }
    }

    #[test]
    fn json_like_text_is_read_without_panic(
        text in json_text(),
        format in prop::sample::select(&TEXT_FORMATS[..]),
    ) {
        read(text.as_bytes(), format, 1 << 20).iter().for_each(assert_places);
    }

    #[test]
    fn any_tags_have_mentions_that_give_well_formed_tags(given in prop::collection::vec(tag(), 0..20)) {
        let found = mentions(given.iter().copied()).expect("only tags");
        let (written, left_out) = tags(given.len(), &found);
        prop_assert!(left_out.is_empty(), "mentions of tags never overlap");
        for (i, tag) in written.iter().enumerate() {
            if let Some(label) = tag.strip_prefix("I-") {
                let before = written[i - 1].split_once('-').map(|(_, label)| label);
                prop_assert_eq!(before, Some(label), "no orphan");
            }
        }
        prop_assert_eq!(mentions(written.iter().map(String::as_str)).expect("tags"), found);
    }

    #[test]
    fn mentions_that_do_not_overlap_round_trip(gaps in prop::collection::vec((0_usize..3, 1_usize..4, any::<bool>()), 0..8)) {
        let mut at = 0;
        let mut given = Vec::new();
        for (gap, length, is_x) in gaps {
            let label = if is_x { "x" } else { "y" };
            given.push(Mention { label, words: at + gap..at + gap + length });
            at += gap + length;
        }
        let (written, left_out) = tags(at, &given);
        prop_assert!(left_out.is_empty());
        prop_assert_eq!(mentions(written.iter().map(String::as_str)).expect("tags"), given);
    }
}
