//! The gate that requests pass one by one: slots whose number changes, and pauses.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::aimd::{Aimd, Ticket};

/// Slots in first-come order.
pub(crate) struct Gate {
    slots: Semaphore,
    state: Mutex<State>,
}

struct State {
    aimd: Aimd,
    in_flight: usize,
    /// Slots that a lowered limit takes away as soon as they are given back.
    owed: usize,
    /// Nothing is sent before this moment.
    closed_until: Option<Instant>,
}

/// Permission to send. Dropping it gives the slot back.
pub(crate) struct Slot<'a> {
    gate: &'a Gate,
    permit: Option<SemaphorePermit<'a>>,
    ticket: Option<Ticket>,
    /// Whether the request counts as in flight.
    is_out: bool,
}

impl Gate {
    pub(crate) fn new(aimd: Aimd) -> Self {
        Self {
            slots: Semaphore::new(aimd.limit()),
            state: Mutex::new(State {
                aimd,
                in_flight: 0,
                owed: 0,
                closed_until: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the counts as they were, which is still right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot.
    pub(crate) async fn enter(&self) -> Slot<'_> {
        Slot {
            gate: self,
            // The semaphore is never closed, so that this is always a permit.
            permit: self.slots.acquire().await.ok(),
            ticket: None,
            is_out: false,
        }
    }

    /// Waits for the end of a pause. A slot that is held meanwhile is not lost to
    /// others: they wait as well.
    pub(crate) async fn opened(&self) {
        loop {
            let until = self.state().closed_until;
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }

    /// Sends nothing for a while.
    pub(crate) fn pause(&self, pause: Duration) {
        let until = Instant::now().checked_add(pause);
        let mut state = self.state();
        state.closed_until = state.closed_until.max(until);
    }

    /// Requests that may be in flight now.
    pub(crate) fn limit(&self) -> usize {
        self.state().aimd.limit()
    }

    /// Requests that are in flight now.
    pub(crate) fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// Brings the number of slots to the limit after `change`.
    fn learn(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        let before = state.aimd.limit();
        change(&mut state);
        let after = state.aimd.limit();
        if after < before {
            let taken = self.slots.forget_permits(before - after);
            state.owed += before - after - taken;
        } else {
            let paid = state.owed.min(after - before);
            state.owed -= paid;
            self.slots.add_permits(after - before - paid);
        }
    }
}

impl Slot<'_> {
    /// Notes that the request leaves now.
    pub(crate) fn sent(&mut self) {
        let mut state = self.gate.state();
        state.in_flight += 1;
        self.ticket = Some(state.aimd.sent());
        self.is_out = true;
    }

    /// Notes an answer.
    pub(crate) fn answered(&self) {
        if let Some(ticket) = self.ticket {
            self.gate.learn(|state| {
                let in_flight = state.in_flight + usize::from(!self.is_out);
                state.aimd.answered(ticket, in_flight);
            });
        }
    }

    /// Notes that the server wants fewer requests.
    pub(crate) fn throttled(&self) {
        if let Some(ticket) = self.ticket {
            self.gate.learn(|state| state.aimd.throttled(ticket));
        }
    }
}

impl Slot<'_> {
    /// Gives the slot back: the request is no longer in flight. What it taught can be noted afterwards.
    pub(crate) fn leave(&mut self) {
        let mut state = self.gate.state();
        state.in_flight -= usize::from(std::mem::take(&mut self.is_out));
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
        drop(state);
        self.permit = None;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(limit: usize) -> Gate {
        Gate::new(Aimd::new(100, Some(limit), true))
    }

    #[tokio::test]
    async fn a_lowered_limit_takes_slots_away_as_they_come_back() {
        let gate = gate(4);
        let mut slots = Vec::new();
        for _ in 0..4 {
            let mut slot = gate.enter().await;
            slot.sent();
            slots.push(slot);
        }
        slots[0].throttled();
        assert_eq!((gate.limit(), gate.in_flight()), (3, 4));
        slots.pop();
        assert_eq!(gate.slots.available_permits(), 0);
        slots.pop();
        assert_eq!(gate.slots.available_permits(), 1);
        drop(slots);
        assert_eq!((gate.slots.available_permits(), gate.in_flight()), (3, 0));
    }

    #[tokio::test]
    async fn a_raised_limit_adds_slots() {
        let gate = gate(2);
        for _ in 0..2 {
            let (mut one, mut two) = (gate.enter().await, gate.enter().await);
            one.sent();
            two.sent();
            one.answered();
            two.answered();
        }
        assert_eq!((gate.limit(), gate.slots.available_permits()), (4, 4));
    }

    #[tokio::test]
    async fn a_slot_is_given_back_once() {
        let gate = gate(2);
        let mut slot = gate.enter().await;
        slot.sent();
        slot.leave();
        assert_eq!((gate.in_flight(), gate.slots.available_permits()), (0, 2));
        // What the request taught still counts, and as one that was in flight.
        slot.throttled();
        assert_eq!(gate.limit(), 1);
        drop(slot);
        assert_eq!((gate.in_flight(), gate.slots.available_permits()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everyone_back() {
        let gate = gate(4);
        let start = Instant::now();
        gate.pause(Duration::from_secs(20));
        gate.pause(Duration::from_secs(5));
        gate.opened().await;
        assert_eq!(start.elapsed().as_secs(), 20);
        gate.opened().await;
        assert_eq!(start.elapsed().as_secs(), 20);
    }
}
