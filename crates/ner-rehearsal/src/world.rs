//! Synthetic datasets in the layouts of the real ones, at their addresses.
//!
//! The sentences are those of [`ner_toy`]: the seven benchmark sets get its evaluation domains, everything else its
//! training domains. Where a public set has types of its own, the words of the toy are renamed to them, so that label
//! maps have something to do. No text of a real dataset is in here.

use std::collections::HashMap;
use std::path::Path;

use ner_datasets::{Catalogue, CatalogueEntry, Format, Policy, ReadOptions, Row, open, write_rows};
use ner_toy::teacher::{GoldEntry, gold};
use ner_toy::{Corpus, CorpusConfig};
use ner_types::{Entity, Example};
use serde_json::json;
use toml::{Table, Value};

use crate::error::Error;
use crate::store::{Store, sha256};

/// Types of public sets, as their files spell them.
const TYPES: [(&str, &[&str]); 9] = [
    ("conll", &["PER", "ORG", "LOC", "MISC"]),
    ("broad_tweet", &["PER", "ORG", "LOC"]),
    ("anatem", &["Anatomy"]),
    ("bc2gm", &["GENE"]),
    ("bc4chemd", &["Chemical"]),
    ("bc5cdr", &["Chemical", "Disease"]),
    ("ncbi", &["Disease"]),
    (
        "mit-movie/train",
        &["GENRE", "ACTOR", "YEAR", "RATINGS_AVERAGE"],
    ),
    (
        "mit-restaurant/train",
        &["Restaurant_Name", "Cuisine", "Hours"],
    ),
];

/// Types of all other sets that are no benchmark.
const OTHER_TYPES: [&str; 4] = ["person", "place", "thing", "event"];

/// How many rows there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rows of Pile-NER-type and of NER-CoT.
    pub train: usize,
    /// Rows of each file of the other sets.
    pub rows: usize,
}

impl Default for Size {
    /// 200 rows to annotate.
    fn default() -> Self {
        Self {
            train: 200,
            rows: 60,
        }
    }
}

/// All datasets of a catalogue, made up.
#[derive(Clone, Debug)]
pub struct World {
    /// The files at their addresses.
    pub store: Store,
    /// The catalogue with the hashes of these files in the places of the real ones. A file that is not pinned in the
    /// real one is not pinned here.
    pub catalogue: String,
    /// What a teacher knows of every sentence.
    pub gold: HashMap<String, GoldEntry>,
}

impl World {
    /// Makes the files that a catalogue names, in TOML.
    ///
    /// # Errors
    ///
    /// If the text is no catalogue, or names a format that cannot be written.
    pub fn generate(catalogue: &str, size: Size) -> Result<Self, Error> {
        let parsed = Catalogue::parse(catalogue).map_err(Error::Catalogue)?;
        let mut table: Table = catalogue.parse().map_err(Error::Catalogue)?;
        let dir = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
        let (mut store, mut known) = (Store::default(), HashMap::new());
        for entry in &parsed.datasets {
            for file in &entry.files {
                let rows = rows_of(&entry.name, &file.path, size);
                let (bytes, examples) = written(dir.path(), entry, &file.path, rows)?;
                pin(&mut table, &file.url, &bytes);
                store.add(&file.url, bytes);
                known.extend(gold(&examples));
            }
        }
        let catalogue = toml::to_string(&table).map_err(Error::Toml)?;
        Ok(Self {
            store,
            catalogue,
            gold: known,
        })
    }
}

impl World {
    /// Writes those of the 20 in-domain sets that no program can fetch, in InstructUIE's layout, as a user would have
    /// them who holds the licences; says which they are.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written.
    pub fn write_own_sets(&self, dir: &Path, size: Size) -> Result<Vec<String>, Error> {
        let parsed = Catalogue::parse(&self.catalogue).map_err(Error::Catalogue)?;
        let groups = parsed.groups.iter();
        let members = groups
            .filter(|group| group.name == "instructuie-20")
            .flat_map(|g| &g.members);
        let own = members.filter(|member| member.dataset.is_none());
        let own: Vec<String> = own.map(|member| member.name.clone()).collect();
        for set in &own {
            let dir = dir.join(set);
            std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
            let rows = rows_of(set, &format!("{set}/train.json"), size);
            let labels = rows
                .first()
                .map(|row| row.schema.clone())
                .unwrap_or_default();
            let labels = serde_json::Value::from(labels).to_string();
            let list = dir.join("labels.json");
            std::fs::write(&list, labels).map_err(Error::io("write", &list))?;
            let rows = rows.into_iter().map(|example| Ok(Row::new(example)));
            let file = dir.join("train.json");
            write_rows(&file, Format::InstructUie, rows, Policy::lenient())?;
        }
        Ok(own)
    }
}

/// Puts hash and size of a file into the catalogue, where it has any.
fn pin(table: &mut Table, url: &str, bytes: &[u8]) {
    let datasets = table.get_mut("dataset").and_then(Value::as_array_mut);
    let files = datasets
        .into_iter()
        .flatten()
        .filter_map(|dataset| dataset.get_mut("file"));
    let files = files.filter_map(Value::as_array_mut).flatten();
    for file in files.filter_map(Value::as_table_mut) {
        if file.get("url").and_then(Value::as_str) != Some(url) {
            continue;
        }
        for (key, value) in [
            ("sha256", Value::from(sha256(bytes))),
            ("bytes", Value::from(bytes.len() as i64)),
        ] {
            if let Some(old) = file.get_mut(key) {
                *old = value;
            }
        }
    }
}

/// The rows of one file: different ones for each path, the same ones every time.
fn rows_of(dataset: &str, path: &str, size: Size) -> Vec<Example> {
    let hash = blake3::hash(path.as_bytes());
    let seed = u64::from(u32::from_le_bytes(
        hash.as_bytes()[..4].try_into().unwrap_or_default(),
    ));
    let is_large = dataset == "pile-ner-type" || dataset == "ner-cot";
    let n = if is_large { size.train } else { size.rows };
    let domain = benchmark_domain(path);
    let corpus = Corpus::generate(&CorpusConfig {
        seed,
        train: if domain.is_none() { n } else { 0 },
        rl: 0,
        eval_per_domain: if domain.is_some() { n } else { 0 },
    });
    match domain {
        Some(domain) => {
            let sets = corpus.eval.into_iter();
            let mut sets = sets.filter(|(name, _)| *name == domain);
            sets.next()
                .map(|(_, examples)| examples)
                .unwrap_or_default()
        }
        None if is_large => corpus.train,
        None => retyped(corpus.train, types_of(path)),
    }
}

/// The evaluation domain of the toy that stands for a benchmark set.
fn benchmark_domain(path: &str) -> Option<&'static str> {
    const SETS: [(&str, &str); 7] = [
        ("crossner/ai/", "ai"),
        ("crossner/literature/", "literature"),
        ("crossner/music/", "music"),
        ("crossner/politics/", "politics"),
        ("crossner/science/", "science"),
        ("mit-movie/test", "movie"),
        ("mit-restaurant/test", "restaurant"),
    ];
    let found = SETS.iter().find(|(start, _)| path.starts_with(start));
    found.map(|(_, domain)| *domain)
}

fn types_of(path: &str) -> &'static [&'static str] {
    let path = path.to_lowercase();
    let found = TYPES.iter().find(|(part, _)| path.contains(part));
    found.map_or(&OTHER_TYPES[..], |(_, types)| types)
}

/// The same sentences, with every type renamed to one of `types`.
fn retyped(examples: Vec<Example>, types: &[&str]) -> Vec<Example> {
    let renamed = |entity: Entity| {
        let at = entity.label.bytes().map(usize::from).sum::<usize>() % types.len();
        Entity {
            label: types[at].to_owned(),
            ..entity
        }
    };
    let retype = |example: Example| Example {
        schema: types.iter().map(ToString::to_string).collect(),
        entities: example.entities.into_iter().map(renamed).collect(),
        cot: None,
        ..example
    };
    examples.into_iter().map(retype).collect()
}

/// The bytes of a file in the catalogue's format, and its rows as the program will read them.
fn written(
    dir: &Path,
    entry: &CatalogueEntry,
    path: &str,
    examples: Vec<Example>,
) -> Result<(Vec<u8>, Vec<Example>), Error> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let file = dir.join(name);
    let format = written_format(entry, path)?;
    let rows = examples.into_iter().map(|example| Ok(Row::new(example)));
    write_rows(&file, format, rows, Policy::lenient())?;
    let read = open(&file, format, ReadOptions::default())?;
    let read: Vec<Row> = read.collect::<Result<_, _>>()?;
    let bytes = match entry.format.as_str() {
        "bio-indexed" => indexed(&file)?,
        "tokens" => tokens(&read),
        _ => std::fs::read(&file).map_err(Error::io("read", &file))?,
    };
    Ok((bytes, read.into_iter().map(Row::into_unplaced).collect()))
}

/// The format that a file is written in; those that the crate only reads are made from BIO.
fn written_format(entry: &CatalogueEntry, path: &str) -> Result<Format, Error> {
    if path.ends_with(".parquet") {
        return Ok(Format::Parquet);
    }
    if matches!(entry.format.as_str(), "bio-indexed" | "tokens") {
        return Ok(Format::Bio);
    }
    entry.format().ok_or_else(|| Error::Format {
        dataset: entry.name.clone(),
        format: entry.format.clone(),
    })
}

/// A file of words and tags, with the number of each word in its sentence in front.
fn indexed(file: &Path) -> Result<Vec<u8>, Error> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    let (mut numbered, mut n) = (String::new(), 0);
    for line in text.lines() {
        if line.trim().is_empty() {
            numbered.push('\n');
            n = 0;
        } else {
            numbered += &format!("{n}\t{line}\n");
            n += 1;
        }
    }
    Ok(numbered.into_bytes())
}

/// Rows of words with the ranges of their mentions, as copies of GENIA have them.
fn tokens(rows: &[Row]) -> Vec<u8> {
    let row = |(i, row): (usize, &Row)| {
        let words = row.words();
        let texts: Vec<&str> = words
            .iter()
            .map(|word| &row.example.sentence[word.clone()])
            .collect();
        let mentions = row.example.entities.iter().zip(row.located());
        let mentions = mentions.filter_map(|(entity, place)| {
            let place = place?;
            let start = words.iter().position(|word| word.start == place.start)?;
            let end = words.iter().position(|word| word.end == place.end)? + 1;
            Some(json!({"start": start, "end": end, "entity_type": entity.label, "text": entity.text}))
        });
        let mentions: Vec<serde_json::Value> = mentions.collect();
        format!(
            "{}\n",
            json!({"sent_id": i.to_string(), "tokens": texts, "entity_mentions": mentions})
        )
    };
    rows.iter()
        .enumerate()
        .map(row)
        .collect::<String>()
        .into_bytes()
}
