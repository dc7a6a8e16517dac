//! The keys of a recipe: dotted names of values in nested tables, those that a run derives, and those that had another
//! name.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Fields of the trainers' configurations that are no keys of a recipe, and what decides them.
const DERIVED: [(&str, &str); 7] = [
    ("sft.train.seed", "run.seed decides it"),
    ("sft.train.peak_flops", "hardware.peak_tflops decides it"),
    (
        "sft.compare_without_cot",
        "run.rows decides it, with \"without-cot\" among them",
    ),
    ("sft.train.layout", "sequences are always packed"),
    ("sft.train.optim.master_weights", "model.dtype decides it"),
    ("grpo.train.seed", "run.seed decides it"),
    ("grpo.train.optim.master_weights", "model.dtype decides it"),
];

/// Keys whose value is a table of whatever names their reader knows.
const OPEN: [&str; 2] = ["cot.teacher_extra", "cot.judge_extra"];

/// Keys that are elsewhere since version 0.2, to be removed after one release.
const MOVED: [(&str, &str); 2] = [
    ("plan.teacher_price_in", "cot.price_in"),
    ("plan.teacher_price_out", "cot.price_out"),
];

/// Whether a key's value is a table of names that no recipe lists.
pub(super) fn is_open(key: &str) -> bool {
    OPEN.contains(&key)
}

/// The open table that a key such as `cot.teacher_extra.reasoning_effort` lies in, and its name there.
pub(super) fn in_open_table(key: &str) -> Option<(&'static str, &str)> {
    OPEN.iter().find_map(|open| {
        let name = key.strip_prefix(open)?.strip_prefix('.')?;
        (!name.is_empty()).then_some((*open, name))
    })
}

/// Why this is no key of a recipe, if it is a field that the run derives.
pub(super) fn decided_by(key: &str) -> Option<&'static str> {
    let found = DERIVED.iter().find(|(name, _)| *name == key);
    found.map(|(_, reason)| *reason)
}

/// Leaves out what the run derives.
pub(super) fn without_derived(mut table: Table) -> Table {
    for (key, _) in DERIVED {
        if let Some((parent, name)) = key.rsplit_once('.')
            && let Some(Value::Table(parent)) = value_mut(&mut table, parent)
        {
            parent.remove(name);
        }
    }
    table
}

/// The value of a key such as `sft.train.optim.lr`; numbers are places in a list, from 0.
pub(super) fn value_mut<'t>(table: &'t mut Table, key: &str) -> Option<&'t mut Value> {
    let mut names = key.split('.');
    let first = table.get_mut(names.next()?)?;
    names.try_fold(first, |value, name| match value {
        Value::Table(table) => table.get_mut(name),
        Value::Array(list) => list.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Leaves of an address no more than that there is one: a stage is the same wherever its server stands.
pub(super) fn forget_place(table: &mut Table, key: &str) {
    if let Some(value) = value_mut(table, key) {
        let is_set = value.as_str().is_some_and(|text| !text.is_empty());
        *value = Value::Boolean(is_set);
    }
}

/// All keys with their values, in order.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    leaves_below("", table)
}

fn leaves_below(above: &str, table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        let key = match above {
            "" => name.clone(),
            above => format!("{above}.{name}"),
        };
        match value {
            Value::Table(inner) if !is_open(&key) => found.extend(leaves_below(&key, inner)),
            leaf => found.push((key, leaf.clone())),
        }
    }
    found
}

/// What a key of a recipe of version 0.1 is called since, if it is a key of this table: the keys of the trainers were
/// directly in `[sft]` and `[grpo]`. To be removed after one release.
pub(super) fn renamed(table: &mut Table, key: &str) -> Option<String> {
    if let Some((_, place)) = MOVED.iter().find(|(old, _)| *old == key) {
        return Some((*place).to_owned());
    }
    let (section, name) = key.split_once('.')?;
    let name = match name {
        "beta1" => "betas.0",
        "beta2" => "betas.1",
        "steps" => "max_steps",
        same => same,
    };
    let reward = name.strip_prefix("reward_").unwrap_or_default();
    let places = [
        format!("{section}.train.{name}"),
        format!("{section}.train.optim.{name}"),
        format!("{section}.reward.{reward}"),
    ];
    places.into_iter().find(|place| has(table, place))
}

/// Whether this is a key of the table, not a section.
pub(super) fn has(table: &mut Table, key: &str) -> bool {
    value_mut(table, key).is_some_and(|value| is_open(key) || !value.is_table())
}
/// Puts every key below a value into a map, with its dotted name.
pub(super) fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let Value::Table(table) = value else {
        into.insert(name.to_owned(), value.to_string());
        return;
    };
    for (key, value) in table {
        flatten(&format!("{name}.{key}"), value, into);
    }
}
