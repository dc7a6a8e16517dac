//! Suites as data: which sets make a benchmark, where they lie, and which of their copies are known.

use std::collections::BTreeMap;
use std::path::Path;

use ner_datasets::{BioColumns, Split};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The suites that this crate ships, by name.
const SHIPPED: [(&str, &str); 4] = [
    ("crossner-mit", include_str!("../suites/crossner-mit.toml")),
    ("in-domain", include_str!("../suites/in-domain.toml")),
    ("few-shot", include_str!("../suites/few-shot.toml")),
    (
        "cross-lingual",
        include_str!("../suites/cross-lingual.toml"),
    ),
];

/// A benchmark as a TOML file describes it. Another benchmark is another file, not other code.
///
/// ```toml
/// name = "harbours"
/// title = "Two harbours"
///
/// [[set]]
/// name = "north"                 # also the name of its folder under --data, unless `folders` lists more
/// sentences = [120, 119]         # test counts in circulation, the usual one first
///
/// [[set]]
/// name = "south"
/// folders = ["corpora/south"]
/// columns = "tag-first"          # of BIO files; recognised if left out
/// files.test = ["south-gold.bio"]
///
/// [labels]                       # optional: what the model is asked for instead of the dataset's spelling
/// programlang = "program language"
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteSpec {
    /// Name to type.
    pub name: String,
    /// Name to show.
    pub title: String,
    /// What the suite measures, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The split that is answered and scored.
    #[serde(default)]
    pub split: SplitName,
    /// Labels to put in place of others, in schema and gold alike; keys are compared lower-cased and trimmed.
    /// Rows of relations and events keep theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How training sentences are drawn from the sets, where the suite is about learning from few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<FewShotSpec>,
    /// The sets, in the order of the table's columns.
    #[serde(rename = "set")]
    pub sets: Vec<SetSpec>,
}

/// One set of a [`SuiteSpec`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSpec {
    /// Name of the set in results and predictions, and of its folder.
    pub name: String,
    /// Further folders to look in, relative to the folder of the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// Names of BIO files in the folder, where they are not `train.txt` and the like.
    #[serde(default, skip_serializing_if = "SetFiles::is_empty")]
    pub files: SetFiles,
    /// Which column of BIO files holds the tag; recognised from the file if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// Sentence counts of the split's known copies, the original first. Empty if none is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<usize>,
    /// Language as an ISO 639-1 code, where the suite is about languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// BIO files of the splits; several are read one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetFiles {
    /// For training.
    pub train: Vec<String>,
    /// For choosing among models.
    pub dev: Vec<String>,
    /// For the reported score.
    pub test: Vec<String>,
}

/// The name of a split in a suite file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// `train`.
    Train,
    /// `dev`.
    Dev,
    /// `test`.
    #[default]
    Test,
}

/// The place of the tag in a suite file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Columns {
    /// `tag word`.
    TagFirst,
    /// `word … tag`.
    TagLast,
}

/// Which parts of a training set a few-shot suite draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShotSpec {
    /// Sizes in percent of the training set.
    pub percent: Vec<f64>,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for FewShotSpec {
    /// The paper's sizes: 1, 5 and 10 %.
    fn default() -> Self {
        FewShotSpec {
            percent: vec![1.0, 5.0, 10.0],
            seed: 42,
        }
    }
}

impl SuiteSpec {
    /// Names of the shipped suites.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// A shipped suite by its name, or the suite file at that path.
    ///
    /// # Errors
    ///
    /// If there is neither, or the file is not a suite.
    pub fn find(name_or_path: &str) -> Result<SuiteSpec, Error> {
        if let Some((name, text)) = SHIPPED.iter().find(|(name, _)| *name == name_or_path) {
            return SuiteSpec::parse(text, name);
        }
        let path = Path::new(name_or_path);
        let is_file = path.is_file() || path.extension().is_some_and(|end| end == "toml");
        if is_file {
            return SuiteSpec::load(path);
        }
        Err(Error::UnknownSuite {
            name: name_or_path.into(),
            expected: SuiteSpec::shipped().collect::<Vec<_>>().join(", "),
        })
    }

    /// Reads a suite file.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is not a suite.
    pub fn load(path: &Path) -> Result<SuiteSpec, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
        SuiteSpec::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a suite file; `origin` names it in messages.
    ///
    /// # Errors
    ///
    /// If it is not TOML, has an unknown key, no set, two sets of one name, or a few-shot size that is no percentage.
    pub fn parse(text: &str, origin: &str) -> Result<SuiteSpec, Error> {
        let wrong = |found: String| Error::SuiteFile {
            origin: origin.into(),
            found,
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let spec: SuiteSpec =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().into()))?;
        spec.check().map_err(wrong)?;
        Ok(spec)
    }

    /// What is wrong with a suite that is TOML of the right shape.
    fn check(&self) -> Result<(), String> {
        if self.sets.is_empty() {
            return Err("no [[set]]".into());
        }
        for (i, set) in self.sets.iter().enumerate() {
            if set.name.trim().is_empty() {
                return Err(format!("set {} without a name", i + 1));
            }
            if self.sets[..i].iter().any(|other| other.name == set.name) {
                return Err(format!("two sets named {:?}", set.name));
            }
        }
        let percent = self.few_shot.iter().flat_map(|few| &few.percent);
        match { percent }.find(|percent| !(**percent > 0.0 && **percent <= 100.0)) {
            Some(percent) => Err(format!(
                "a few-shot size of {percent} %, which is not above 0 and up to 100"
            )),
            None => Ok(()),
        }
    }
}

impl SetFiles {
    fn is_empty(&self) -> bool {
        Split::ALL.iter().all(|split| self.of(*split).is_empty())
    }

    /// The files of a split.
    pub fn of(&self, split: Split) -> &[String] {
        match split {
            Split::Train => &self.train,
            Split::Dev => &self.dev,
            Split::Test => &self.test,
        }
    }
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Split {
        match name {
            SplitName::Train => Split::Train,
            SplitName::Dev => Split::Dev,
            SplitName::Test => Split::Test,
        }
    }
}

impl From<Columns> for BioColumns {
    fn from(columns: Columns) -> BioColumns {
        match columns {
            Columns::TagFirst => BioColumns::TagFirst,
            Columns::TagLast => BioColumns::TagLast,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_suites_are_read_and_named_as_they_say() {
        for (name, _) in SHIPPED {
            let spec = SuiteSpec::find(name).expect("a suite");
            assert_eq!(spec.name, name);
        }
        let sets = |name: &str| SuiteSpec::find(name).expect("a suite").sets.len();
        assert_eq!(
            ["crossner-mit", "in-domain", "few-shot", "cross-lingual"].map(sets),
            [7, 20, 1, 9]
        );
    }

    #[test]
    fn the_zero_shot_suite_has_the_columns_of_the_papers_table() {
        let spec = SuiteSpec::find("crossner-mit").expect("a suite");
        let names: Vec<&str> = spec.sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ner_datasets::BENCHMARK_SETS);
    }

    #[test]
    fn a_suite_survives_being_written() {
        let spec = SuiteSpec::find("few-shot").expect("a suite");
        let text = toml::to_string(&spec).expect("serialisable");
        assert_eq!(SuiteSpec::parse(&text, "x").expect("a suite"), spec);
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let message = SuiteSpec::parse(text, "my.toml")
            .expect_err("faulty")
            .to_string();
        assert!(
            message.starts_with("my.toml: expected a suite (TOML), found "),
            "{message}"
        );
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn faults_are_named() {
        let head = "name = \"a\"\ntitle = \"b\"\n";
        check_error("name = ", "line 1");
        check_error(&format!("{head}set = []"), "no [[set]]");
        check_error(
            &format!("{head}[[set]]\nnmae = \"x\""),
            "unknown field `nmae`",
        );
        let twice = "[[set]]\nname = \"x\"\n[[set]]\nname = \"x\"";
        check_error(&format!("{head}{twice}"), "two sets named \"x\"");
        let few = "[few_shot]\npercent = [0.0]\nseed = 1\n[[set]]\nname = \"x\"";
        check_error(&format!("{head}{few}"), "a few-shot size of 0 %");
        let message = SuiteSpec::find("crossner").expect_err("no such suite");
        assert!(message.to_string().contains("crossner-mit, in-domain"));
    }
}
