//! The list of tensors in `model.safetensors.index.json`, of at most as many as a model can have.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// Entries of the list. A layer has at most 18 tensors, and a model at most 4,096 layers.
const MAX_ENTRIES: usize = 100_000;

/// Reads `weight_map` and stops where it has more entries than any model, before they fill the memory.
pub(super) fn weight_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(Entries)
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from tensors to files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        let mut n_entries = 0;
        while let Some((name, file)) = map.next_entry()? {
            n_entries += 1;
            if n_entries > MAX_ENTRIES {
                return Err(A::Error::custom(format!(
                    "expected at most {MAX_ENTRIES} tensors, found more"
                )));
            }
            entries.insert(name, file);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_lists_are_refused() {
        let read = |n: usize| {
            let entries: Vec<String> = (0..n).map(|i| format!("\"t{i}\":\"a\"")).collect();
            let text = format!("{{{}}}", entries.join(","));
            weight_map(&mut serde_json::Deserializer::from_str(&text))
        };
        assert_eq!(read(3).expect("short").len(), 3);
        let error = read(MAX_ENTRIES + 1).expect_err("endless").to_string();
        assert!(error.contains("at most 100000 tensors"), "{error}");
    }
}
