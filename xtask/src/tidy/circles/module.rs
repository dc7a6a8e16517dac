//! The modules of a crate and what each of them brings into scope.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{tokens, without_tests};

/// Names from the root of the crate down to a module.
pub(super) type ModulePath = Vec<String>;

/// The modules of a crate that lie in files of their own, without those of tests.
pub(super) struct Crate<'a> {
    pub(super) modules: BTreeMap<ModulePath, Module<'a>>,
}

/// One file, read as far as imports need it.
pub(super) struct Module<'a> {
    /// Path below `src/`.
    pub(super) file: &'a str,
    pub(super) uses: Vec<Use<'a>>,
    /// Paths outside of `use` items.
    pub(super) paths: Vec<Vec<&'a str>>,
    /// Names of the items at the top of the file.
    pub(super) defined: BTreeSet<&'a str>,
    /// How often each word stands in the file.
    pub(super) n_words: BTreeMap<&'a str, usize>,
    test_modules: Vec<&'a str>,
}

/// One name that a `use` item brings into scope.
pub(super) struct Use<'a> {
    pub(super) path: Vec<&'a str>,
    /// The name in this file; `*` for all names of a module.
    pub(super) name: &'a str,
    pub(super) is_re_export: bool,
}

impl<'a> Crate<'a> {
    /// Reads the files, given as paths below `src/` and texts.
    pub(super) fn new(files: &'a BTreeMap<String, String>) -> Self {
        let has_library = files.contains_key("lib.rs");
        let read = |(file, text): (&'a String, &'a String)| {
            let is_second_root = has_library && file == "main.rs" || file.starts_with("bin/");
            (!is_second_root).then(|| (module_path(file), Module::new(file, text)))
        };
        let mut modules: BTreeMap<_, _> = files.iter().filter_map(read).collect();
        for tests in test_modules(&modules) {
            modules.retain(|path, _| !path.starts_with(&tests));
        }
        Self { modules }
    }
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`; `lib.rs` and `main.rs` are the root.
fn module_path(file: &str) -> ModulePath {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut path: ModulePath = stem.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|name| name == "mod") || ["lib", "main"].contains(&stem) {
        path.pop();
    }
    path
}

fn test_modules(modules: &BTreeMap<ModulePath, Module<'_>>) -> Vec<ModulePath> {
    let below = |path: &ModulePath, name: &str| [path.as_slice(), &[name.to_owned()]].concat();
    let of_module = modules.iter().flat_map(|(path, module)| {
        let names = module.test_modules.iter();
        names.map(move |name| below(path, name))
    });
    of_module.collect()
}

impl<'a> Module<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let (tokens, test_modules) = without_tests(&tokens(text));
        let mut module = Self {
            file,
            uses: Vec::new(),
            paths: Vec::new(),
            defined: BTreeSet::new(),
            n_words: BTreeMap::new(),
            test_modules,
        };
        module.read(&tokens);
        module
    }

    fn read(&mut self, tokens: &[&'a str]) {
        let (mut at, mut inline) = (0, Inline::default());
        while at < tokens.len() {
            let before = at.checked_sub(1).map_or("", |before| tokens[before]);
            *self.n_words.entry(tokens[at]).or_default() += 1;
            inline.step(tokens, at);
            match tokens[at] {
                "use" => at = self.read_use(tokens, at, &inline),
                first if begins_path(first, before, tokens.get(at + 1)) => {
                    at = self.read_path(tokens, at, before, &inline);
                }
                word => {
                    if inline.is_at_top() && DEFINES.contains(&before) {
                        self.defined.insert(word);
                    }
                    at += 1;
                }
            }
        }
    }

    /// Reads the item behind `use` at `at`, and gives the place behind it.
    fn read_use(&mut self, tokens: &[&'a str], at: usize, inline: &Inline<'a>) -> usize {
        let n_tokens = tokens[at..].iter().position(|token| *token == ";");
        let end = at + n_tokens.unwrap_or(tokens.len() - at);
        let is_re_export = at > 0 && ["pub", ")"].contains(&tokens[at - 1]);
        let mut tree = Tree {
            tokens: &tokens[at + 1..end],
            found: Vec::new(),
        };
        tree.read(&[]);
        for (path, name) in tree.found {
            let path = inline.seen_from_file(path);
            self.uses.push(Use {
                path,
                name,
                is_re_export,
            });
        }
        end
    }

    fn read_path(
        &mut self,
        tokens: &[&'a str],
        at: usize,
        before: &str,
        inline: &Inline<'a>,
    ) -> usize {
        let mut path = vec![tokens[at]];
        let mut end = at + 1;
        while tokens.get(end) == Some(&"::")
            && tokens.get(end + 1).is_some_and(|next| is_word(next))
        {
            path.push(tokens[end + 1]);
            end += 2;
        }
        for word in &path[1..] {
            *self.n_words.entry(word).or_default() += 1;
        }
        // `pub(in crate::a)` imports nothing.
        if before != "in" {
            self.paths.push(inline.seen_from_file(path));
        }
        end
    }
}

/// Words that stand before the name of an item.
const DEFINES: [&str; 8] = [
    "fn", "struct", "enum", "trait", "type", "const", "static", "union",
];

fn is_word(token: &str) -> bool {
    token
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
}

fn begins_path(token: &str, before: &str, after: Option<&&str>) -> bool {
    is_word(token) && !["::", "."].contains(&before) && after == Some(&"::")
}

/// The modules with braces around a place of a file. Their `super` begins in the file itself.
#[derive(Default)]
struct Inline<'a> {
    depth: usize,
    /// Names with the depth inside of their braces.
    open: Vec<(&'a str, usize)>,
}

impl<'a> Inline<'a> {
    fn step(&mut self, tokens: &[&'a str], at: usize) {
        match tokens[at] {
            "{" => self.depth += 1,
            "}" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if let Some([name, "{"]) = tokens.get(at.wrapping_sub(1)..=at)
            && tokens.get(at.wrapping_sub(2)) == Some(&"mod")
        {
            self.open.push((name, self.depth));
        }
        let depth = self.depth;
        self.open.retain(|(_, inside)| depth >= *inside);
    }

    fn is_at_top(&self) -> bool {
        self.depth == 0
    }

    /// The same path, seen from the module of the file.
    fn seen_from_file(&self, path: Vec<&'a str>) -> Vec<&'a str> {
        let n_supers = path.iter().take_while(|name| **name == "super").count();
        if n_supers == 0 || self.open.is_empty() {
            return path;
        }
        let n_inside = self.open.len().saturating_sub(n_supers);
        let mut seen = match n_supers.saturating_sub(self.open.len()) {
            0 => vec!["self"],
            n_left => vec!["super"; n_left],
        };
        seen.extend(self.open[..n_inside].iter().map(|(name, _)| *name));
        seen.extend(&path[n_supers..]);
        seen
    }
}

/// Reads the tree of a `use` item: `a::{b, c::*, d as e}`.
struct Tree<'a, 't> {
    tokens: &'t [&'a str],
    found: Vec<(Vec<&'a str>, &'a str)>,
}

impl<'a> Tree<'a, '_> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Reads one branch behind `start`, and gives the mark that ended it.
    fn read(&mut self, start: &[&'a str]) -> Option<&'a str> {
        let (mut path, mut name) = (start.to_vec(), None);
        loop {
            match self.next() {
                Some("::") => {}
                Some("{") => {
                    while self.read(&path) == Some(",") {}
                    name = Some("");
                }
                Some("*") => name = Some("*"),
                Some("self") if !path.is_empty() => name = path.last().copied(),
                Some("as") => name = self.next(),
                end @ (None | Some("," | "}")) => {
                    let is_longer = path.len() > start.len();
                    let last = path.last().copied().filter(|_| is_longer);
                    let name = name.or(last).filter(|name| !name.is_empty());
                    self.found.extend(name.map(|name| (path, name)));
                    return end;
                }
                Some(word) => path.push(word),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &'static str) -> Vec<String> {
        let module = Module::new("a.rs", text);
        let shown = module.uses.iter().map(|item| {
            let mark = if item.is_re_export { "pub " } else { "" };
            format!("{mark}{} as {}", item.path.join("::"), item.name)
        });
        shown.collect()
    }

    #[test]
    fn a_use_item_is_one_entry_for_each_name() {
        let text = "use crate::{self as root, a::{self, B as C, d::*,}, e};pub(crate) use f::G;";
        let expected = [
            "crate as root",
            "crate::a as a",
            "crate::a::B as C",
            "crate::a::d as *",
            "crate::e as e",
            "pub f::G as G",
        ];
        assert_eq!(uses(text), expected);
    }

    #[test]
    fn a_super_in_a_module_with_braces_begins_in_the_file() {
        let text = "mod m { use super::A; mod n { use super::B; use super::super::super::C; } } use super::D;";
        let expected = [
            "self::A as A",
            "self::m::B as B",
            "super::C as C",
            "super::D as D",
        ];
        assert_eq!(uses(text), expected);
    }

    #[test]
    fn paths_definitions_and_words_are_read_from_code() {
        let text =
            "pub(in crate::x) fn f() { a::g::<B>(1.0); y.c::<D>() } struct S; impl S { fn h() {} }";
        let module = Module::new("a.rs", text);
        assert_eq!(module.paths, [["a", "g"]]);
        assert_eq!(Vec::from_iter(&module.defined), [&"S", &"f"]);
        assert_eq!(module.n_words["S"], 2);
    }

    #[test]
    fn files_are_modules_and_those_of_tests_are_left_out() {
        let files = [
            ("lib.rs", "mod a; #[cfg(test)] mod t;"),
            ("main.rs", ""),
            ("a/mod.rs", "mod b;"),
            ("a/b.rs", ""),
            ("t/u.rs", ""),
        ];
        let owned = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let files = BTreeMap::from(owned);
        let read = Crate::new(&files);
        let paths = read.modules.keys().map(|path| path.join("::"));
        assert_eq!(Vec::from_iter(paths), ["", "a", "a::b"]);
    }
}
