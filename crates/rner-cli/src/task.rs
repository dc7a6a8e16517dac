//! `--task`: what a model is asked to find.

use clap::{Args, ValueEnum};

/// What is looked for.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TaskArgs {
    /// What is looked for; that of the model if left out. A type may name its parts: `works for(person, organisation)`,
    /// `hire(employer, person)`; of events the parts are the roles, and there are no others.
    #[arg(long, value_enum)]
    task: Option<TaskArg>,
}

/// A task as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TaskArg {
    /// Texts of some types.
    Entities,
    /// Pairs of texts, head and tail.
    Relations,
    /// Events: a trigger, and arguments by role.
    Events,
}

impl TaskArgs {
    /// The flag as an override of a recipe.
    pub(crate) fn sets(&self) -> Vec<String> {
        let task = self.task.map(|task| match task {
            TaskArg::Entities => ner_types::Task::Entities,
            TaskArg::Relations => ner_types::Task::Relations,
            TaskArg::Events => ner_types::Task::Events,
        });
        let set = task.map(|task| format!("model.task={task}"));
        set.into_iter().collect()
    }
}
