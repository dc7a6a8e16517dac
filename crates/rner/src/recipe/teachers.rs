//! Teachers and judges that there are today, as files of `[cot]` keys that are laid over a profile.

use toml::{Table, Value};

use super::error::{RecipeError, range};

/// Name and text of every embedded teacher.
pub const TEACHERS: [(&str, &str); 5] = [
    (
        "deepseek",
        include_str!("../../recipes/teachers/deepseek.toml"),
    ),
    (
        "deepseek-flash",
        include_str!("../../recipes/teachers/deepseek-flash.toml"),
    ),
    ("vllm", include_str!("../../recipes/teachers/vllm.toml")),
    ("sglang", include_str!("../../recipes/teachers/sglang.toml")),
    ("ollama", include_str!("../../recipes/teachers/ollama.toml")),
];

/// The keys of a teacher, by its name or from a file.
///
/// # Errors
/// A name that is neither known nor a file, a file that cannot be read or has other sections than `[cot]`.
pub(super) fn table(name: &str) -> Result<Table, RecipeError> {
    let embedded = TEACHERS.iter().find(|(known, _)| *known == name);
    let text = match embedded {
        Some((_, text)) => (*text).to_owned(),
        None => read(name)?,
    };
    let table = text.parse::<Table>();
    let table = table.map_err(|e| RecipeError::invalid(name, &e))?;
    let other = table
        .iter()
        .find(|(section, value)| *section != "cot" || !matches!(value, Value::Table(_)));
    let found = other.map_or("", |(section, _)| section.as_str());
    range(
        "--teacher",
        found,
        other.is_none(),
        "a file with the section [cot] alone",
    )?;
    Ok(table)
}

fn read(name: &str) -> Result<String, RecipeError> {
    if !name.ends_with(".toml") {
        let known: Vec<&str> = TEACHERS.iter().map(|(name, _)| *name).collect();
        return Err(RecipeError::UnknownTeacher {
            name: name.to_owned(),
            known: known.join(", "),
        });
    }
    std::fs::read_to_string(name).map_err(|source| RecipeError::Read {
        path: name.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;
    use super::*;

    #[test]
    fn every_teacher_is_laid_over_a_profile_and_keeps_its_other_keys() -> Result<(), RecipeError> {
        for (name, _) in TEACHERS {
            // Servers of one's own have whatever model they were started with.
            let sets = ["cot.teacher_model=t".into(), "cot.judge_model=j".into()];
            let recipe = Recipe::resolve_with("tiny", Some(name), &sets)?;
            assert!(recipe.cot.teacher().is_some(), "{name}");
            // What cuts a teacher that thinks off loses its answers.
            assert!(recipe.cot.max_tokens >= 8192, "{name}");
            assert_eq!(
                (recipe.cot.attempts, recipe.data.train.as_str()),
                (4, "tiny"),
                "{name}"
            );
        }
        Ok(())
    }

    #[test]
    fn an_unknown_teacher_names_those_that_are_known() {
        let refused = |name: &str| {
            let error = Recipe::resolve_with("tiny", Some(name), &[]).expect_err("unknown");
            error.to_string()
        };
        assert!(refused("deepsek").contains("deepseek-flash"));
        assert!(refused("absent.toml").contains("absent.toml"));
    }
}
