//! Whether a server's log-probabilities are those of the policy.

use burn::tensor::{Int, Tensor, TensorData};
use lm_generate::{Generated, Request};
use lm_kernels::LmOps;
use lm_model::Qwen3;

use super::RemoteError;

/// Completions that are compared, the first of as many requests.
const COMPARED: usize = 4;

/// Compares a few completions.
///
/// # Errors
/// [`RemoteError::Disagrees`] if the mean absolute difference is larger than `tolerance`, or no number.
pub(super) fn check<B: LmOps>(
    policy: &Qwen3<B>,
    requests: &[Request],
    groups: &[Vec<Generated>],
    tolerance: f64,
) -> Result<(), RemoteError> {
    let (mut sum, mut tokens) = (0.0, 0);
    for (request, group) in requests.iter().zip(groups).take(COMPARED) {
        let Some(first) = group.first() else {
            continue;
        };
        let own = log_probs(policy, request, &first.ids);
        let differences = own.iter().zip(&first.log_probs);
        sum += differences
            .map(|(own, other)| f64::from((own - other).abs()))
            .sum::<f64>();
        tokens += own.len();
    }
    let mean = sum / tokens.max(1) as f64;
    tracing::debug!(mean, tokens, "the server's log-probabilities");
    if mean <= tolerance {
        return Ok(());
    }
    Err(RemoteError::Disagrees {
        mean,
        tokens,
        tolerance,
    })
}

/// The policy's log-probabilities of a completion, at the temperature of the request.
fn log_probs<B: LmOps>(policy: &Qwen3<B>, request: &Request, completion: &[u32]) -> Vec<f32> {
    let start = request.prompt.len();
    let ids: Vec<u32> = [&request.prompt, completion].concat();
    let batch = policy.pack(&[&ids[..ids.len() - 1]]);
    let device = policy.device();
    let ints = |values: Vec<i64>| {
        let shape = [values.len()];
        Tensor::<B, 1, Int>::from_data(TensorData::new(values, shape), &device)
    };
    let rows = ints((start - 1..ids.len() - 1).map(|row| row as i64).collect());
    let targets = ints(completion.iter().map(|id| i64::from(*id)).collect());
    // Greedy decoding reports probabilities at temperature 1.
    let temperature = match request.sampling.temperature {
        0.0 => 1.0,
        temperature => temperature,
    };
    let scored = policy.log_probs(&batch, rows, targets, temperature);
    scored.log_probs.into_data().iter::<f32>().collect()
}
