//! Groups of completions: asking the engine for them, checking what it returns, scoring.

use std::time::Instant;

use lm_generate::{Finish, Generated, Progress, Request, Sampling};
use lm_kernels::LmOps;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::choices::EngineCorrection;
use crate::config::GrpoConfig;
use crate::environment::Environment;
use crate::error::{Error, Scoring};
use crate::metrics::{CompletionRow, Observer, Seconds};
use crate::reward::{RewardItem, RewardValue, score};

/// A completion that was sampled and scored.
pub(crate) struct Scored {
    pub(crate) text: String,
    pub(crate) generated: Generated,
    pub(crate) reward: RewardValue,
}

impl Scored {
    /// Whether it ran into the length limit.
    pub(crate) fn truncated(&self) -> bool {
        self.generated.finish == Finish::Length
    }

    pub(crate) fn row(&self, prompt_index: usize, advantage: f64) -> CompletionRow<'_> {
        CompletionRow {
            prompt_index,
            completion: &self.text,
            reward: &self.reward,
            advantage,
            truncated: self.truncated(),
        }
    }
}

/// The completions of one prompt.
pub(crate) struct Group {
    pub(crate) prompt: usize,
    pub(crate) members: Vec<Scored>,
}

/// The total rewards of all completions, group after group.
pub(crate) fn totals(groups: &[Group]) -> Vec<f64> {
    let members = groups.iter().flat_map(|group| &group.members);
    members.map(|scored| scored.reward.total).collect()
}

/// How completions are asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    /// Completions of each prompt.
    pub(crate) n: usize,
    pub(crate) temperature: f64,
    pub(crate) max_new_tokens: usize,
    /// Whether log-probabilities must come with them.
    pub(crate) log_probs: bool,
    /// For errors.
    pub(crate) at: Scoring,
}

impl Asking {
    /// As the training of step `step` (from 1) wants them.
    pub(crate) fn to_train(config: &GrpoConfig, step: usize) -> Self {
        Self {
            n: config.group_size,
            temperature: config.temperature,
            max_new_tokens: config.max_completion_length,
            log_probs: config.engine_correction != EngineCorrection::None,
            at: Scoring::Step(step),
        }
    }

    /// One each, always the most probable token.
    pub(crate) fn to_evaluate(config: &GrpoConfig, steps: usize) -> Self {
        Self {
            n: 1,
            temperature: 0.0,
            max_new_tokens: config.max_completion_length,
            log_probs: false,
            at: Scoring::Evaluation(steps),
        }
    }

    /// The step for errors of the engine.
    fn step(self) -> usize {
        match self.at {
            Scoring::Step(step) | Scoring::Evaluation(step) => step,
        }
    }
}

/// Samples and scores completions of prompts, each given with its seed, and adds the time that it took to `seconds`;
/// `None` if the run is stopped.
pub(crate) fn sample_groups<B: LmOps>(
    environment: &mut Environment<'_, B>,
    policy: &Qwen3<B>,
    picked: &[(usize, u64)],
    asking: Asking,
    seconds: &mut Seconds,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<Group>>, Error> {
    let started = Instant::now();
    let generated = generate(environment, policy, picked, asking, stop, observer)?;
    seconds.rollout += started.elapsed().as_secs_f64();
    let Some(generated) = generated else {
        return Ok(None);
    };
    let started = Instant::now();
    let groups = score_groups(environment, picked, generated, asking)?;
    seconds.reward += started.elapsed().as_secs_f64();
    Ok(Some(groups))
}

fn generate<B: LmOps>(
    environment: &mut Environment<'_, B>,
    policy: &Qwen3<B>,
    picked: &[(usize, u64)],
    asking: Asking,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<Vec<Generated>>>, Error> {
    let requests = requests(environment, picked, asking);
    let engine = &mut environment.engine;
    let groups = engine.rollout(policy, &requests, stop, &mut Decoding(observer));
    // Also if the engine was done before it noticed: a run that is stopped can sample the same again.
    if stop.is_cancelled() {
        return Ok(None);
    }
    let step = asking.step();
    let groups = groups.map_err(|source| Error::Rollout { step, source })?;
    check_groups(&requests, &groups, asking, policy.config().vocab_size)?;
    Ok(Some(groups))
}

/// Passes the progress of a rollout on.
struct Decoding<'a>(&'a mut dyn Observer);

impl lm_generate::Observer for Decoding<'_> {
    fn on_step(&mut self, progress: Progress) {
        self.0.on_progress(progress);
    }
}

fn requests<B: LmOps>(
    environment: &Environment<'_, B>,
    picked: &[(usize, u64)],
    asking: Asking,
) -> Vec<Request> {
    let stop = environment.decoder.stop_ids();
    let request = |&(prompt, seed): &(usize, u64)| Request {
        prompt: environment.prompts[prompt].ids.clone(),
        n: asking.n,
        sampling: Sampling {
            max_new_tokens: asking.max_new_tokens,
            temperature: asking.temperature,
            stop: stop.clone(),
            seed,
            // Nothing else: cutting the distribution would bias the ratio by the mass that is cut off.
            ..Sampling::default()
        },
    };
    picked.iter().map(request).collect()
}

fn score_groups<B: LmOps>(
    environment: &Environment<'_, B>,
    picked: &[(usize, u64)],
    generated: Vec<Vec<Generated>>,
    asking: Asking,
) -> Result<Vec<Group>, Error> {
    let decoder = environment.decoder;
    let of_group = |group: &Vec<Generated>| -> Vec<String> {
        let text = |generated: &Generated| decoder.text(&generated.ids);
        group.iter().map(text).collect()
    };
    let texts: Vec<Vec<String>> = generated.iter().map(of_group).collect();
    let mut items = Vec::new();
    for ((prompt, _), group) in picked.iter().zip(&texts) {
        items.extend(group.iter().map(|completion| RewardItem {
            prompt_index: *prompt,
            completion,
        }));
    }
    let mut rewards = score(environment.reward, &items, asking.n, asking.at)?.into_iter();
    let group = |((&(prompt, _), generated), texts): ((&(usize, u64), Vec<Generated>), _)| Group {
        prompt,
        members: members(generated, texts, &mut rewards),
    };
    Ok(picked.iter().zip(generated).zip(texts).map(group).collect())
}

/// Takes as many rewards as there are completions.
fn members(
    generated: Vec<Generated>,
    texts: Vec<String>,
    rewards: &mut impl Iterator<Item = RewardValue>,
) -> Vec<Scored> {
    let scored = generated.into_iter().zip(texts).zip(rewards);
    scored
        .map(|((generated, text), reward)| Scored {
            text,
            generated,
            reward,
        })
        .collect()
}

/// Checks that the engine returned what was asked for.
fn check_groups(
    requests: &[Request],
    groups: &[Vec<Generated>],
    asking: Asking,
    vocab: usize,
) -> Result<(), Error> {
    if groups.len() != requests.len() {
        let expected = format!("{} groups", requests.len());
        return Err(wrong(asking, expected, groups.len().to_string()));
    }
    for (i, (request, group)) in requests.iter().zip(groups).enumerate() {
        if group.len() != request.n {
            let expected = format!("{} completions in group {i}", request.n);
            return Err(wrong(asking, expected, group.len().to_string()));
        }
        for generated in group {
            check_completion(generated, i, asking)?;
            if let Some(id) = other_token(&generated.ids, vocab) {
                let expected = format!("token ids below {vocab} in group {i}");
                return Err(wrong(asking, expected, id.to_string()));
            }
        }
    }
    Ok(())
}

fn check_completion(generated: &Generated, group: usize, asking: Asking) -> Result<(), Error> {
    let (tokens, values) = (generated.ids.len(), generated.log_probs.len());
    if tokens == 0 || (values != 0 && values != tokens) {
        let expected = format!(
            "completions of at least one token in group {group}, all or none with log-probabilities"
        );
        let found = format!("{tokens} tokens and {values} log-probabilities");
        return Err(wrong(asking, expected, found));
    }
    if asking.log_probs && values == 0 {
        let step = asking.step();
        return Err(Error::NoEngineLogProbs { step, group });
    }
    Ok(())
}

/// The first token that a vocabulary of this size does not have.
pub(crate) fn other_token(ids: &[u32], vocab: usize) -> Option<u32> {
    ids.iter().copied().find(|&id| id as usize >= vocab)
}

fn wrong(asking: Asking, expected: String, found: String) -> Error {
    Error::RolloutShape {
        step: asking.step(),
        expected,
        found,
    }
}
