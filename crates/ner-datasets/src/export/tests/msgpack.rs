//! A `DocBin` read back: msgpack in a few lines, and the documents as spaCy builds them.
#![cfg(feature = "docbin")]

use std::collections::HashMap;
use std::io::Read;

use flate2::read::ZlibDecoder;
use rmp::Marker;
use rmp::decode;

use super::back::Found;
use crate::export::docbin::hash::string_id;

/// A value of msgpack.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u64),
    Flag(bool),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

fn value(bytes: &mut &[u8]) -> Value {
    let first = bytes[0];
    match Marker::from_u8(first) {
        Marker::FixPos(_) | Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => {
            Value::Number(decode::read_int(bytes).expect("a number"))
        }
        Marker::True | Marker::False => Value::Flag(decode::read_bool(bytes).expect("a flag")),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let length = decode::read_str_len(bytes).expect("a length");
            Value::Text(String::from_utf8(taken(bytes, length)).expect("UTF-8"))
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let length = decode::read_bin_len(bytes).expect("a length");
            Value::Bytes(taken(bytes, length))
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let length = decode::read_array_len(bytes).expect("a length");
            Value::List((0..length).map(|_| value(bytes)).collect())
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let length = decode::read_map_len(bytes).expect("a length");
            Value::Map((0..length).map(|_| (value(bytes), value(bytes))).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn taken(bytes: &mut &[u8], length: u32) -> Vec<u8> {
    let (taken, rest) = bytes.split_at(length as usize);
    *bytes = rest;
    taken.to_vec()
}

fn whole(mut bytes: &[u8]) -> Value {
    let value = value(&mut bytes);
    assert!(bytes.is_empty());
    value
}

impl Value {
    fn get(&self, key: &str) -> &Value {
        let Value::Map(pairs) = self else {
            panic!("no map")
        };
        let is_key = |(known, _): &&(Value, Value)| *known == Value::Text(key.into());
        &pairs.iter().find(is_key).expect(key).1
    }

    fn list(&self) -> &[Value] {
        let Value::List(items) = self else {
            panic!("no list: {self:?}")
        };
        items
    }

    fn bytes(&self) -> &[u8] {
        let Value::Bytes(bytes) = self else {
            panic!("no bytes")
        };
        bytes
    }

    fn text(&self) -> &str {
        let Value::Text(text) = self else {
            panic!("no text")
        };
        text
    }
}

/// The texts and spans of a file. Entities must be spans too, and flat.
pub(super) fn docs(bytes: &[u8]) -> Vec<Found> {
    let mut message = Vec::new();
    ZlibDecoder::new(bytes)
        .read_to_end(&mut message)
        .expect("zlib");
    let message = whole(&message);
    let strings = message.get("strings").list().iter().map(Value::text);
    let strings: HashMap<u64, &str> = strings.map(|string| (string_id(string), string)).collect();
    let numbers = |key: &str| -> Vec<u64> {
        let bytes = message.get(key).bytes().as_chunks::<8>().0;
        bytes
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .collect()
    };
    let tokens = numbers("tokens");
    let lengths = message.get("lengths").bytes().as_chunks::<4>().0;
    let spaces = message.get("spaces").bytes();
    assert_eq!(tokens.len(), 3 * spaces.len());
    let mut at = 0;
    let mut docs = Vec::new();
    for (length, spans) in lengths.iter().zip(message.get("span_groups").list()) {
        let end = at + i32::from_le_bytes(*length) as usize;
        let doc = Tokens {
            tokens: &tokens[3 * at..3 * end],
            spaces: &spaces[at..end],
            strings: &strings,
        };
        docs.push(doc.found(spans.bytes()));
        at = end;
    }
    assert_eq!(at, spaces.len());
    docs
}

struct Tokens<'a> {
    tokens: &'a [u64],
    spaces: &'a [u8],
    strings: &'a HashMap<u64, &'a str>,
}

impl Tokens<'_> {
    /// The text, and the first and last character of each token.
    fn text(&self) -> (String, Vec<(usize, usize)>) {
        let (mut text, mut places, mut at) = (String::new(), Vec::new(), 0);
        for (token, space) in self.tokens.chunks(3).zip(self.spaces) {
            let word = self.strings[&token[0]];
            assert!(!word.is_empty());
            let end = at + word.chars().count();
            places.push((at, end));
            text += word;
            text += if *space == 1 { " " } else { "" };
            at = end + usize::from(*space == 1);
        }
        (text, places)
    }

    fn found(&self, groups: &[u8]) -> Found {
        let (text, places) = self.text();
        let spans = self.spans(groups, &places);
        for entity in self.entities(&places) {
            assert!(spans.contains(&entity), "{entity:?} of {text:?}");
        }
        Found::new(&text, spans)
    }

    fn spans(&self, groups: &[u8], places: &[(usize, usize)]) -> Vec<(usize, usize, String)> {
        let Value::Map(groups) = whole(groups) else {
            return Vec::new();
        };
        assert_eq!(groups[0].1, Value::List(vec![Value::Text("sc".into())]));
        let group = whole(groups[0].0.bytes());
        let span = |bytes: &[u8]| {
            assert_eq!(bytes.len(), 40);
            let label = u64::from_be_bytes(bytes[16..24].try_into().expect("8 bytes"));
            let number = |at: usize| {
                i32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize
            };
            let (start, end) = (number(32), number(36));
            assert_eq!(
                (places[number(24)].0, places[number(28) - 1].1),
                (start, end)
            );
            (start, end, self.strings[&label].to_owned())
        };
        group
            .get("spans")
            .list()
            .iter()
            .map(|bytes| span(bytes.bytes()))
            .collect()
    }

    /// `Doc.ents`.
    fn entities(&self, places: &[(usize, usize)]) -> Vec<(usize, usize, String)> {
        let mut entities: Vec<(usize, usize, String)> = Vec::new();
        for (token, place) in self.tokens.chunks(3).zip(places) {
            match token[1] {
                3 => entities.push((place.0, place.1, self.strings[&token[2]].to_owned())),
                1 => entities.last_mut().expect("a beginning").1 = place.1,
                other => assert_eq!((other, token[2]), (2, 0)),
            }
        }
        entities
    }
}
