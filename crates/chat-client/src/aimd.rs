//! How many requests a server can take: additive increase, multiplicative decrease.
//!
//! The rules are those of NVIDIA's DataDesigner, with two additions: answers
//! count only while the limit is used, and a ceiling is not for ever. Nothing
//! here waits or reads a clock; `gate` does.

/// Part of the limit that is left after a decrease.
const DECREASE: f64 = 0.75;
/// Answers in a row for one more request in flight.
const INCREASE_AFTER: usize = 25;
/// How far above a remembered ceiling the limit may go.
const OVERSHOOT: f64 = 0.1;
/// Answers in a row at the highest allowed limit after which the ceiling is raised to it.
const RAISE_AFTER: usize = 250;
/// Most requests in flight at the start.
const START: usize = 8;

/// The moment at which a request was sent, in requests sent before it.
pub(crate) type Ticket = u64;

/// The number of requests that may be in flight.
#[derive(Debug)]
pub(crate) struct Aimd {
    limit: usize,
    max: usize,
    adaptive: bool,
    /// Whether the limit still doubles, as no request has been throttled yet.
    ramping: bool,
    /// The lowest limit at which the server said that it was too much.
    ceiling: Option<usize>,
    /// Answers since the limit last changed. Failures other than throttling say nothing about load and do not break the
    /// row: a server that cuts every fifth answer would otherwise hold the limit down for ever.
    in_a_row: usize,
    next: Ticket,
    /// Requests before this one were sent under a higher limit.
    decreased_at: Ticket,
}

impl Aimd {
    /// A limit that starts at `start`, or at most 8, and goes up to `max`.
    pub(crate) fn new(max: usize, start: Option<usize>, adaptive: bool) -> Self {
        let start = start.unwrap_or(START).clamp(1, max);
        Self {
            limit: if adaptive { start } else { max },
            max,
            adaptive,
            ramping: true,
            ceiling: None,
            in_a_row: 0,
            next: 0,
            decreased_at: 0,
        }
    }

    /// Requests that may be in flight now.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Notes that a request is sent.
    pub(crate) fn sent(&mut self) -> Ticket {
        self.next += 1;
        self.next - 1
    }

    /// Notes an answer; `in_flight` counts the requests at that moment, this one included.
    pub(crate) fn answered(&mut self, ticket: Ticket, in_flight: usize) {
        // An idle client learns nothing about what the server can take, and what
        // was sent under a higher limit says nothing about this one.
        if !self.adaptive || ticket < self.decreased_at || in_flight * 2 < self.limit {
            return;
        }
        self.in_a_row += 1;
        let top = self.top();
        if self.limit >= top {
            if self.in_a_row >= RAISE_AFTER && self.ceiling.is_some() {
                self.ceiling = Some(top);
                self.in_a_row = 0;
            }
        } else if self.ramping && self.in_a_row >= self.limit {
            self.limit = self.limit.saturating_mul(2).min(top);
            self.in_a_row = 0;
        } else if !self.ramping && self.in_a_row >= INCREASE_AFTER {
            self.limit += 1;
            self.in_a_row = 0;
        }
    }

    /// Notes that the server wants fewer requests.
    pub(crate) fn throttled(&mut self, ticket: Ticket) {
        self.in_a_row = 0;
        // The requests that were in flight together fail together: only the first
        // of such a burst says something new.
        if !self.adaptive || ticket < self.decreased_at {
            return;
        }
        self.ramping = false;
        self.ceiling = Some(self.ceiling.map_or(self.limit, |at| at.min(self.limit)));
        self.limit = scale(self.limit, DECREASE).max(1);
        self.decreased_at = self.next;
    }

    /// The highest limit that may be tried.
    fn top(&self) -> usize {
        let over = |ceiling: usize| ceiling + scale(ceiling, OVERSHOOT).max(1);
        self.ceiling.map_or(self.max, |at| over(at).min(self.max))
    }
}

/// A part of a count, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "limits are small and positive"
)]
fn scale(count: usize, factor: f64) -> usize {
    (count as f64 * factor) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends and answers requests one after another, while all slots are used.
    fn answers(aimd: &mut Aimd, count: usize) {
        for _ in 0..count {
            let ticket = aimd.sent();
            aimd.answered(ticket, aimd.limit());
        }
    }

    fn throttle(aimd: &mut Aimd) {
        let ticket = aimd.sent();
        aimd.throttled(ticket);
    }

    #[test]
    fn the_limit_doubles_until_the_first_refusal() {
        let mut aimd = Aimd::new(100, None, true);
        assert_eq!(aimd.limit(), 8);
        for expected in [16, 32, 64, 100] {
            let round = aimd.limit();
            answers(&mut aimd, round);
            assert_eq!(aimd.limit(), expected);
        }
        answers(&mut aimd, 1000);
        assert_eq!(aimd.limit(), 100);
        throttle(&mut aimd);
        assert_eq!(aimd.limit(), 75);
        answers(&mut aimd, 24);
        assert_eq!(aimd.limit(), 75);
        answers(&mut aimd, 1);
        assert_eq!(aimd.limit(), 76);
    }

    #[test]
    fn a_burst_counts_once() {
        let mut aimd = Aimd::new(40, Some(40), true);
        let burst: Vec<Ticket> = (0..40).map(|_| aimd.sent()).collect();
        for ticket in burst {
            aimd.throttled(ticket);
        }
        assert_eq!(aimd.limit(), 30);
        throttle(&mut aimd);
        assert_eq!(aimd.limit(), 22);
    }

    #[test]
    fn answers_to_earlier_requests_do_not_raise_a_lowered_limit() {
        let mut aimd = Aimd::new(40, Some(40), true);
        let early: Vec<Ticket> = (0..39).map(|_| aimd.sent()).collect();
        throttle(&mut aimd);
        for ticket in early {
            aimd.answered(ticket, 40);
        }
        assert_eq!((aimd.limit(), aimd.in_a_row), (30, 0));
    }

    #[test]
    fn the_ceiling_holds_back_but_not_for_ever() {
        let mut aimd = Aimd::new(100, Some(40), true);
        throttle(&mut aimd);
        answers(&mut aimd, 25 * 14);
        assert_eq!(aimd.limit(), 44);
        answers(&mut aimd, 249);
        assert_eq!(aimd.limit(), 44);
        answers(&mut aimd, 26);
        assert_eq!(aimd.limit(), 45);
    }

    #[test]
    fn one_request_is_always_allowed() {
        let mut aimd = Aimd::new(4, None, true);
        for _ in 0..20 {
            throttle(&mut aimd);
        }
        assert_eq!(aimd.limit(), 1);
        answers(&mut aimd, 25);
        assert_eq!(aimd.limit(), 2);
    }

    #[test]
    fn idle_clients_learn_nothing() {
        let mut aimd = Aimd::new(100, Some(40), true);
        throttle(&mut aimd);
        for _ in 0..100 {
            let ticket = aimd.sent();
            aimd.answered(ticket, 1);
        }
        assert_eq!(aimd.limit(), 30);
    }

    #[test]
    fn a_fixed_limit_stays() {
        let mut aimd = Aimd::new(100, Some(3), false);
        assert_eq!(aimd.limit(), 100);
        throttle(&mut aimd);
        answers(&mut aimd, 100);
        assert_eq!(aimd.limit(), 100);
    }
}
