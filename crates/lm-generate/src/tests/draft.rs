//! Drafts save steps and change nothing.

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, s};
use lm_model::Qwen3Config;

use super::generator::{VOCAB, generate, ids, mixed, never, prompt, tiny};
use crate::{
    Error, Generated, Generator, History, Lookup, NewToken, Observer, Progress, Request, Sampling,
    TokenMask,
};

/// Drafts from what the completions are known to be, with some of it wrong.
struct Oracle {
    truth: Vec<Vec<Generated>>,
    /// How many tokens each sample has.
    lengths: Vec<Vec<usize>>,
    /// Every so many tokens of a draft one is wrong; 0 for never.
    wrong_every: usize,
    longest: usize,
    steps: usize,
}

impl Oracle {
    fn new(truth: &[Vec<Generated>], wrong_every: usize, longest: usize) -> Self {
        Self {
            lengths: truth.iter().map(|group| vec![0; group.len()]).collect(),
            truth: truth.to_vec(),
            wrong_every,
            longest,
            steps: 0,
        }
    }
}

impl Observer for Oracle {
    fn on_token(&mut self, token: NewToken) -> std::ops::ControlFlow<()> {
        self.lengths[token.request][token.sample] += 1;
        std::ops::ControlFlow::Continue(())
    }

    fn draft(&mut self, request: usize, sample: usize, _most: usize) -> Vec<u32> {
        let done = self.lengths[request][sample];
        let rest = self.truth[request][sample]
            .ids
            .iter()
            .enumerate()
            .skip(done);
        let spoilt = |at: usize| self.wrong_every > 0 && at.is_multiple_of(self.wrong_every);
        let draft = rest.map(|(at, id)| if spoilt(at) { (id + 1) % 61 } else { *id });
        // Beyond the end, and outside of the vocabulary.
        draft.chain([3, 9, 61, 1]).take(self.longest).collect()
    }

    fn on_step(&mut self, _progress: Progress) {
        self.steps += 1;
    }
}

#[test]
fn completions_are_the_same_with_drafts_of_any_kind() {
    let model = tiny();
    let plain = generate(&model, 5, &mixed());
    let mut steps = Vec::new();
    for (wrong_every, longest) in [(0, 0), (0, 3), (0, 30), (3, 8), (1, 4)] {
        for max_batch in [1, 5, 64] {
            let mut oracle = Oracle::new(&plain, wrong_every, longest);
            let groups = Generator::new(&model, max_batch)
                .generate(&mixed(), &never(), &mut oracle)
                .expect("valid requests");
            assert_eq!(
                ids(&groups),
                ids(&plain),
                "{wrong_every} {longest} {max_batch}"
            );
            for (one, plain) in groups.iter().flatten().zip(plain.iter().flatten()) {
                assert_eq!(one.finish, plain.finish);
                for (a, b) in one.log_probs.iter().zip(&plain.log_probs) {
                    assert!((a - b).abs() < 1e-4, "{a} {b}");
                }
            }
            if max_batch == 1 {
                steps.push(oracle.steps);
            }
        }
    }
    let [none, three, many, some, wrong] = steps[..] else {
        panic!("{steps:?}")
    };
    assert!(many < three && three < none && some < none, "{steps:?}");
    assert_eq!(
        wrong, none,
        "nothing is won by wrong drafts, and nothing lost"
    );
}

#[test]
fn a_lookup_finds_what_stood_before_and_changes_nothing() {
    let model = tiny();
    // Greedy completions of a small random model soon repeat themselves.
    let request = |salt| Request {
        prompt: prompt(6, salt),
        n: 2,
        sampling: Sampling {
            max_new_tokens: 60,
            ..Sampling::greedy()
        },
    };
    let requests: Vec<_> = (0..4).map(request).chain(mixed()).collect();
    let plain = generate(&model, 4, &requests);
    for max_batch in [1, 4] {
        let mut history = History::new();
        let mut lookup = Lookup::new(&requests, &mut history, ());
        let groups = Generator::new(&model, max_batch)
            .generate(&requests, &never(), &mut lookup)
            .expect("valid requests");
        assert_eq!(ids(&groups), ids(&plain));
        let counts = lookup.counts();
        assert!(
            counts.right > 100 && counts.right <= counts.drafted,
            "{counts:?}"
        );
        let tokens: usize = plain.iter().flatten().map(|one| one.ids.len()).sum();
        // The first token of a sample comes with its prompt, in no step of the sample.
        let first = plain.iter().flatten().count();
        assert_eq!(counts.steps + counts.right + first, tokens, "{counts:?}");
    }
}

/// Makes one row of the embedding, which comes before the head, not a number.
struct Poison(bool);

impl ModuleMapper<Flex> for Poison {
    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Flex, D>>,
    ) -> Param<Tensor<Flex, D>> {
        if self.0 || param.dims().as_slice() != [VOCAB, 32] {
            return param;
        }
        self.0 = true;
        param.map(|weights| weights.slice_fill(s![POISONED..POISONED + 1], f32::NAN))
    }
}

const POISONED: usize = 60;

/// Dictates a token to each sample, and drafts it.
struct Dictate;

impl Observer for Dictate {
    fn allowed(&mut self, _request: usize, sample: usize) -> Option<TokenMask> {
        Some(TokenMask::of([[5, POISONED as u32][sample]]))
    }

    fn draft(&mut self, _request: usize, sample: usize, _most: usize) -> Vec<u32> {
        vec![5; 3 * usize::from(sample == 0)]
    }
}

#[test]
fn a_draft_of_a_request_that_fails_beside_it_is_forgotten() {
    let config = Qwen3Config {
        tie_word_embeddings: false,
        ..tiny().config().clone()
    };
    let model = config.init::<Flex>(&Default::default(), 11);
    let model = model.map(&mut Poison(false));
    let request = Request {
        prompt: prompt(4, 1),
        n: 2,
        sampling: Sampling {
            max_new_tokens: 9,
            ..Sampling::greedy()
        },
    };
    let mut generator = Generator::new(&model, 2);
    let error = generator.generate(&[request], &never(), &mut Dictate);
    let error = error.expect_err("the second sample has no distribution");
    assert!(
        matches!(
            error,
            Error::NonFiniteLogits {
                request: 0,
                sample: 1,
                token: 1
            }
        ),
        "{error}"
    );
}
