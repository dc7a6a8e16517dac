//! What a calibration leaves behind: the scored rows, so that any risk can be asked for, and how they came about.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gate::labels;
use crate::scored::Row;

/// The format that this version writes.
const FORMAT: u32 = 1;

/// A calibration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Version of the format.
    pub format: u32,
    /// The program that wrote it.
    pub written_by: String,
    /// Where the rows come from.
    pub data: String,
    /// The model, as it was named; none of stored predictions.
    pub model: Option<String>,
    /// How the model was asked, by names such as `reader`, its hash among them: what changes a confidence.
    pub asked: BTreeMap<String, String>,
    /// The types that it was asked for.
    pub types: Vec<String>,
    /// The entities that were named, row by row, with their confidence and whether they are true.
    pub rows: Vec<Row>,
}

/// Something that a calibration was made with and that is different now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub what: String,
    /// Its value in the calibration.
    pub there: String,
    /// Its value now.
    pub here: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} there, {} here", self.what, self.there, self.here)
    }
}

impl Calibration {
    /// A calibration by this version of the crate.
    pub fn new(data: &str, rows: Vec<Row>) -> Self {
        Self {
            format: FORMAT,
            written_by: concat!("rner ", env!("CARGO_PKG_VERSION")).to_owned(),
            data: data.to_owned(),
            model: None,
            asked: BTreeMap::new(),
            types: Vec::new(),
            rows,
        }
    }

    /// Whether this version can read it.
    pub fn is_known(&self) -> bool {
        self.format == FORMAT
    }

    /// What is different from how a model is asked now. Nothing of a calibration that does not say how its answers came
    /// about.
    pub fn differences(&self, asked: &BTreeMap<String, String>) -> Vec<Difference> {
        let none = || "nothing".to_owned();
        let there = self.asked.iter().filter_map(|(what, there)| {
            let here = asked.get(what).cloned().unwrap_or_else(none);
            (here != *there).then(|| Difference {
                what: what.clone(),
                there: there.clone(),
                here,
            })
        });
        there.collect()
    }

    /// Types that are asked for now and of which the calibration has no row.
    pub fn unknown<'a>(&self, types: &'a [String]) -> Vec<&'a str> {
        let named = labels(&self.rows);
        let is_unknown = |it: &&'a String| !self.types.contains(it) && !named.contains(it.as_str());
        types
            .iter()
            .filter(is_unknown)
            .map(String::as_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scored::Scored;

    #[test]
    fn a_calibration_is_read_back_and_says_what_differs() {
        let row = vec![Scored {
            label: "city".into(),
            confidence: 0.25,
            is_true: true,
        }];
        let mut one = Calibration::new("dev.jsonl", vec![row, Row::new()]);
        one.asked = BTreeMap::from([("reader".into(), "reference".into())]);
        let text = serde_json::to_string(&one).expect("JSON");
        assert!(
            text.contains(r#""rows":[[["city",0.25,true]],[]]"#),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<Calibration>(&text).expect("read"),
            one
        );
        assert!(one.is_known() && one.differences(&one.asked.clone()).is_empty());
        let now = BTreeMap::from([("reader".into(), "tolerant".into())]);
        let said: Vec<String> = one
            .differences(&now)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, ["reader: reference there, tolerant here"]);
        assert_eq!(one.unknown(&["city".into(), "lake".into()]), ["lake"]);
    }
}
