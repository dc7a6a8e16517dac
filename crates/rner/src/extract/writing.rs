//! Answers while they grow.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lm_generate::{Generated, NewToken, Observer};
use lm_kernels::LmOps;
use lm_model::TextStream;
use ner_promise::TokenScore;

use super::Extractor;

/// An answer while it grows; it ends at a stop string, or when its listener has heard enough.
pub(super) struct Writing<'a> {
    stream: TextStream<'a>,
    text: String,
    tokens: Vec<TokenScore>,
    /// The first token whose text is held back.
    held: usize,
    listen: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    is_ended: bool,
}

impl<'a> Writing<'a> {
    pub(super) fn new<B: LmOps>(
        extractor: &'a Extractor<B>,
        listen: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Self {
        Self {
            stream: TextStream::new(&extractor.asker.tokenizer, extractor.stops.clone()),
            text: String::new(),
            tokens: Vec::new(),
            held: 0,
            listen,
            is_ended: false,
        }
    }

    fn add(&mut self, piece: &str) {
        self.text.push_str(piece);
        if !piece.is_empty() {
            // Those that were held back came with this piece too.
            for token in self.tokens.iter_mut().skip(self.held) {
                token.end = self.text.len();
            }
            self.held = self.tokens.len();
        }
        self.is_ended |= (self.listen)(piece).is_break();
    }

    fn hear(&mut self, token: NewToken) -> ControlFlow<()> {
        let piece = self.stream.push(token.id);
        let at = self.text.len();
        self.tokens.push(TokenScore {
            start: at,
            end: at,
            log_prob: token.log_prob,
        });
        self.add(&piece);
        if self.stream.stopped().is_some() || self.is_ended {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// The whole text, up to a stop string, and its tokens.
    pub(super) fn finish(mut self) -> (String, Vec<TokenScore>) {
        let rest = self.stream.clone().finish();
        if !self.is_ended {
            self.add(&rest);
        }
        (self.text, self.tokens)
    }
}

/// The answers to some requests, in their order.
pub(super) struct All<'w, 'a> {
    pub(super) writing: &'w mut [Writing<'a>],
}

impl Observer for All<'_, '_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        match self.writing.get_mut(token.request) {
            Some(writing) => writing.hear(token),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Ends samples at the stop strings, and listens to nothing else.
pub(super) struct Stopped<'a> {
    start: TextStream<'a>,
    streams: HashMap<(usize, usize), TextStream<'a>>,
}

impl<'a> Stopped<'a> {
    pub(super) fn new<B: LmOps>(extractor: &'a Extractor<B>) -> Self {
        Self {
            start: TextStream::new(&extractor.asker.tokenizer, extractor.stops.clone()),
            streams: HashMap::new(),
        }
    }

    /// The text of a sample, up to a stop string.
    pub(super) fn text<B: LmOps>(extractor: &Extractor<B>, ids: &[u32]) -> String {
        let mut stream = Stopped::new(extractor).start;
        let text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text + &stream.finish()
    }
}

impl Observer for Stopped<'_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let stream = self.streams.entry((token.request, token.sample));
        let stream = stream.or_insert_with(|| self.start.clone());
        stream.push(token.id);
        if stream.stopped().is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, request: usize, sample: usize, _: &Generated) {
        self.streams.remove(&(request, sample));
    }
}
