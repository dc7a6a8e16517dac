//! Which projections an `adapter_config.json` means, and with which rank and alpha: the rules of
//! `check_target_module_exists` and `get_pattern_key` of PEFT 0.21.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::{Map, Value};

use super::bad;
use crate::error::Result;
use crate::lora::{LoraConfig, ModuleLora, TARGET_MODULES};

/// The keys that choose.
pub(super) struct Selection {
    targets: Names,
    exclude: Option<Names>,
    layers: Option<Layers>,
    ranks: Patterns,
    alphas: Patterns,
}

/// How modules are named.
enum Names {
    /// `all-linear`.
    All,
    /// A regular expression for the whole name.
    Pattern(Regex),
    /// Full names, or what stands behind a dot at the end of one.
    List(Vec<String>),
}

/// `layers_to_transform`, with where the number of a layer stands.
struct Layers {
    numbers: Vec<u64>,
    places: Vec<Regex>,
}

/// `rank_pattern` or `alpha_pattern`.
struct Patterns {
    key: &'static str,
    values: Vec<(Regex, f64)>,
}

impl Selection {
    pub(super) fn read(path: &Path, map: &Map<String, Value>) -> Result<Self> {
        let targets = match map.get("target_modules") {
            Some(Value::String(all)) if all.eq_ignore_ascii_case("all-linear") => Names::All,
            found => Names::read(path, "target_modules", found)?,
        };
        let exclude = map.get("exclude_modules").filter(|value| !is_empty(value));
        let exclude = exclude.map(|value| Names::read(path, "exclude_modules", Some(value)));
        let layers = Layers::read(path, map)?;
        if layers.is_some() && !matches!(targets, Names::List(_)) {
            let found = map.get("layers_to_transform");
            let expected = "nothing, because `target_modules` is not a list";
            return Err(bad(path, "layers_to_transform", found, expected));
        }
        Ok(Self {
            targets,
            exclude: exclude.transpose()?,
            layers,
            ranks: Patterns::read(path, map, "rank_pattern")?,
            alphas: Patterns::read(path, map, "alpha_pattern")?,
        })
    }

    /// Puts what is chosen among the projections with these full names into `config`.
    pub(super) fn apply(
        &self,
        path: &Path,
        mut config: LoraConfig,
        names: &[String],
    ) -> Result<LoraConfig> {
        self.targets.check(path, names)?;
        let mut modules = BTreeMap::new();
        for name in names.iter().filter(|name| self.adapts(name)) {
            modules.insert(name.clone(), self.module(path, &config, name)?);
        }
        let present = |kind: &str| modules.keys().any(|name| kind_of(name) == kind);
        let mut in_order = TARGET_MODULES.map(str::to_owned).to_vec();
        in_order.retain(|kind| present(kind));
        if in_order.is_empty() {
            let expected = "names that choose some of this model's projections";
            return Err(bad(
                path,
                "target_modules",
                Some(&self.targets.json()),
                expected,
            ));
        }
        config.target_modules = self.targets.kinds().unwrap_or_else(|| in_order.clone());
        config.target_modules.retain(|kind| present(kind));
        if names
            .iter()
            .any(|name| config.module(name).as_ref() != modules.get(name))
        {
            config.target_modules = in_order;
            config.modules = modules;
        }
        Ok(config)
    }

    fn adapts(&self, name: &str) -> bool {
        let excluded = self
            .exclude
            .as_ref()
            .is_some_and(|exclude| exclude.mean(name));
        // PEFT does not look at the layers of a module that is named in full.
        let in_layers = || self.layers.as_ref().is_none_or(|layers| layers.mean(name));
        !excluded && self.targets.mean(name) && (self.targets.has(name) || in_layers())
    }

    fn module(&self, path: &Path, config: &LoraConfig, name: &str) -> Result<ModuleLora> {
        Ok(ModuleLora {
            rank: self
                .ranks
                .of(path, name)?
                .map_or(config.rank, |rank| rank as usize),
            alpha: self.alphas.of(path, name)?.unwrap_or(config.alpha),
        })
    }
}

impl Names {
    fn read(path: &Path, key: &str, value: Option<&Value>) -> Result<Self> {
        let expected = "a list of names, a regular expression for whole names, or \"all-linear\"";
        match value {
            Some(Value::String(pattern)) => Ok(Self::Pattern(regex(path, key, pattern, "")?)),
            Some(Value::Array(list)) => {
                let names = list.iter().map(|item| item.as_str().map(str::to_owned));
                let names: Option<Vec<String>> = names.collect();
                names
                    .map(Self::List)
                    .ok_or_else(|| bad(path, key, value, expected))
            }
            found => Err(bad(path, key, found, expected)),
        }
    }

    fn mean(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Pattern(pattern) => pattern.is_match(name),
            Self::List(list) => list.iter().any(|entry| means(entry, name)),
        }
    }

    /// Whether a list has the full name.
    fn has(&self, name: &str) -> bool {
        matches!(self, Self::List(list) if list.iter().any(|entry| entry == name))
    }

    /// An entry that chooses nothing may mean a module that cannot be adapted here, such as `lm_head`.
    fn check(&self, path: &Path, names: &[String]) -> Result<()> {
        let Self::List(list) = self else {
            return Ok(());
        };
        let known = |entry: &&String| !names.iter().any(|name| means(entry, name));
        match list.iter().find(known) {
            None => Ok(()),
            Some(entry) => {
                let expected = format!("some of {}", TARGET_MODULES.join(", "));
                let found = Value::from(format!("`{entry}`"));
                Err(bad(path, "target_modules", Some(&found), &expected))
            }
        }
    }

    /// The kinds of projections in the order of a list, each once.
    fn kinds(&self) -> Option<Vec<String>> {
        let Self::List(list) = self else {
            return None;
        };
        let mut kinds: Vec<String> = Vec::new();
        for entry in list {
            let kind = kind_of(entry);
            if !kinds.iter().any(|known| known == kind) {
                kinds.push(kind.to_owned());
            }
        }
        Some(kinds)
    }

    fn json(&self) -> Value {
        match self {
            Self::All => "all-linear".into(),
            Self::Pattern(pattern) => pattern.as_str().into(),
            Self::List(list) => list.clone().into(),
        }
    }
}

impl Layers {
    fn read(path: &Path, map: &Map<String, Value>) -> Result<Option<Self>> {
        let key = "layers_to_transform";
        let Some(value) = map.get(key).filter(|value| !is_empty(value)) else {
            return Ok(None);
        };
        let list = std::slice::from_ref(value);
        let list = value.as_array().map_or(list, Vec::as_slice);
        let numbers: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
        let expected = "the number of a layer or a list of them";
        let numbers = numbers.ok_or_else(|| bad(path, key, Some(value), expected))?;
        Ok(Some(Self {
            numbers,
            places: places(path, map.get("layers_pattern"))?,
        }))
    }

    /// Whether the first number behind the list of layers is one of those.
    fn mean(&self, name: &str) -> bool {
        let found = self.places.iter().find_map(|place| place.captures(name));
        let number = found.and_then(|found| found.name("idx")?.as_str().parse().ok());
        number.is_some_and(|number: u64| self.numbers.contains(&number))
    }
}

/// Where the number of a layer stands: behind one of these names, or, without names, behind any but the first.
fn places(path: &Path, value: Option<&Value>) -> Result<Vec<Regex>> {
    let key = "layers_pattern";
    let Some(value) = value.filter(|value| !is_empty(value)) else {
        return Ok(vec![compile(path, key, r"^.*?\.[^.]*\.(?P<idx>\d+)\.")?]);
    };
    let list = std::slice::from_ref(value);
    let list = value.as_array().map_or(list, Vec::as_slice);
    let place = |item: &Value| match item.as_str() {
        Some(name) => compile(path, key, &format!(r"^(?:.*?\.)?{name}\.(?P<idx>\d+)\.")),
        None => Err(bad(path, key, Some(item), "a name or a list of names")),
    };
    list.iter().map(place).collect()
}

impl Patterns {
    fn read(path: &Path, map: &Map<String, Value>, key: &'static str) -> Result<Self> {
        let mut values = Vec::new();
        match map.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::Object(patterns)) => {
                for (pattern, value) in patterns {
                    let number = value.as_f64().filter(|number| is_fit(key, *number));
                    let number = number.ok_or_else(|| {
                        bad(
                            path,
                            key,
                            Some(value),
                            "a number for each pattern, for ranks a whole one",
                        )
                    })?;
                    values.push((regex(path, key, pattern, r"(?:.*\.)?")?, number));
                }
            }
            found => return Err(bad(path, key, found, "an object")),
        }
        Ok(Self { key, values })
    }

    /// What the patterns say about a module. PEFT takes the first that fits; the order is not kept here, so patterns
    /// that contradict each other are refused.
    fn of(&self, path: &Path, name: &str) -> Result<Option<f64>> {
        let fitting = self
            .values
            .iter()
            .filter(|(pattern, _)| pattern.is_match(name));
        let mut found = None;
        for (_, value) in fitting {
            if found.is_some_and(|other| other != *value) {
                let both = Value::from(format!("two numbers for {name}"));
                return Err(bad(
                    path,
                    self.key,
                    Some(&both),
                    "one number for each projection",
                ));
            }
            found = Some(*value);
        }
        Ok(found)
    }
}

fn is_fit(key: &str, number: f64) -> bool {
    key != "rank_pattern"
        || (number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A full name, or what stands behind a dot at the end of one.
fn means(entry: &str, name: &str) -> bool {
    name.strip_suffix(entry)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// `up_proj` of `model.layers.0.mlp.up_proj`.
fn kind_of(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// An expression of Python for everything behind `before`. It must be one by itself, or it could close the group.
fn regex(path: &Path, key: &str, pattern: &str, before: &str) -> Result<Regex> {
    compile(path, key, pattern)?;
    compile(path, key, &format!("^{before}(?:{pattern})$"))
}

fn compile(path: &Path, key: &str, pattern: &str) -> Result<Regex> {
    let found = Value::from(pattern);
    let expected =
        "a regular expression without look-around and back references; name the modules instead";
    Regex::new(pattern).map_err(|_| bad(path, key, Some(&found), expected))
}
