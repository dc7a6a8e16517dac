//! Names of labels in place of others, as data: what a set is asked for decides part of its score.

use std::collections::BTreeMap;
use std::path::Path;

use ner_types::{Example, normalize_label};
use serde::Deserialize;

use crate::error::Error;
use crate::files::read_text;
use crate::sample::set_key;

const SHIPPED: [(&str, &str); 3] = [
    ("instructuie", include_str!("label_maps/instructuie.toml")),
    ("uniner", include_str!("label_maps/uniner.toml")),
    ("b2ner", include_str!("label_maps/b2ner.toml")),
];

/// Labels and the names that are used in their place, for all sets or for some.
///
/// ```
/// use ner_datasets::LabelMap;
/// use ner_types::Example;
///
/// let map = LabelMap::find("instructuie")?;
/// let mut example = Example { schema: vec!["RATINGS_AVERAGE".into(), "ACTOR".into()], ..Example::default() };
/// assert_eq!(map.apply("mit-movie", &mut example), 1);
/// assert_eq!(example.schema, ["average ratings", "ACTOR"]);
/// # Ok::<(), ner_datasets::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelMap {
    /// Where the names come from, and what is not known.
    #[serde(default)]
    pub about: String,
    /// For sets that are not named; labels are compared lower-cased and trimmed.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For one set, by its name without case, blanks and punctuation.
    #[serde(default, rename = "set")]
    pub sets: BTreeMap<String, BTreeMap<String, String>>,
}

impl LabelMap {
    /// The names of the maps that come with the crate.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// `none`, a map of the crate by its name, or a file of the same form.
    ///
    /// # Errors
    ///
    /// If there is no such map or file, or it is not of the form.
    pub fn find(name_or_path: &str) -> Result<LabelMap, Error> {
        if name_or_path == "none" {
            return Ok(LabelMap::default());
        }
        let path = Path::new(name_or_path);
        if let Some((name, text)) = SHIPPED.iter().find(|(name, _)| *name == name_or_path) {
            return LabelMap::parse(text, Path::new(name));
        }
        if !path.is_file() {
            let names: Vec<&str> = LabelMap::shipped().collect();
            let expected = format!("none, {} or a file of label names", names.join(", "));
            return Err(Error::missing(path, expected, "no such file"));
        }
        LabelMap::parse(&read_text(path)?, path)
    }

    /// Reads a map; `origin` stands for it in messages.
    ///
    /// # Errors
    ///
    /// If the text is not of the form.
    pub fn parse(text: &str, origin: &Path) -> Result<LabelMap, Error> {
        let read: Result<LabelMap, _> = toml::from_str(text);
        let map = read.map_err(|error| {
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            Error::Format {
                path: origin.into(),
                line: 1 + text[..before].matches('\n').count(),
                expected: "label names (TOML): about, [labels], [set.NAME]".into(),
                found: error.message().into(),
            }
        })?;
        let lower = |labels: BTreeMap<String, String>| -> BTreeMap<String, String> {
            let pairs = labels.into_iter();
            pairs
                .map(|(label, name)| (normalize_label(&label), name))
                .collect()
        };
        let sets = map.sets.into_iter();
        Ok(LabelMap {
            about: map.about,
            labels: lower(map.labels),
            sets: sets
                .map(|(set, labels)| (set_key(&set), lower(labels)))
                .collect(),
        })
    }

    /// Whether it has no name at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.sets.is_empty()
    }

    /// The name in place of a label of a set, if there is one.
    pub fn name_of(&self, set: &str, label: &str) -> Option<&str> {
        let label = normalize_label(label);
        let of_set = self
            .sets
            .get(&set_key(set))
            .and_then(|labels| labels.get(&label));
        of_set
            .or_else(|| self.labels.get(&label))
            .map(String::as_str)
    }

    /// Renames the labels of an example's schema and entities; gives how many labels of the schema changed.
    pub fn apply(&self, set: &str, example: &mut Example) -> usize {
        if self.is_empty() {
            return 0;
        }
        let rename = |label: &mut String| {
            let name = self
                .name_of(set, label)
                .filter(|name| *name != label.as_str());
            name.map(|name| name.to_owned())
                .map(|name| *label = name)
                .is_some()
        };
        for entity in &mut example.entities {
            rename(&mut entity.label);
        }
        let schema = example.schema.iter_mut();
        schema.map(rename).filter(|is_renamed| *is_renamed).count()
    }
}

#[cfg(test)]
mod tests {
    use ner_types::Entity;

    use super::*;

    #[test]
    fn shipped_maps_are_read_and_say_where_they_come_from() {
        for name in LabelMap::shipped() {
            let map = LabelMap::find(name).expect(name);
            assert!(map.about.contains("https://") && !map.is_empty(), "{name}");
        }
        assert!(LabelMap::find("none").expect("none").is_empty());
        let uniner = LabelMap::find("uniner").expect("a map");
        assert_eq!(
            uniner.name_of("CrossNER_AI", "programlang"),
            Some("program language")
        );
        let b2ner = LabelMap::find("b2ner").expect("a map");
        assert_eq!(
            b2ner.name_of("CrossNER_politics", "politicalparty"),
            Some("political party")
        );
    }

    #[test]
    fn schema_and_entities_are_renamed_by_set() {
        let text = "[labels]\nPER = \"person\"\n[set.\"Broad Tweet Corpus\"]\nper = \"somebody\"\n";
        let map = LabelMap::parse(text, Path::new("x.toml")).expect("a map");
        let renamed = |set: &str| {
            let mut example = Example {
                schema: vec!["Per".into(), "LOC".into()],
                entities: vec![Entity::new("Ada", "PER")],
                ..Example::default()
            };
            let n = map.apply(set, &mut example);
            (
                n,
                example.schema.remove(0),
                example.entities.remove(0).label,
            )
        };
        assert_eq!(renamed("x"), (1, "person".into(), "person".into()));
        assert_eq!(
            renamed("broad_tweet_corpus"),
            (1, "somebody".into(), "somebody".into())
        );
    }

    #[test]
    fn faults_are_named() {
        let message = LabelMap::parse("about = \"\"\nlabel = 3\n", Path::new("x.toml"));
        let message = message.expect_err("unknown key").to_string();
        assert!(
            message.starts_with("x.toml:2: expected label names"),
            "{message}"
        );
        let message = LabelMap::find("b3ner")
            .expect_err("no such map")
            .to_string();
        assert!(
            message.contains("none, instructuie, uniner, b2ner"),
            "{message}"
        );
    }
}
