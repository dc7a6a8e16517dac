//! A request between the moment before its sending and the one at which its cost is known.

use crate::archive::Archive;
use crate::message::Usage;
use crate::money::{Bound, Reservation};

/// A request. Dropping it after it was sent says that its cost will never be known.
pub(crate) struct Open<'a, A: Archive> {
    /// `None` once it is settled.
    reservation: Option<Reservation>,
    is_sent: bool,
    bound: Bound,
    archive: &'a A,
}

impl<'a, A: Archive> Open<'a, A> {
    /// The request may leave; the archive has heard of it once this returns.
    pub(crate) async fn new(
        reservation: Reservation,
        bound: Bound,
        archive: &'a A,
    ) -> Result<Self, A::Error> {
        let mut open = Self {
            reservation: Some(reservation),
            is_sent: false,
            bound,
            archive,
        };
        // If this is given up or fails, dropping `open` takes it back.
        archive.sending(&open.bound).await?;
        open.is_sent = true;
        Ok(open)
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
        let reservation = self.reservation.take().filter(|_| self.is_sent);
        if let Some(reservation) = reservation {
            reservation.lose();
            self.archive.lost(&self.bound);
        }
        // After what may have become of it, so that at no moment nobody knows of it.
        self.archive.ended(&self.bound);
    }
}
