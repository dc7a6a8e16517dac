//! Choosing tokens.

use burn::tensor::{DType, Int, Tensor, backend::Backend};

use super::check_eq;
use crate::{
    convert::{ints, primitive, tensor},
    lm_ops::LmOps,
    sampling::SampleRow,
};

/// What [`sample`] returns.
#[derive(Clone, Debug)]
pub struct Drawn<B: Backend> {
    /// The tokens, `[R]`. That of a row whose logits form no distribution is meaningless.
    pub ids: Tensor<B, 1, Int>,
    /// Natural-log probability of each at the row's temperature (at temperature 1 when greedy) over all logits, before
    /// the repetition penalty, top-k, top-p and min-p, `[R]`, in single precision. Not finite for a row of which a
    /// logit is NaN or +∞ or all are −∞.
    pub log_probs: Tensor<B, 1>,
}

/// Draws one token from each row of logits, where the logits lie: only the tokens need to travel.
///
/// The logits are taken in single precision. No gradient flows through it.
///
/// # Shapes
/// `logits [R, V]`, as many `rows` → `[R]` twice
pub fn sample<B: LmOps>(logits: Tensor<B, 2>, rows: &[SampleRow]) -> Drawn<B> {
    let [count, vocab] = logits.dims();
    check_eq("sample", "rows", rows.len(), count);
    assert!(vocab > 0, "sample: expected at least one token, found none");
    let cuts_all = |row: &SampleRow| row.params.top_k == Some(0);
    assert!(
        !rows.iter().any(cuts_all),
        "sample: top_k: expected at least 1, found 0"
    );
    let logits = logits.cast(DType::F32);
    let (ids, log_probs) = B::lm_sample(primitive(logits), rows);
    Drawn {
        ids: ints(ids),
        log_probs: tensor(log_probs),
    }
}
