//! Which backend a command line asks for: by its flag, or by the recipe of the run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::program::Backend;

/// How many recipes may build on each other.
const DEEPEST: usize = 16;

/// The backend that `--backend NAME` or `--backend=NAME` among `args` asks for, else the usual one.
///
/// # Errors
///
/// A sentence for the user if the name is missing or unknown.
pub(crate) fn backend_of(args: &[OsString]) -> Result<Backend, String> {
    match values(args, "--backend").pop() {
        Some(value) => parse("--backend", value.as_deref()),
        None => Ok(Backend::default()),
    }
}

/// The backend of `rner reproduce`: `--backend`, else the last `--set run.backend=NAME`, else that of the recipe.
/// `recipes` is the folder of the recipes that are built in.
///
/// # Errors
///
/// A sentence for the user if a name is missing or unknown. What is wrong with a recipe is left to the program, which
/// says it better.
pub(crate) fn backend_of_run(args: &[OsString], recipes: &Path) -> Result<Backend, String> {
    if let Some(value) = values(args, "--backend").pop() {
        return parse("--backend", value.as_deref());
    }
    let sets = values(args, "--set").into_iter().flatten();
    let set = sets.rev().find_map(|set| value_of(&set, "run.backend"));
    if let Some(name) = set {
        return parse("--set run.backend", Some(&name));
    }
    let is_smoke = args.iter().any(|arg| arg == "--smoke");
    let profile = values(args, "--profile").pop().flatten();
    let profile = profile.unwrap_or_else(|| if is_smoke { "smoke" } else { "tiny" }.into());
    match backend_of_recipe(&profile, recipes) {
        Some(name) => parse(&format!("run.backend of {profile}"), Some(&name)),
        None => Ok(Backend::default()),
    }
}

/// What stands behind a flag, each time that it is given.
fn values(args: &[OsString], flag: &str) -> Vec<Option<String>> {
    let mut found = Vec::new();
    let mut args = args.iter().take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        if text == flag {
            found.push(
                args.next()
                    .map(|value| value.to_string_lossy().into_owned()),
            );
        } else if let Some(rest) = text.strip_prefix(flag)
            && let Some(value) = rest.strip_prefix('=')
        {
            found.push(Some(value.to_owned()));
        }
    }
    found
}

/// The value of `key=value`, without quotes.
fn value_of(set: &str, key: &str) -> Option<String> {
    let (found, value) = set.split_once('=')?;
    (found.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
}

/// `run.backend` of a recipe or of one that it builds on; all build on the paper's in the end.
fn backend_of_recipe(profile: &str, recipes: &Path) -> Option<String> {
    let mut path = path_of(profile, Path::new(""), recipes);
    for _ in 0..DEEPEST {
        let text = std::fs::read_to_string(&path).ok()?;
        let table: toml::Table = text.parse().ok()?;
        let backend = table.get("run").and_then(|run| run.get("backend"));
        if let Some(name) = backend.and_then(toml::Value::as_str) {
            return Some(name.to_owned());
        }
        let below = table.get("extends").and_then(toml::Value::as_str);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        path = path_of(below.unwrap_or("paper-8b"), &folder, recipes);
    }
    None
}

/// The file of a profile: one that is built in, or a path seen from `folder`.
fn path_of(profile: &str, folder: &Path, recipes: &Path) -> PathBuf {
    let name = match profile {
        "paper-8b" => "base",
        other => other,
    };
    let built_in = recipes.join(format!("{name}.toml"));
    let is_name = !profile.contains(['/', '\\']) && !profile.ends_with(".toml");
    if is_name && built_in.is_file() {
        return built_in;
    }
    folder.join(profile)
}

fn parse(whence: &str, value: Option<&str>) -> Result<Backend, String> {
    let names = Backend::value_variants().iter().map(|b| b.name());
    let expected = names.collect::<Vec<_>>().join(", ");
    let found = value.unwrap_or("nothing");
    value
        .and_then(|value| Backend::from_str(value, false).ok())
        .ok_or_else(|| format!("{whence}: expected one of {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn of_run(line: &str) -> Result<Backend, String> {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/rner/recipes");
        backend_of_run(&arguments(line), &recipes)
    }

    #[test]
    fn the_backend_is_found_wherever_it_stands() {
        let backend = |line: &str| backend_of(&arguments(line));
        assert_eq!(backend("--smoke"), Ok(Backend::Flex));
        assert_eq!(backend("--smoke --backend cuda"), Ok(Backend::Cuda));
        assert_eq!(backend("--backend=libtorch -v"), Ok(Backend::LibTorch));
        assert_eq!(backend("-- --backend cuda"), Ok(Backend::Flex));
    }

    #[test]
    fn an_unknown_or_missing_backend_is_refused_before_the_build() {
        let backend = |line: &str| backend_of(&arguments(line));
        let message = backend("--backend cude").expect_err("it is unknown");
        assert!(
            message.contains("flex, libtorch, cuda, vulkan") && message.ends_with("found cude")
        );
        assert!(backend("--smoke --backend").is_err());
        assert!(of_run("--set run.backend=cude").is_err());
    }

    #[test]
    fn a_run_is_built_for_the_backend_of_its_recipe() {
        for (line, backend) in [
            ("", Backend::Flex),
            ("--smoke", Backend::Flex),
            ("--profile tiny", Backend::Flex),
            ("--profile paper-8b", Backend::Cuda),
            ("--profile=qwen3-1.7b --dry-run", Backend::Cuda),
            ("--profile qwen3-0.6b-lora", Backend::Cuda),
            ("--profile paper-8b --backend flex", Backend::Flex),
            ("--profile tiny --set run.backend=vulkan", Backend::Vulkan),
            ("--set=run.backend=\"cuda\"", Backend::Cuda),
            ("--backend flex --set run.backend=cuda", Backend::Flex),
            // The program says what is wrong with it.
            ("--profile no-such-profile", Backend::Flex),
        ] {
            assert_eq!(of_run(line), Ok(backend), "{line}");
        }
    }

    #[test]
    fn a_recipe_of_ones_own_builds_on_others() -> std::io::Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-choice-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let own = |text: &str| {
            std::fs::write(dir.join("own.toml"), text)?;
            let line = format!("--profile {}", dir.join("own.toml").display());
            std::io::Result::Ok(of_run(&line))
        };
        std::fs::write(dir.join("below.toml"), "extends = \"tiny\"\n")?;
        assert_eq!(own("extends = \"below.toml\"\n")?, Ok(Backend::Flex));
        assert_eq!(own("[data]\nlimit = 3\n")?, Ok(Backend::Cuda));
        assert_eq!(own("[run]\nbackend = \"vulkan\"\n")?, Ok(Backend::Vulkan));
        assert_eq!(own("extends = \"own.toml\"\n")?, Ok(Backend::Flex));
        std::fs::remove_dir_all(&dir)
    }
}
