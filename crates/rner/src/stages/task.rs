//! Rows and recipe are of one task.

use ner_types::Example;

use crate::error::{Error, Result};
use crate::recipe::Recipe;

/// Refuses rows of another task than the recipe's, the first of them by its number.
pub fn check_task<'a>(
    recipe: &Recipe,
    examples: impl IntoIterator<Item = &'a Example>,
) -> Result<()> {
    let task = recipe.model.task;
    let mut examples = (1..).zip(examples);
    match examples.find(|(_, example)| example.task() != task) {
        None => Ok(()),
        Some((number, example)) => {
            let found = example.task();
            Err(Error::usage(format!(
                "row {number} is of {found}, expected one of {task}: --set model.task={found}, and all rows of one task"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_another_task_are_named() {
        let recipe = |sets: &[String]| Recipe::resolve("tiny", sets).expect("a recipe");
        let (plain, relations) = (
            Example::default(),
            Example {
                relations: Some(Vec::new()),
                ..Example::default()
            },
        );
        let rows = [plain.clone(), relations.clone()];
        let error = check_task(&recipe(&[]), &rows).expect_err("two tasks");
        let words = "row 2 is of relations, expected one of entities: --set model.task=relations";
        assert!(
            error.is_usage() && error.to_string().contains(words),
            "{error}"
        );
        check_task(&recipe(&["model.task=relations".into()]), &[relations]).expect("one task");
        check_task(&recipe(&[]), &[plain]).expect("one task");
    }
}
