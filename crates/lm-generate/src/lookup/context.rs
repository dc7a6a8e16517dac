//! The tokens of a sample, and what may follow them.

use super::grams::{Grams, ORDERS};
use super::history::History;
use super::rates::Source;

/// Most tokens that an order looks back at.
const DEEPEST: usize = ORDERS[ORDERS.len() - 1];

/// The tokens of a sample, and its draft.
#[derive(Debug)]
pub(super) struct Context {
    /// Those that stand for them.
    alike: Vec<u32>,
    grams: Grams,
    /// The draft of this step and where each of its tokens comes from.
    draft: Vec<(u32, Source)>,
    /// How many of its tokens have come.
    right: usize,
}

/// How long a draft may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most tokens.
    pub(super) most: usize,
    /// What a further token must be right with at least, as a probability.
    pub(super) least: f32,
}

impl Context {
    pub(super) fn of(prompt: &[u32], history: &History) -> Self {
        let mut context = Self {
            alike: Vec::with_capacity(2 * prompt.len()),
            grams: Grams::default(),
            draft: Vec::new(),
            right: 0,
        };
        for id in prompt {
            context.grams.learn(tail(&context.alike), *id);
            context.alike.push(history.alike(*id));
        }
        context
    }

    /// The last tokens, as many as are looked back at.
    fn tail(&self) -> &[u32] {
        tail(&self.alike)
    }

    /// Takes a token that was drawn; whether the draft had it.
    pub(super) fn hear(&mut self, id: u32, history: &mut History) -> bool {
        let mut is_right = false;
        if let Some((guess, source)) = self.draft.get(self.right) {
            is_right = *guess == id;
            history.rates.learn(*source, is_right);
            self.right += usize::from(is_right);
        }
        if !is_right {
            // What follows is beyond the draft.
            self.draft.truncate(self.right);
        }
        history.learn(self.tail(), id);
        self.grams.learn(tail(&self.alike), id);
        self.alike.push(history.alike(id));
        is_right
    }

    /// The next draft: what is given, and then what stood behind the same tokens before.
    pub(super) fn draft(
        &mut self,
        given: &[u32],
        limits: Limits,
        history: &mut History,
    ) -> Vec<u32> {
        self.draft.clear();
        self.right = 0;
        let mut tail = self.tail().to_vec();
        let mut probability = 1.0;
        let mut given = given.iter();
        while self.draft.len() < limits.most {
            let guess = match given.next() {
                Some(id) => Some((*id, Source::Given)),
                None => self.guess(&tail, history),
            };
            let Some((id, source)) = guess else {
                break;
            };
            probability *= history.rates.of(source);
            if probability < limits.least && !history.rates.tries(source) {
                break;
            }
            self.draft.push((id, source));
            tail.push(history.alike(id));
        }
        self.draft.iter().map(|(id, _)| *id).collect()
    }

    /// The guess of the kind that was right most often.
    fn guess(&self, tail: &[u32], history: &History) -> Option<(u32, Source)> {
        let orders = ORDERS.iter().enumerate();
        let guesses = orders.flat_map(|(index, order)| {
            let own = self.grams.next(tail, *order);
            let earlier = history.next(tail, *order);
            let own = own.map(|next| (next.id, Source::Own(index)));
            let earlier = earlier.map(|next| (next.id, Source::Earlier(index, next.streak)));
            own.into_iter().chain(earlier)
        });
        let rate = |guess: &(u32, Source)| history.rates.of(guess.1);
        guesses.max_by(|a, b| rate(a).total_cmp(&rate(b)))
    }
}

fn tail(alike: &[u32]) -> &[u32] {
    &alike[alike.len().saturating_sub(DEEPEST)..]
}
