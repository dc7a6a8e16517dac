//! A model with exact rotary frequencies and, if its file is BF16, with rounded ones.
//!
//! Converting a whole model to BF16 also rounds its table of rotary frequencies, so reference values
//! of a BF16 checkpoint come in two kinds, and nothing in the files says which. Exact frequencies are
//! tried first; the rounded ones count only where the exact ones fail, and the line then says so.

use anyhow::Result;
use burn::tensor::backend::Backend;
use lm_kernels::LmOps;
use lm_model::{Qwen3, WeightDtype};

use super::compare::Comparison;

/// What a line says that holds with rounded frequencies only.
pub(super) const ROUNDED: &str = "with rotary frequencies rounded to bf16";

/// What that means.
pub(super) const EXPLANATION: &str = "some reference values are those of rotary frequencies rounded to \
bf16, as a model has that was converted as a whole; transformers' from_pretrained keeps them in single \
precision, and so does this program outside this comparison";

/// One model in one or two precisions of its rotary frequencies.
pub(super) struct Models<B: Backend> {
    exact: Qwen3<B>,
    rounded: Option<Qwen3<B>>,
}

impl<B: LmOps> Models<B> {
    /// Both kinds for a checkpoint in BF16, else the exact one.
    pub(super) fn new(exact: Qwen3<B>) -> Self {
        let is_bf16 = exact.config().dtype == Some(WeightDtype::Bfloat16);
        let rounded = is_bf16.then(|| exact.clone().with_bf16_rotary());
        Self { exact, rounded }
    }

    /// The model as it is loaded.
    pub(super) fn exact(&self) -> &Qwen3<B> {
        &self.exact
    }

    /// Makes a comparison with exact frequencies, and if it fails with rounded ones.
    pub(super) fn compare(
        &self,
        check: impl Fn(&Qwen3<B>) -> Result<Comparison>,
    ) -> Result<Comparison> {
        let [one] = self.compare_all(|model| Ok([check(model)?]))?;
        Ok(one)
    }

    /// Makes several comparisons at once, which hold together or not.
    pub(super) fn compare_all<const N: usize>(
        &self,
        check: impl Fn(&Qwen3<B>) -> Result<[Comparison; N]>,
    ) -> Result<[Comparison; N]> {
        let exact = check(&self.exact)?;
        let Some(rounded) = &self.rounded else {
            return Ok(exact);
        };
        if exact.iter().all(Comparison::holds) {
            return Ok(exact);
        }
        let rounded = check(rounded)?;
        if rounded.iter().all(Comparison::holds) {
            Ok(rounded.map(|comparison| comparison.with_note(ROUNDED)))
        } else {
            Ok(exact)
        }
    }
}
