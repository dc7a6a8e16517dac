//! Which file imports which: every path of a module, followed to the file that defines the name.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::module::{Crate, Module, ModulePath, Use};

/// Paths are followed through so many re-exports; only a mistake in the reading goes on for ever.
const MAX_STEPS: usize = 32;

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// An item of the file of this module, under its name there.
    Item(ModulePath, String),
    Module(ModulePath),
    /// Another crate, or a name of the language.
    Outside,
}

/// The imports of a crate as a graph of files.
pub(super) fn graph(read: &Crate<'_>) -> Graph {
    let indices: BTreeMap<_, _> = read.modules.keys().zip(0..).collect();
    let files = read.modules.values().map(|module| module.file.to_owned());
    let parents = read.modules.keys().map(|path| {
        let mut above = (0..path.len()).rev().map(|len| path[..len].to_vec());
        above.find_map(|path| indices.get(&path).copied())
    });
    let mut graph = Graph::new(files.collect(), parents.collect());
    for (path, module) in &read.modules {
        for (imported, name) in imports(read, path, module) {
            graph.add(indices[path], indices[&imported], &name);
        }
    }
    graph
}

/// The modules that the file of `module` imports names from, with the names.
fn imports(read: &Crate<'_>, at: &ModulePath, module: &Module<'_>) -> Vec<(ModulePath, String)> {
    let mut found = Vec::new();
    for item in module.uses.iter().filter(|item| is_used(module, item)) {
        match resolve(read, at, &item.path, MAX_STEPS) {
            Found::Module(from) if item.name == "*" => found.extend(all_names(read, &from, module)),
            Found::Item(from, name) => found.push((from, name)),
            // The name of a module alone imports nothing yet.
            Found::Module(_) | Found::Outside => {}
        }
    }
    for path in &module.paths {
        if let Found::Item(from, name) = resolve(read, at, path, MAX_STEPS) {
            found.push((from, name));
        }
    }
    found
}

/// A re-export is an import only if the file uses the name itself.
fn is_used(module: &Module<'_>, item: &Use<'_>) -> bool {
    !item.is_re_export || module.n_words.contains_key(item.name)
}

/// What `use from::*` brings into a file, of the names that stand in it.
fn all_names(
    read: &Crate<'_>,
    from: &ModulePath,
    module: &Module<'_>,
) -> Vec<(ModulePath, String)> {
    let words = module.n_words.keys();
    let names = words.filter(|name| knows(read, from, name, MAX_STEPS));
    let found = names.filter_map(|name| match item(read, from, name, MAX_STEPS) {
        Found::Item(defining, name) => Some((defining, name)),
        Found::Module(_) | Found::Outside => None,
    });
    found.collect()
}

/// Follows a path as it stands in the module `at`.
fn resolve(read: &Crate<'_>, at: &ModulePath, path: &[&str], n_left: usize) -> Found {
    let Some((first, rest)) = path.split_first() else {
        return Found::Module(at.clone());
    };
    match *first {
        "crate" => walk(read, &Vec::new(), rest, n_left),
        "self" => walk(read, at, rest, n_left),
        "super" => {
            let parent = &at[..at.len().saturating_sub(1)];
            let next = parent.to_vec();
            let is_more = rest.first() == Some(&"super");
            if is_more {
                resolve(read, &next, rest, n_left)
            } else {
                walk(read, &next, rest, n_left)
            }
        }
        name if read.modules.contains_key(&child(at, name)) || import(read, at, name).is_some() => {
            walk(read, at, path, n_left)
        }
        _ => Found::Outside,
    }
}

/// Follows names from the module `at` downwards.
fn walk(read: &Crate<'_>, at: &ModulePath, path: &[&str], n_left: usize) -> Found {
    let Some((first, rest)) = path.split_first() else {
        return Found::Module(at.clone());
    };
    let below = child(at, first);
    if !rest.is_empty() && read.modules.contains_key(&below) {
        return walk(read, &below, rest, n_left);
    }
    match item(read, at, first, n_left) {
        Found::Module(other) => walk(read, &other, rest, n_left),
        found => found,
    }
}

/// The item `name` as the module `at` knows it: its own, an imported one, a child module.
fn item(read: &Crate<'_>, at: &ModulePath, name: &str, n_left: usize) -> Found {
    let Some(module) = read.modules.get(at).filter(|_| n_left > 0) else {
        return Found::Outside;
    };
    if module.defined.contains(name) {
        return Found::Item(at.clone(), name.to_owned());
    }
    if let Some(import) = import(read, at, name) {
        return resolve(read, at, &import.path, n_left - 1);
    }
    let below = child(at, name);
    if read.modules.contains_key(&below) {
        return Found::Module(below);
    }
    match globs(read, at, n_left).find(|from| knows(read, from, name, n_left - 1)) {
        Some(from) => item(read, &from, name, n_left - 1),
        None => Found::Item(at.clone(), name.to_owned()),
    }
}

fn knows(read: &Crate<'_>, at: &ModulePath, name: &str, n_left: usize) -> bool {
    let Some(module) = read.modules.get(at).filter(|_| n_left > 0) else {
        return false;
    };
    module.defined.contains(name)
        || import(read, at, name).is_some()
        || globs(read, at, n_left).any(|from| knows(read, &from, name, n_left - 1))
}

/// The modules whose names `at` has all of.
fn globs(read: &Crate<'_>, at: &ModulePath, n_left: usize) -> impl Iterator<Item = ModulePath> {
    let uses = read.modules.get(at).map_or(&[][..], |module| &module.uses);
    let globs = uses.iter().filter(|item| item.name == "*");
    globs.filter_map(
        move |item| match resolve(read, at, &item.path, n_left - 1) {
            Found::Module(from) if from != *at => Some(from),
            _ => None,
        },
    )
}

fn import<'c>(read: &'c Crate<'_>, at: &ModulePath, name: &str) -> Option<&'c Use<'c>> {
    let module = read.modules.get(at)?;
    // `use a::a` in a file with the module `a` leads on, `use a` would lead to itself.
    module
        .uses
        .iter()
        .find(|item| item.name == name && item.path != [name])
}

fn child(at: &ModulePath, name: &str) -> ModulePath {
    [at.as_slice(), &[name.to_owned()]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(at: &str, path: &str, expected: &Found) {
        let files = [
            (
                "lib.rs",
                "mod a; mod b; pub use a::*; pub use b::{B, c as d}; use burn::Tensor; macro_rules! m {}",
            ),
            ("a.rs", "pub struct A; pub use crate::b::f as g;"),
            (
                "b/mod.rs",
                "pub mod c; pub mod f; pub enum B {} pub use f::f;",
            ),
            ("b/c.rs", "pub use super::super::a::A as C; pub fn h() {}"),
            ("b/f.rs", "pub fn f() {}"),
        ];
        let files = BTreeMap::from(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
        let names: Vec<&str> = path.split("::").collect();
        assert_eq!(
            resolve(&Crate::new(&files), &module(at), &names, MAX_STEPS),
            *expected,
            "{at}: {path}"
        );
    }

    fn module(path: &str) -> ModulePath {
        path.split_terminator("::").map(str::to_owned).collect()
    }

    #[test]
    fn a_path_leads_to_the_file_that_defines_its_name() {
        for (at, path, expected, name) in [
            ("b::c", "crate::A", "a", "A"),
            ("b::c", "crate::B::Variant", "b", "B"),
            ("b::c", "super::B", "b", "B"),
            ("b::c", "super::super::g", "b::f", "f"),
            ("", "b::f", "b::f", "f"),
            ("", "d::C", "a", "A"),
            ("a", "crate::d::h", "b::c", "h"),
            ("b", "c::h", "b::c", "h"),
            ("a", "crate::m", "", "m"),
        ] {
            check(at, path, &Found::Item(module(expected), name.to_owned()));
        }
    }

    #[test]
    fn modules_and_other_crates_are_told_apart_from_items() {
        check("a", "crate::b::c", &Found::Module(module("b::c")));
        for path in ["std::fmt", "crate::Tensor", "Self::new"] {
            check("a", path, &Found::Outside);
        }
    }
}
