//! Everything that a rehearsal needs, in one folder: the servers, the catalogue, empty caches and the user's own sets.

use std::path::{Path, PathBuf};
use std::process::Command;

use ner_toy::teacher::gold;
use ner_toy::{Corpus, CorpusConfig};
use ner_types::Example;
use serde_json::Value;

use crate::error::Error;
use crate::faults::Faults;
use crate::homes::Homes;
use crate::teacher::{Manner, Teacher};
use crate::world::{Size, World};

/// The model of the Hub that the profile `rehearsal` starts from.
pub const BASE_MODEL: &str = "rehearsal/Qwen3-cut-Base";

/// Variable of the environment that holds the teacher's key, and the key.
const KEY: (&str, &str) = ("TEACHER_API_KEY", "of-the-rehearsal");

/// The real catalogue.
const CATALOGUE: &str = include_str!("../../ner-datasets/src/catalogue.toml");

/// What a rehearsal is made from.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The folder that it may fill: caches, runs, the user's own data.
    pub dir: PathBuf,
    /// Folder of the model that the Hub is to have, in Hugging Face layout.
    pub model: PathBuf,
    /// Rows of the datasets.
    pub size: Size,
    /// What goes wrong with downloads.
    pub faults: Faults,
    /// How the teacher behaves. It wants the rehearsal's key, whatever is stated here.
    pub manner: Manner,
    /// The ports of the homes and of the teacher; 0 takes free ones.
    pub ports: [u16; 2],
}

impl Setting {
    /// A rehearsal in a folder, with a model and without faults.
    pub fn new(dir: &Path, model: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            model: model.to_owned(),
            size: Size::default(),
            faults: Faults::default(),
            manner: Manner::default(),
            ports: [0, 0],
        }
    }
}

/// The servers with what a program must be told to find them. They serve until this is dropped.
#[derive(Debug)]
pub struct Rehearsal {
    /// Hub and homes.
    pub homes: Homes,
    /// Teacher and judge.
    pub teacher: Teacher,
    dir: PathBuf,
}

impl Rehearsal {
    /// Makes the world, starts the servers, and writes the catalogue and the folder `own` with the sets that no program
    /// can fetch.
    ///
    /// # Errors
    ///
    /// A model that cannot be read, a folder that cannot be written, no free port.
    pub fn start(setting: Setting) -> Result<Self, Error> {
        let Setting { dir, manner, .. } = setting;
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let mut world = World::generate(CATALOGUE, setting.size)?;
        world.write_own_sets(&dir.join("own"), setting.size)?;
        world
            .store
            .add_model(BASE_MODEL, model_files(&setting.model)?);
        let catalogue = dir.join("catalogue.toml");
        std::fs::write(&catalogue, &world.catalogue).map_err(Error::io("write", &catalogue))?;
        world.gold.extend(gold(&own_corpus()));
        let manner = Manner {
            key: Some(KEY.1.to_owned()),
            ..manner
        };
        let [homes, teacher] = setting.ports;
        Ok(Self {
            homes: Homes::serve(world.store, setting.faults, homes)?,
            teacher: Teacher::serve(world.gold, manner, teacher)?,
            dir,
        })
    }

    /// The variables that lead a program to the servers and to caches of this rehearsal. `HF_HOME` and `RNER_DATA` are
    /// below `cache`, one for each run that is to begin from nothing.
    pub fn environment(&self, cache: &str) -> Vec<(&'static str, String)> {
        let at = |name: &str| self.dir.join(name).display().to_string();
        vec![
            ("HF_ENDPOINT", self.homes.hub.clone()),
            ("RNER_MIRROR", self.homes.mirror.clone()),
            ("RNER_CATALOGUE", at("catalogue.toml")),
            ("HF_HOME", at(&format!("{cache}/huggingface"))),
            ("RNER_DATA", at(&format!("{cache}/data"))),
            (KEY.0, KEY.1.to_owned()),
        ]
    }

    /// Puts [`Rehearsal::environment`] into a command, and takes out what would lead it elsewhere.
    pub fn prepare<'c>(&self, command: &'c mut Command, cache: &str) -> &'c mut Command {
        for other in [
            "HF_TOKEN",
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "HF_HUB_OFFLINE",
        ] {
            command.env_remove(other);
        }
        // A proxy of the machine is not asked about the machine itself.
        command
            .env("NO_PROXY", "127.0.0.1")
            .envs(self.environment(cache))
    }

    /// A corpus of the user's own: rows of the toy with reasoning, which the teacher knows.
    pub fn examples(&self, n: usize) -> Vec<Example> {
        own_corpus().into_iter().take(n).collect()
    }

    /// The user's folder with the sets that no program can fetch.
    pub fn own_sets(&self) -> PathBuf {
        self.dir.join("own")
    }

    /// The rehearsal's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Up to 200 rows.
fn own_corpus() -> Vec<Example> {
    let config = CorpusConfig {
        seed: 20_251_111,
        train: 200,
        rl: 0,
        eval_per_domain: 0,
    };
    Corpus::generate(&config).train
}

/// The files of a model, with room for the longest prompts in its configuration.
fn model_files(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        if !path.is_file() {
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        if name == "config.json" {
            bytes = with_long_context(bytes);
        }
        files.push((name, bytes));
    }
    Ok(files)
}

fn with_long_context(config: Vec<u8>) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&config) else {
        // A damaged configuration is for the program under test to refuse.
        return config;
    };
    fields.insert("max_position_embeddings".to_owned(), 32_768.into());
    Value::Object(fields).to_string().into_bytes()
}
