//! Circles between the files of a crate: files that import each other, directly or through others.
//!
//! A circle cannot be read from the bottom to the top. The number of files that stand in one may fall, never grow.
//! Imports are `use` items and other paths that begin with `crate`, `super` or the name of a module. One that goes
//! through a re-export leads to the file that defines the name. Tests do not count, nor does what the root of a crate
//! imports.
//!
//! A module and its children may use each other: what is shared stands in `mod.rs`, where the children import it, and
//! `mod.rs` calls them. So a circle of nothing but parents and children is none, unless the children import each other.

mod graph;
mod imports;
mod module;
mod tokens;

use std::collections::BTreeMap;
use std::fmt::Write;

use self::graph::Graph;
use self::module::Crate;
use super::Finding;

/// How many files of each crate stand in circles. A crate that is not named has none.
#[rustfmt::skip]
const TODAY: &[(&str, usize)] = &[
    // `impl Qwen3` is spread by topic: model, adapter, packed batches. An error shows the shape of an adapter.
    ("lm-model", 5),
    ("ner-cot", 4),
    // An unknown preset's error lists the presets.
    ("ner-score", 2),
];

/// The circles of one crate, each as a list of its files.
pub(super) struct Circles {
    /// Name of the crate.
    name: String,
    graph: Graph,
    circles: Vec<Vec<usize>>,
}

/// Finds the circles of the crate `name` among its source files, given as paths below `src/` and texts.
pub(super) fn find(name: &str, files: &BTreeMap<String, String>) -> Circles {
    let graph = imports::graph(&Crate::new(files));
    Circles {
        name: name.to_owned(),
        circles: graph.circles(),
        graph,
    }
}

/// Compares the number of files in circles with the table.
pub(super) fn check(found: &[Circles]) -> Vec<Finding> {
    let compared = found.iter().filter_map(|circles| {
        let allowed = TODAY.iter().find(|(name, _)| *name == circles.name);
        compare(circles, allowed.map_or(0, |(_, n_files)| *n_files))
    });
    compared.collect()
}

fn compare(circles: &Circles, allowed: usize) -> Option<Finding> {
    let n_files = circles.n_files();
    let message = format!("{n_files} files stand in circles, the table says {allowed}");
    if n_files > allowed {
        let message = format!("{message}; `cargo xtask tidy --circles` names the imports");
        Some(Finding::problem(&circles.name, message))
    } else if n_files < allowed {
        let message = format!("{message}; lower it in xtask/src/tidy/circles.rs");
        Some(Finding::warning(&circles.name, message))
    } else {
        None
    }
}

impl Circles {
    fn n_files(&self) -> usize {
        self.circles.iter().map(Vec::len).sum()
    }

    /// Every circle with the imports inside of it, file by file; empty for a crate without circles.
    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        for circle in &self.circles {
            let _ = writeln!(text, "{}: a circle of {} files", self.name, circle.len());
            for (file, imported, names) in self.graph.within(circle) {
                let _ = writeln!(text, "  {file} → {imported}: {}", names.join(", "));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Circles {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        find("a", &files.iter().map(owned).collect())
    }

    /// Two files that import each other, below a root.
    fn pair() -> Circles {
        crate_of(&[
            ("lib.rs", "mod b;\nmod c;"),
            ("b.rs", "use crate::c::{C, other};\npub struct B;"),
            ("c.rs", "pub struct C(crate::b::B);\npub fn other() {}"),
        ])
    }

    #[test]
    fn more_than_the_table_says_is_a_problem_and_less_asks_to_lower_it() {
        assert_eq!(compare(&pair(), 2), None);
        let more = compare(&pair(), 0).expect("a finding");
        assert!(!more.is_warning && more.message.starts_with("2 files"));
        assert!(compare(&pair(), 3).expect("a finding").is_warning);
        assert_eq!(check(&[pair()]).len(), 1);
    }

    #[test]
    fn the_description_names_every_import_of_a_circle() {
        let expected = "a: a circle of 2 files\n  b.rs → c.rs: C, other\n  c.rs → b.rs: B\n";
        assert_eq!(pair().describe(), expected);
        assert_eq!(crate_of(&[("lib.rs", "")]).describe(), "");
    }

    #[test]
    fn a_parent_and_its_children_are_no_circle() {
        let files = [
            ("lib.rs", "mod b;"),
            (
                "b.rs",
                "mod x;\nmod y;\npub struct B;\nfn f() { x::f(); y::f(); }",
            ),
            ("b/x.rs", "use super::B;\npub fn f() {}"),
            ("b/y.rs", "use super::{B, x::f};\npub fn g() {}"),
        ];
        assert_eq!(crate_of(&files).n_files(), 0);
    }

    #[test]
    fn a_circle_through_a_family_and_another_file_counts() {
        let root = ("lib.rs", "mod b;\nmod c;");
        let up = [
            root,
            ("b.rs", "mod x;\nuse x::f;\nuse crate::c::C;\npub struct B;"),
            ("b/x.rs", "use super::B;\npub fn f() {}"),
            ("c.rs", "use crate::b::x::f;\npub struct C;"),
        ];
        assert_eq!(crate_of(&up).n_files(), 3);
        let down = [
            root,
            ("b.rs", "mod x;\nuse x::f;\npub struct B;"),
            ("b/x.rs", "use super::B;\nuse crate::c::C;\npub fn f() {}"),
            ("c.rs", "use crate::b::B;\npub struct C;"),
        ];
        assert_eq!(crate_of(&down).n_files(), 3);
    }

    #[test]
    fn a_name_is_looked_for_behind_re_exports() {
        let files = [
            (
                "lib.rs",
                "mod b;\nmod c;\npub use b::*;\npub use c::C as D;",
            ),
            ("b.rs", "use crate::D;\npub struct B;"),
            ("c.rs", "use crate::{B, b};\npub struct C;"),
        ];
        assert_eq!(crate_of(&files).n_files(), 2);
    }

    #[test]
    fn tests_and_comments_and_strings_import_nothing() {
        let files = [
            ("lib.rs", "mod b;\nmod c;"),
            ("b.rs", "use crate::c::C;\npub struct B;"),
            (
                "c.rs",
                "// crate::b::B\n/* crate::b::B */ const A: &str = \"crate::b::B\";\npub struct C;\n\
                 #[cfg(test)]\nmod tests { use crate::b::B; }",
            ),
        ];
        assert_eq!(crate_of(&files).n_files(), 0);
    }
}
