//! Flags about how much a model reasons.

use clap::Args;
use rner::reasoning::Reasoning;

/// How much a model reasons before it answers.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DialArgs {
    /// How much the model reasons: `full`, `short`, `none`, or at most N tokens, at which the reasoning is closed and
    /// the answer follows. Left out, it does as it likes.
    #[arg(long, value_name = "full|short|none|N")]
    pub(crate) reasoning: Option<Reasoning>,
}

impl DialArgs {
    /// The flag, if it was typed.
    pub(super) fn typed(&self) -> Vec<&'static str> {
        self.reasoning.iter().map(|_| "--reasoning").collect()
    }

    /// The flag as an override of a recipe.
    pub(crate) fn sets(&self) -> Vec<String> {
        let set = |reasoning: &Reasoning| format!("eval.reasoning={reasoning}");
        self.reasoning.iter().map(set).collect()
    }
}
