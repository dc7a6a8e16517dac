//! Requests and tokens per minute: token buckets that may go into debt.
//!
//! `governor` has no refund, but tokens are known only after the answer, so that
//! an estimate has to be corrected; hence buckets of our own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::message::Usage;

/// Tokens of an answer of which nothing is known.
const FIRST_GUESS: u64 = 1024;
/// Bytes of text per token, roughly.
const BYTES_PER_TOKEN: u64 = 4;
/// Longest wait before a bucket is looked at again, as corrections may fill it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What an exchange cost, if the server does not say: by the bytes of the
/// request and of the answer.
pub(crate) fn guess(request: usize, answer: usize) -> Usage {
    let tokens = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN;
    Usage {
        prompt_tokens: tokens(request),
        completion_tokens: tokens(answer),
        ..Usage::default()
    }
}

/// The rates of one client.
pub(crate) struct Rates {
    requests: Option<Mutex<Bucket>>,
    tokens: Option<Mutex<Bucket>>,
    completions: Mutex<Mean>,
    /// Keeps those who wait in the order in which they came.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Mean {
    sum: u64,
    count: u64,
}

impl Rates {
    /// Rates per minute; `None` is without limit.
    pub(crate) fn new(requests: Option<u32>, tokens: Option<u32>) -> Self {
        let bucket = |rate| Mutex::new(Bucket::new(rate));
        Self {
            requests: requests.map(bucket),
            tokens: tokens.map(bucket),
            completions: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Waits until a request may leave. Returns the tokens that it is expected to cost.
    pub(crate) async fn reserve(&self, prompt_bytes: usize, max_tokens: Option<u32>) -> u64 {
        if self.requests.is_none() && self.tokens.is_none() {
            return 0;
        }
        let _turn = self.turn.lock().await;
        let estimate = self.estimate(prompt_bytes, max_tokens);
        // Nothing is taken before both can give: a caller that is dropped while
        // it waits leaves the buckets as they were.
        loop {
            let wait = wait(self.requests.as_ref(), 1).max(wait(self.tokens.as_ref(), estimate));
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
        take(self.requests.as_ref(), 1);
        take(self.tokens.as_ref(), estimate);
        estimate
    }

    /// Replaces an estimate by what the server reports.
    pub(crate) fn correct(&self, estimate: u64, prompt_tokens: u64, completion_tokens: u64) {
        if prompt_tokens + completion_tokens == 0 {
            // The server reports nothing, so that the estimate is the best there is.
            return;
        }
        self.refund(estimate);
        take(self.tokens.as_ref(), prompt_tokens + completion_tokens);
        let mut mean = lock(&self.completions);
        mean.sum = mean.sum.saturating_add(completion_tokens);
        mean.count += 1;
    }

    /// Gives an estimate back: the server refused the request unread.
    pub(crate) fn refund(&self, estimate: u64) {
        if let Some(bucket) = &self.tokens {
            let mut bucket = lock(bucket);
            bucket.fill();
            bucket.level = (bucket.level + as_f64(estimate)).min(bucket.capacity);
        }
    }

    fn estimate(&self, prompt_bytes: usize, max_tokens: Option<u32>) -> u64 {
        let mean = lock(&self.completions);
        let known = mean.sum.checked_div(mean.count);
        let completion = known.or(max_tokens.map(u64::from)).unwrap_or(FIRST_GUESS);
        let bytes = u64::try_from(prompt_bytes).unwrap_or(u64::MAX);
        (bytes / BYTES_PER_TOKEN).saturating_add(completion)
    }
}

/// What may be spent now; below zero is debt.
struct Bucket {
    per_second: f64,
    /// One second's worth: with a minute's worth, the first minute would get twice its share.
    capacity: f64,
    level: f64,
    filled: Instant,
}

impl Bucket {
    fn new(per_minute: u32) -> Self {
        let per_second = f64::from(per_minute) / 60.0;
        let capacity = per_second.max(1.0);
        Self {
            per_second,
            capacity,
            level: capacity,
            filled: Instant::now(),
        }
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let seconds = now.duration_since(self.filled).as_secs_f64();
        self.level = (self.level + seconds * self.per_second).min(self.capacity);
        self.filled = now;
    }

    /// How long until `amount` can be taken; what exceeds the capacity becomes debt.
    fn wait(&mut self, amount: f64) -> Duration {
        // Floating point leaves a bucket that has just been filled a little short.
        const NEARLY: f64 = 1e-6;
        self.fill();
        let missing = amount.min(self.capacity) - self.level;
        if missing <= NEARLY {
            return Duration::ZERO;
        }
        let wait = Duration::try_from_secs_f64(missing / self.per_second);
        wait.unwrap_or(Duration::MAX).max(Duration::from_millis(1))
    }
}

fn wait(bucket: Option<&Mutex<Bucket>>, amount: u64) -> Duration {
    bucket.map_or(Duration::ZERO, |bucket| lock(bucket).wait(as_f64(amount)))
}

fn take(bucket: Option<&Mutex<Bucket>>, amount: u64) {
    if let Some(bucket) = bucket {
        let mut bucket = lock(bucket);
        bucket.fill();
        bucket.level -= as_f64(amount);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts are far below 2^53"
)]
fn as_f64(amount: u64) -> f64 {
    amount as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds that `count` requests take one after another.
    async fn seconds(rates: &Rates, count: usize, tokens: (u64, u64)) -> u64 {
        let start = Instant::now();
        for _ in 0..count {
            let estimate = rates.reserve(400, Some(900)).await;
            rates.correct(estimate, tokens.0, tokens.1);
        }
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_per_minute_are_kept() {
        let rates = Rates::new(Some(60), None);
        assert_eq!(seconds(&rates, 61, (0, 0)).await, 60);
        let rates = Rates::new(Some(6), None);
        assert_eq!(seconds(&rates, 4, (0, 0)).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn estimates_are_corrected_by_what_is_reported() {
        // 60,000 tokens a minute are 1,000 a second, as much as the estimate.
        let rates = Rates::new(None, Some(60_000));
        assert_eq!(seconds(&rates, 11, (100, 900)).await, 10);
        // Answers that are shorter than their limit let more requests through,
        let rates = Rates::new(None, Some(60_000));
        let short = seconds(&rates, 101, (50, 50)).await;
        assert!((9..=11).contains(&short), "{short}");
        // and longer ones fewer.
        let rates = Rates::new(None, Some(60_000));
        let long = seconds(&rates, 11, (1000, 9000)).await;
        assert!((99..=110).contains(&long), "{long}");
    }

    #[tokio::test(start_paused = true)]
    async fn servers_that_report_nothing_are_held_to_the_estimate() {
        let rates = Rates::new(None, Some(60_000));
        assert_eq!(seconds(&rates, 11, (0, 0)).await, 10);
        let estimate = rates.reserve(400, Some(900)).await;
        let start = Instant::now();
        rates.refund(estimate);
        rates.reserve(400, Some(900)).await;
        assert_eq!(start.elapsed().as_secs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_minute_gets_no_more_than_its_share() {
        let rates = Rates::new(Some(600), None);
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < Duration::from_secs(60) {
            rates.reserve(0, None).await;
            sent += 1;
        }
        assert!((600..=611).contains(&sent), "{sent}");
    }
}
