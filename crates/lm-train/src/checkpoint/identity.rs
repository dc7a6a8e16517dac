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
    let defaults = serde_json::to_value(S::Config::default()).unwrap_or_default();
    let (saved, ours) = (saved.get(CONFIG), ours.get(CONFIG));
    for name in names(ours).chain(names(saved)) {
        if S::FREE_FIELDS.contains(&name) {
            continue;
        }
        let of = |config: Option<&'_ Value>| config.and_then(|config| config.get(name)).cloned();
        let was = of(saved).or_else(|| of(Some(&defaults)));
        let what = format!("configuration field `{name}`");
        same(&what, was.as_ref(), of(ours).as_ref(), dir)?;
    }
    Ok(())
}

/// The names of the fields of a configuration.
fn names(config: Option<&Value>) -> impl Iterator<Item = &str> {
    let fields = config.and_then(Value::as_object);
    fields
        .into_iter()
        .flat_map(Fields::keys)
        .map(String::as_str)
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
    struct Config {
        lr: f64,
        log_every: usize,
        /// Younger than the checkpoints.
        masks: Option<usize>,
    }

    impl Default for Config {
        fn default() -> Self {
            Self {
                lr: 0.1,
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
        let old = || json!({ "lr": 0.1, "log_every": 7 });
        assert_eq!(check(old(), &Config::default()), "");
        let masked = Config {
            masks: Some(2),
            ..Config::default()
        };
        let said = check(old(), &masked);
        let expected = "configuration field `masks` differs (checkpoint null, this run 2)";
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_field_that_differs_is_named() {
        let said = check(json!({ "lr": 0.2, "log_every": 1 }), &Config::default());
        let expected = "configuration field `lr` differs (checkpoint 0.2, this run 0.1)";
        assert!(said.contains(expected), "{said}");
        // A newer program has written it, and nobody here knows what it means.
        let said = check(json!({ "lr": 0.1, "trick": true }), &Config::default());
        assert!(
            said.contains("`trick` differs (checkpoint true, this run none)"),
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
