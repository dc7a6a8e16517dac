//! Whether a checkpoint is of the run that wants to go on from it.

use std::path::Path;

use serde_json::{Map, Value};

use super::{CONFIG, RunState};
use crate::error::Error;

type Fields = Map<String, Value>;

/// Compares the states of two runs, as they are written: `saved` that of the checkpoint in `dir`, `ours` that of the
/// run.
///
/// What is compared are named fields, not types, so that an error can name the one that differs, and a checkpoint
/// survives a program that has more of them.
pub(super) fn check_same_run<S: RunState>(
    saved: &Fields,
    ours: &Fields,
    dir: &Path,
) -> Result<(), Error> {
    let (field, words) = S::DATA;
    same(words, saved.get(field), ours.get(field), dir)?;
    let defaults = leaves(serde_json::to_value(S::Config::default()).ok().as_ref());
    let (saved, ours) = (leaves(saved.get(CONFIG)), leaves(ours.get(CONFIG)));
    for name in ours.keys().chain(saved.keys()) {
        if S::FREE_FIELDS.contains(&name.as_str()) {
            continue;
        }
        let was = saved.get(name).or_else(|| defaults.get(name));
        let what = format!("configuration field `{name}`");
        same(&what, was, ours.get(name), dir)?;
    }
    Ok(())
}

/// The fields of a configuration, those of the structs in it too, by names such as `optim.lr`.
fn leaves(config: Option<&Value>) -> Fields {
    let mut found = Fields::new();
    if let Some(Value::Object(fields)) = config {
        collect("", fields, &mut found);
    }
    found
}

fn collect(prefix: &str, fields: &Fields, found: &mut Fields) {
    for (name, value) in fields {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(inner) => collect(&format!("{name}."), inner, found),
            leaf => {
                found.insert(name, leaf.clone());
            }
        }
    }
}

fn same(what: &str, saved: Option<&Value>, ours: Option<&Value>, dir: &Path) -> Result<(), Error> {
    if saved == ours {
        return Ok(());
    }
    Err(Error::ResumeMismatch {
        path: dir.to_path_buf(),
        what: what.to_owned(),
        expected: shown(saved),
        found: shown(ours),
    })
}

/// Text without quotation marks, and everything else as JSON.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Clone, Serialize, Deserialize)]
    struct Optim {
        lr: f64,
        /// Younger than the checkpoints.
        decay: f64,
    }

    #[derive(Clone, Serialize, Deserialize)]
    struct Config {
        optim: Optim,
        log_every: usize,
        /// Younger than the checkpoints.
        masks: Option<usize>,
    }

    impl Default for Config {
        fn default() -> Self {
            Self {
                optim: Optim {
                    lr: 0.1,
                    decay: 0.0,
                },
                log_every: 1,
                masks: None,
            }
        }
    }

    #[derive(Serialize, Deserialize)]
    struct State {
        config: Config,
        data: String,
    }

    impl RunState for State {
        type Config = Config;
        const FREE_FIELDS: &'static [&'static str] = &["log_every"];
        const DATA: (&'static str, &'static str) = ("data", "the data");

        fn global_step(&self) -> usize {
            0
        }
    }

    /// What is said about a checkpoint with this configuration to a run with that one.
    fn check(saved: Value, ours: &Config) -> String {
        let saved = json!({ "config": saved, "data": "a" });
        let ours = json!({ "config": ours, "data": "a" });
        let fields = |value: &Value| value.as_object().cloned().unwrap();
        match check_same_run::<State>(&fields(&saved), &fields(&ours), Path::new("step-1")) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_added_field_counts_as_its_default() {
        let old = || json!({ "optim": { "lr": 0.1 }, "log_every": 7 });
        assert_eq!(check(old(), &Config::default()), "");
        let masked = Config {
            masks: Some(2),
            ..Config::default()
        };
        let said = check(old(), &masked);
        let expected = "configuration field `masks` differs (checkpoint null, this run 2)";
        assert!(said.contains(expected), "{said}");
        let mut decaying = Config::default();
        decaying.optim.decay = 0.5;
        let said = check(old(), &decaying);
        let expected = "configuration field `optim.decay` differs (checkpoint 0.0, this run 0.5)";
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_field_that_differs_is_named() {
        let said = check(json!({ "optim": { "lr": 0.2 } }), &Config::default());
        let expected = "configuration field `optim.lr` differs (checkpoint 0.2, this run 0.1)";
        assert!(said.contains(expected), "{said}");
        // A newer program has written it, and nobody here knows what it means.
        let said = check(json!({ "optim": { "trick": true } }), &Config::default());
        assert!(
            said.contains("`optim.trick` differs (checkpoint true, this run none)"),
            "{said}"
        );
    }

    #[test]
    fn other_data_is_named() {
        let state = |data: &str| {
            json!({ "config": {}, "data": data })
                .as_object()
                .cloned()
                .unwrap()
        };
        let error = check_same_run::<State>(&state("a"), &state("b"), Path::new("step-1"));
        let said = error.unwrap_err().to_string();
        assert!(
            said.contains("the data differs (checkpoint a, this run b)"),
            "{said}"
        );
    }
}
