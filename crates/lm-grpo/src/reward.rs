//! What the trainer asks of the task: a score for a completion, and the text of its tokens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lm_model::ChatTokenizer;

use crate::error::{Error, Place, Scoring};

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
    /// a name may be absent from some completions. Finite.
    pub parts: Vec<(String, f64)>,
}

/// A score without components.
impl From<f64> for RewardValue {
    fn from(total: f64) -> Self {
        Self {
            total,
            parts: Vec::new(),
        }
    }
}

/// Scores completions. With [`one_step_off_policy`](crate::GrpoConfig::one_step_off_policy) it does so on another
/// thread.
pub trait Reward: Sync {
    /// Exactly one value per item, in their order. Items of one group are adjacent.
    ///
    /// Another number of values, numbers that are not finite and panics end the run with an error that names prompt and
    /// completion. To find the completion that makes it panic, the reward is asked again for single items.
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue>;
}

/// Turns the tokens of a completion into the text that the reward sees.
pub trait TextDecoder: Sync {
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

/// Scores `items`, groups of `group_size` end to end, and checks what comes back.
pub(crate) fn score(
    reward: &dyn Reward,
    items: &[RewardItem<'_>],
    group_size: usize,
    at: Scoring,
) -> Result<Vec<RewardValue>, Error> {
    let place = |i: usize| place(items, group_size, i);
    let values = caught(reward, items).map_err(|message| Error::RewardPanicked {
        at,
        message,
        place: first_to_panic(reward, items).map(place),
    })?;
    if values.len() != items.len() {
        let (expected, found) = (items.len(), values.len());
        return Err(Error::RewardCount {
            at,
            expected,
            found,
            first_without: (found < expected).then(|| place(found)),
        });
    }
    for (i, value) in values.iter().enumerate() {
        if let Some((part, value)) = not_finite(value) {
            return Err(Error::RewardNotFinite {
                at,
                place: place(i),
                value,
                part,
            });
        }
    }
    Ok(values)
}

/// The values, or what the panic said. A reward that has panicked is not asked again except to find the reason, so a
/// state that the panic left behind does no harm.
fn caught(reward: &dyn Reward, items: &[RewardItem<'_>]) -> Result<Vec<RewardValue>, String> {
    catch_unwind(AssertUnwindSafe(|| reward.score(items))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        text.unwrap_or("something that is not text").to_owned()
    })
}

fn first_to_panic(reward: &dyn Reward, items: &[RewardItem<'_>]) -> Option<usize> {
    items
        .iter()
        .position(|item| caught(reward, &[*item]).is_err())
}

/// Characters of a completion that an error shows.
const SHOWN: usize = 80;

fn place(items: &[RewardItem<'_>], group_size: usize, i: usize) -> Place {
    Place {
        prompt: items[i].prompt_index,
        completion: i % group_size.max(1),
        beginning: items[i].completion.chars().take(SHOWN).collect(),
    }
}

/// The first number of a score that is not finite, with the name of its component.
fn not_finite(value: &RewardValue) -> Option<(Option<String>, f64)> {
    let parts = value.parts.iter().map(|(name, x)| (Some(name.clone()), *x));
    std::iter::once((None, value.total))
        .chain(parts)
        .find(|(_, x)| !x.is_finite())
}
