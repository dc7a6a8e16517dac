//! What one pass through the model runs, and what may be drawn after it.

use std::collections::VecDeque;

use burn::tensor::Tensor;
use lm_kernels::LmOps;
use lm_kernels::ops::CacheRow;
use lm_kernels::sampling::SampleRow;
use lm_model::{ModelCache, Qwen3};

use crate::sequence::Sequence;

/// A sequence for which a token is to be drawn.
pub(crate) struct Growing {
    /// The row of the logits.
    pub(crate) row: usize,
    pub(crate) sequence: Sequence,
    /// Tokens whose keys and values are cached already, and after each of which the logits have the next row.
    pub(crate) draft: VecDeque<u32>,
    /// What is drawn from this row and those of the draft, if everything is allowed.
    pub(crate) ahead: VecDeque<Ahead>,
}

/// A token that was drawn of all tokens, and how.
pub(crate) struct Ahead {
    pub(crate) how: SampleRow,
    pub(crate) id: u32,
    pub(crate) log_prob: f32,
}

impl Growing {
    /// Without a draft.
    pub(crate) fn at(row: usize, sequence: Sequence) -> Self {
        Self {
            row,
            sequence,
            draft: VecDeque::new(),
            ahead: VecDeque::new(),
        }
    }

    /// Goes on to the next row if the token that was drawn is that of the draft; whether it did.
    pub(crate) fn follows(&mut self, drawn: u32) -> bool {
        let is_right = self.draft.pop_front() == Some(drawn);
        if is_right {
            self.row += 1;
            self.sequence.cached += 1;
        }
        is_right
    }
}

/// What the model said.
pub(crate) struct Step<B: LmOps> {
    /// `[rows, V]`, behind which come those of what enters.
    pub(crate) logits: Tensor<B, 2>,
    /// Rows of the sequences that grow.
    pub(crate) rows: usize,
    pub(crate) growing: Vec<Growing>,
}

/// The tokens of a pass.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) ids: Vec<u32>,
    pub(crate) rows: Vec<CacheRow>,
}

impl Batch {
    /// Adds the last token of a sequence and its draft; gives the row of the logits after the first.
    pub(crate) fn grows(&mut self, sequence: &Sequence, draft: &[u32]) -> usize {
        let row = self.ids.len();
        self.ids.extend(sequence.ids.last());
        self.ids.extend(draft);
        self.rows.push(CacheRow {
            slot: sequence.slot,
            start: sequence.cached,
            len: 1 + draft.len(),
        });
        row
    }

    /// The logits after each of the first `growing` tokens, and after the last token of each row behind them.
    pub(crate) fn run<B: LmOps>(
        &self,
        model: &Qwen3<B>,
        growing: usize,
        cache: &mut ModelCache<B>,
    ) -> Tensor<B, 2> {
        let asked = self.asked(growing);
        // Without a draft there is a row of logits for each row of tokens.
        if asked.len() == self.rows.len() {
            return model.decode(&self.ids, &self.rows, cache);
        }
        model.decode_at(&self.ids, &self.rows, &asked, cache)
    }

    fn asked(&self, growing: usize) -> Vec<u32> {
        let ends = self.rows.iter().scan(0, |end, row| {
            *end += row.len;
            Some(*end)
        });
        let entering = ends.filter(|end| *end > growing).map(|end| end - 1);
        (0..growing).chain(entering).map(|at| at as u32).collect()
    }
}
