//! Watching completions while they grow.

use std::ops::ControlFlow;

use crate::mask::TokenMask;
use crate::request::{Generated, Progress};

/// A token that was just drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewToken {
    /// Index of the request.
    pub request: usize,
    /// Index of the sample in its request.
    pub sample: usize,
    /// Index of the token in the completion.
    pub index: usize,
    /// The token; perhaps a stop token.
    pub id: u32,
    /// Its log-probability, as in [`Generated::log_probs`].
    pub log_prob: f32,
}

/// Is told of every token as it is drawn, and may end completions. The whole call is ended by the token that
/// [`Generator::generate`](crate::Generator::generate) is given besides.
///
/// The tokens of one sample come in order, and [`Observer::on_finish`] after the last of them; those of different
/// samples come interleaved, in an order that depends on the batch. For a result that does not depend on it either, let
/// what is said to a sample depend on the tokens of that sample only.
///
/// Every method does nothing unless it is overridden. This one ends a completion at its second comma:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::ops::ControlFlow;
///
/// use lm_generate::{NewToken, Observer};
///
/// const COMMA: u32 = 11;
///
/// #[derive(Default)]
/// struct TwoCommas(BTreeMap<(usize, usize), usize>);
///
/// impl Observer for TwoCommas {
///     fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
///         let seen = self.0.entry((token.request, token.sample)).or_default();
///         *seen += usize::from(token.id == COMMA);
///         if *seen < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
///     }
/// }
/// ```
///
/// Stop strings are found in the same way, with a `lm_model::TextStream` for each sample.
pub trait Observer {
    /// A token was drawn. [`ControlFlow::Break`] ends its completion with
    /// [`Finish::Observer`](crate::Finish::Observer), unless it is a stop token, which ends it with
    /// [`Finish::Stop`](crate::Finish::Stop) whatever is returned.
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let _ = token;
        ControlFlow::Continue(())
    }

    /// Of which tokens the next one of a sample may be drawn; `None` for all. It is asked before each token, after
    /// [`Observer::on_token`] has told the one before, unless [`Observer::permits`] has answered for it.
    ///
    /// All other tokens are as if their logits were −∞, before the steps of [`Sampling`](crate::Sampling). The reported
    /// log-probabilities stay those of the model over all tokens. A set without a token of the model ends the request
    /// with [`Error::NothingAllowed`](crate::Error::NothingAllowed).
    fn allowed(&mut self, request: usize, sample: usize) -> Option<TokenMask> {
        let _ = (request, sample);
        None
    }

    /// Whether a token may come next in a sample: whether [`Observer::allowed`] has it, if it says anything. It is
    /// asked of the most probable token, and where this may come, the whole set is not asked for.
    fn permits(&mut self, request: usize, sample: usize, id: u32) -> bool {
        let allowed = self.allowed(request, sample);
        allowed.is_none_or(|allowed| allowed.allows(id))
    }

    /// Tokens that may come next in a sample, in their order; it is asked before each step, and nothing by default.
    ///
    /// They are run through the model together with the last token, and each is kept if it is the very token that is
    /// drawn in its place. So a completion is the same with any draft, but for the rounding of the backend's matrix
    /// products, and a good draft saves steps (Leviathan et al., *Fast Inference from Transformers via Speculative
    /// Decoding*, 2023; here a token is drawn first and then compared). There is room for `most` of them, and what is
    /// longer is cut.
    fn draft(&mut self, request: usize, sample: usize, most: usize) -> Vec<u32> {
        let _ = (request, sample, most);
        Vec::new()
    }

    /// A completion has ended.
    fn on_finish(&mut self, request: usize, sample: usize, generated: &Generated) {
        let _ = (request, sample, generated);
    }

    /// A decode step is done.
    fn on_step(&mut self, progress: Progress) {
        let _ = progress;
    }
}

/// The observer that does not listen.
impl Observer for () {}

/// Whoever lends an observer can ask it afterwards what it has met.
impl<O: Observer + ?Sized> Observer for &mut O {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        (**self).on_token(token)
    }

    fn allowed(&mut self, request: usize, sample: usize) -> Option<TokenMask> {
        (**self).allowed(request, sample)
    }

    fn permits(&mut self, request: usize, sample: usize, id: u32) -> bool {
        (**self).permits(request, sample, id)
    }

    fn draft(&mut self, request: usize, sample: usize, most: usize) -> Vec<u32> {
        (**self).draft(request, sample, most)
    }

    fn on_finish(&mut self, request: usize, sample: usize, generated: &Generated) {
        (**self).on_finish(request, sample, generated);
    }

    fn on_step(&mut self, progress: Progress) {
        (**self).on_step(progress);
    }
}
