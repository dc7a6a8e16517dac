//! What the trainer asks of the task: a score for a completion, and the text of its tokens.

use lm_model::ChatTokenizer;

use crate::Error;

/// A completion to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewardItem<'a> {
    /// Index into the prompts given to [`train_grpo`](crate::train_grpo).
    pub prompt_index: usize,
    /// The completion's text, see [`TextDecoder`].
    pub completion: &'a str,
}

/// The score of a completion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RewardValue {
    /// What the policy is trained to raise; finite.
    pub total: f64,
    /// Named components for the metrics `rewards/<name>/mean` and `rewards/<name>/std`. They do not enter the training;
    /// a name may be absent from some completions.
    pub parts: Vec<(String, f64)>,
}

/// Scores completions.
pub trait Reward {
    /// Exactly one value per item, in their order. Items of one group are adjacent.
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue>;
}

/// Turns the tokens of a completion into the text that the reward sees.
pub trait TextDecoder {
    /// The text of `ids`, without end markers.
    fn text(&self, ids: &[u32]) -> String;

    /// The tokens that end a completion.
    fn stop_ids(&self) -> Vec<u32>;
}

impl TextDecoder for ChatTokenizer {
    fn text(&self, ids: &[u32]) -> String {
        self.decode(ids)
    }

    fn stop_ids(&self) -> Vec<u32> {
        ChatTokenizer::stop_ids(self)
    }
}

/// Scores `items` and checks what comes back.
pub(crate) fn score(
    reward: &dyn Reward,
    items: &[RewardItem<'_>],
    step: usize,
) -> Result<Vec<RewardValue>, Error> {
    let values = reward.score(items);
    if values.len() != items.len() {
        return Err(Error::RewardCount {
            step,
            expected: items.len(),
            found: values.len(),
        });
    }
    match values
        .iter()
        .zip(items)
        .find(|(value, _)| !value.total.is_finite())
    {
        Some((value, item)) => Err(Error::RewardNotFinite {
            step,
            prompt: item.prompt_index,
            value: value.total,
        }),
        None => Ok(values),
    }
}
