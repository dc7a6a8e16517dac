//! Where downloads are kept for all runs of a user.

use std::path::{Path, PathBuf};

/// The folder of downloaded datasets: `$RNER_DATA`, else `rner/data` in `$XDG_CACHE_HOME`, else in `~/.cache`.
pub fn default_cache() -> PathBuf {
    from_variables(|name| std::env::var(name).ok())
}

fn from_variables(read: impl Fn(&str) -> Option<String>) -> PathBuf {
    let read = |name| read(name).filter(|value| !value.is_empty());
    if let Some(data) = read("RNER_DATA") {
        return data.into();
    }
    let caches = read("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = caches.or_else(|| Some(Path::new(&read("HOME")?).join(".cache")));
    caches.unwrap_or_else(std::env::temp_dir).join("rner/data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_users_choice_or_a_cache() {
        let check = |variables: &[(&str, &str)], expected: &str| {
            let found = from_variables(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(found, Path::new(expected));
        };
        check(&[("RNER_DATA", "/d"), ("XDG_CACHE_HOME", "/c")], "/d");
        check(
            &[("RNER_DATA", ""), ("XDG_CACHE_HOME", "/c"), ("HOME", "/h")],
            "/c/rner/data",
        );
        check(&[("HOME", "/h")], "/h/.cache/rner/data");
    }
}
