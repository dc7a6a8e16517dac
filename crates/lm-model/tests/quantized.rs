//! Models whose matrices are kept in 8 bits.

mod common;

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::DType;
use common::{Cpu, distance, tiny, values};
use lm_kernels::ops::CacheRow;
use lm_model::{QUANTIZED_BLOCK, Qwen3, Qwen3Config};

/// Its output projection has 48 inputs, no multiple of a block; all other matrices have 64 or 128.
fn model(tied: bool) -> Qwen3<Cpu> {
    let config = Qwen3Config {
        hidden_size: QUANTIZED_BLOCK,
        intermediate_size: 2 * QUANTIZED_BLOCK,
        initializer_range: 0.1,
        ..tiny(tied)
    };
    config.init(&Default::default(), 11)
}

const IDS: [u32; 9] = [5, 80, 13, 13, 2, 41, 96, 0, 7];

fn logits(model: &Qwen3<Cpu>) -> Vec<f32> {
    values(model.logits(&model.pack(&[&IDS])))
}

/// Parameters of two dimensions: in 8 bits, and not.
#[derive(Default)]
struct Count([usize; 2]);

impl ModuleVisitor<Cpu> for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Cpu, D>>) {
        let is_wide = !matches!(param.val().dtype(), DType::QFloat(_));
        assert!(is_wide || D == 2, "a gain in 8 bits");
        self.0[usize::from(is_wide)] += usize::from(D == 2);
    }
}

#[test]
fn every_matrix_that_can_be_is_narrowed_and_says_almost_the_same() {
    for tied in [false, true] {
        let model = model(tied);
        let narrow = model.clone().quantized();
        let mut count = Count::default();
        narrow.visit(&mut count);
        // Two layers of seven projections, of which one each stays, the embedding and an untied head.
        assert_eq!(count.0, [2 * 6 + 1 + usize::from(!tied), 2], "tied: {tied}");
        let (expected, found) = (logits(&model), logits(&narrow));
        let size = expected.iter().fold(0.0_f32, |size, x| size.max(x.abs()));
        let far = distance(&found, &expected);
        assert!(far > 0.0 && far < 0.03 * size, "{far} of {size}");
    }
}

#[test]
fn decoding_equals_the_full_pass() {
    let model = model(true).quantized();
    let expected = logits(&model);
    let mut cache = model.new_cache(1, IDS.len());
    let vocab = model.config().vocab_size;
    for (i, id) in IDS.iter().enumerate() {
        let row = CacheRow {
            slot: 0,
            start: i,
            len: 1,
        };
        let found = values(model.decode(&[*id], &[row], &mut cache));
        let far = distance(&found, &expected[i * vocab..][..vocab]);
        assert!(far < 1e-4, "token {i}: {far}");
    }
}

#[test]
fn widening_the_values_again_changes_nothing() {
    let narrow = model(false).quantized();
    let widen = |param: Param<Tensor<Cpu, 2>>| param.map(Tensor::dequantize);
    let head = widen(narrow.head_parameter().clone()).val();
    let x = Tensor::<Cpu, 2>::ones([3, QUANTIZED_BLOCK], &Default::default());
    let [a, b] = [narrow.head(), head].map(|head| values(lm_kernels::ops::linear(x.clone(), head)));
    assert!(distance(&a, &b) < 1e-5);
}
