//! Completions of which an observer says what may come next.

use super::generator::{generate, ids, mixed, never, prompt, tiny};
use crate::{Error, Generator, NewToken, Observer, Request, Sampling, TokenMask};

/// Allows a set to the requests of which the number is odd, or to all.
struct Only {
    mask: TokenMask,
    all: bool,
}

impl Observer for Only {
    fn allowed(&mut self, request: usize, _sample: usize) -> Option<TokenMask> {
        (self.all || request % 2 == 1).then(|| self.mask.clone())
    }
}

#[test]
fn a_mask_of_everything_changes_nothing() {
    let model = tiny();
    let mask = TokenMask::from_words(vec![u32::MAX; model.config().vocab_size.div_ceil(32)]);
    let mut observer = Only { mask, all: true };
    let groups = Generator::new(&model, 4).generate(&mixed(), &never(), &mut observer);
    let groups = groups.expect("valid requests");
    let plain = generate(&model, 4, &mixed());
    assert_eq!(ids(&groups), ids(&plain));
    for (group, plain) in groups.iter().flatten().zip(plain.iter().flatten()) {
        for (a, b) in group.log_probs.iter().zip(&plain.log_probs) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}

#[test]
fn only_what_is_allowed_is_drawn_and_neighbours_are_left_alone() {
    let model = tiny();
    let mask = TokenMask::of([3, 5, 7]);
    let plain = generate(&model, 8, &mixed());
    for max_batch in [1, 3, 64] {
        let mut observer = Only {
            mask: mask.clone(),
            all: false,
        };
        let groups = Generator::new(&model, max_batch).generate(&mixed(), &never(), &mut observer);
        let groups = groups.expect("valid requests");
        for (request, group) in groups.iter().enumerate() {
            if request % 2 == 1 {
                assert!(
                    group
                        .iter()
                        .flat_map(|one| &one.ids)
                        .all(|id| mask.allows(*id))
                );
            } else {
                assert_eq!(ids(&groups)[request], ids(&plain)[request]);
            }
        }
    }
}

/// Allows the tokens of a text, and then nothing.
struct Dictate(Vec<u32>, usize);

impl Observer for Dictate {
    fn on_token(&mut self, _token: NewToken) -> std::ops::ControlFlow<()> {
        self.1 += 1;
        std::ops::ControlFlow::Continue(())
    }

    fn allowed(&mut self, request: usize, _sample: usize) -> Option<TokenMask> {
        (request == 0).then(|| TokenMask::of(self.0.get(self.1).copied()))
    }
}

#[test]
fn a_request_that_is_allowed_nothing_ends_with_an_error() {
    let model = tiny();
    let request = Request {
        prompt: prompt(4, 1),
        n: 1,
        sampling: Sampling {
            max_new_tokens: 9,
            ..Sampling::greedy()
        },
    };
    let mut observer = Dictate(vec![9, 8, 2], 0);
    let error = Generator::new(&model, 2).generate(&[request], &never(), &mut observer);
    let error = error.expect_err("nothing is left");
    assert!(
        matches!(
            error,
            Error::NothingAllowed {
                request: 0,
                sample: 0,
                token: 3
            }
        ),
        "{error}"
    );
}
