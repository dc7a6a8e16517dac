//! A request between its sending and the moment at which its cost is known.

use crate::archive::Archive;
use crate::message::Usage;
use crate::money::{Bound, Reservation};

/// A request that was sent. Dropping it says that its cost will never be known.
pub(crate) struct Open<'a, A: Archive> {
    /// `None` once it is settled.
    reservation: Option<Reservation>,
    bound: Bound,
    archive: &'a A,
}

impl<'a, A: Archive> Open<'a, A> {
    /// The request leaves now.
    pub(crate) fn new(reservation: Reservation, bound: Bound, archive: &'a A) -> Self {
        Self {
            reservation: Some(reservation),
            bound,
            archive,
        }
    }

    /// It never reached the server, or was refused.
    pub(crate) fn release(mut self) {
        self.reservation = None;
    }

    /// Its answer tells what it cost.
    pub(crate) fn settle(mut self, cost: f64, usage: Usage) {
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(cost, usage);
        }
    }
}

impl<A: Archive> Drop for Open<'_, A> {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            reservation.lose();
            self.archive.lost(&self.bound);
        }
    }
}
