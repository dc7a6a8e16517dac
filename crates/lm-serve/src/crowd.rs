//! The open connections, and which of them has to go when there are too many.
//!
//! A client that has sent its whole request is served; one that is awaited, for a request, the rest of one, or for
//! reading its answer, may be sent away in favour of a newcomer. So a thousand clients that do nothing cannot shut out
//! the one that asks.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio_util::sync::CancellationToken;

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    clock: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Seat>>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    /// When its client began to be awaited, in events of all connections; 0 while it is served.
    awaited: AtomicU64,
    /// Cancelled when it has to go.
    pub(crate) leave: CancellationToken,
}

/// Holds a seat while its connection is open.
#[derive(Debug)]
pub(crate) struct Seated(pub(crate) Arc<Seat>);

impl Drop for Seated {
    fn drop(&mut self) {
        self.0.crowd.lock().remove(&self.0.number);
    }
}

impl Crowd {
    /// Takes one in.
    pub(crate) fn sit(self: &Arc<Self>) -> Seated {
        let now = self.tick();
        let seat = Arc::new(Seat {
            crowd: Arc::clone(self),
            number: now,
            awaited: AtomicU64::new(now),
            leave: CancellationToken::new(),
        });
        self.lock().insert(now, Arc::clone(&seat));
        Seated(seat)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Sends away those that were awaited longest, so many of them or as many as are awaited. Who is on the way out
    /// already is counted.
    pub(crate) fn send_away(&self, count: usize) {
        let open = self.lock();
        let (gone, here): (Vec<_>, Vec<_>) =
            open.values().partition(|seat| seat.leave.is_cancelled());
        let mut awaited: Vec<_> = here.into_iter().filter(|seat| seat.is_awaited()).collect();
        awaited.sort_by_key(|seat| seat.awaited.load(Ordering::Relaxed));
        let more = count.saturating_sub(gone.len());
        let more = awaited.into_iter().take(more);
        more.for_each(|seat| seat.leave.cancel());
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Seat>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) > 0
    }

    /// Its request is there.
    fn serve(&self) {
        self.awaited.store(0, Ordering::Relaxed);
    }

    /// Its answer is there, and the client has to do the next thing.
    pub(crate) fn wait(&self) {
        self.awaited.store(self.crowd.tick(), Ordering::Relaxed);
    }
}

/// A body that tells when it is there.
pub(crate) struct SeatedBody {
    body: Incoming,
    seat: Arc<Seat>,
}

impl SeatedBody {
    pub(crate) fn new(body: Incoming, seat: Arc<Seat>) -> Self {
        if body.is_end_stream() {
            seat.serve();
        }
        Self { body, seat }
    }
}

impl Body for SeatedBody {
    type Data = hyper::body::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.seat.serve();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_awaited_longest_goes_and_who_is_served_stays() {
        let crowd = Arc::new(Crowd::default());
        let seats: Vec<Seated> = (0..4).map(|_| crowd.sit()).collect();
        let gone = || {
            seats
                .iter()
                .map(|seat| seat.0.leave.is_cancelled())
                .collect::<Vec<_>>()
        };
        seats[0].0.serve();
        seats[1].0.serve();
        seats[1].0.wait();
        crowd.send_away(1);
        assert_eq!(gone(), [false, false, true, false]);
        crowd.send_away(1);
        assert_eq!(gone(), [false, false, true, false]);
        crowd.send_away(2);
        assert_eq!(gone(), [false, false, true, true]);
        crowd.send_away(5);
        assert_eq!(gone(), [false, true, true, true]);
        drop(seats);
        assert_eq!(crowd.len(), 0);
    }
}
