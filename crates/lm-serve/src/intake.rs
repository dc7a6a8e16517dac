//! Bodies on their way in: read within their limits, and understood away from the network's thread.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::{Failure, busy, wrong};
use crate::limits::Limits;

/// Bytes of all bodies that are read or understood at once; at least one body of the greatest length.
const BODIES: usize = 16 << 20;

/// A body from which on it is long. Only one of these is understood at a time, because its values and its tokens take
/// many times its memory and up to a second; shorter ones do not wait for it.
const LONG: usize = 64 << 10;

/// Reads bodies and understands them.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: usize,
    time: Duration,
    bytes: Arc<Semaphore>,
    long: Arc<Semaphore>,
    short: Arc<Semaphore>,
}

/// A body with its share of the memory of all bodies.
#[derive(Debug)]
pub(crate) struct Received {
    bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

impl Intake {
    pub(crate) fn new(limits: &Limits) -> Self {
        let all = BODIES.max(limits.body).min(Semaphore::MAX_PERMITS);
        Self {
            limit: limits.body,
            time: limits.body_time,
            bytes: Arc::new(Semaphore::new(all)),
            long: Arc::new(Semaphore::new(1)),
            short: Arc::new(Semaphore::new(2)),
        }
    }

    /// The whole body, if it is short enough and comes in time.
    pub(crate) async fn read(&self, body: Body) -> Result<Received, Failure> {
        let slow = |_| {
            Failure(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not come within {:?}", self.time),
            )
        };
        let read = tokio::time::timeout(self.time, self.collect(body)).await;
        read.map_err(slow)?
    }

    async fn collect(&self, mut body: Body) -> Result<Received, Failure> {
        if body.size_hint().lower() > self.limit as u64 {
            return Err(self.too_long());
        }
        let (mut bytes, mut share) = (Vec::new(), None);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| wrong(format!("the request's body: {error}")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > self.limit {
                return Err(self.too_long());
            }
            self.take(data.len(), &mut share)?;
            bytes.extend_from_slice(&data);
        }
        Ok(Received {
            bytes,
            _share: share,
        })
    }

    /// Takes memory for more bytes.
    fn take(&self, bytes: usize, share: &mut Option<OwnedSemaphorePermit>) -> Result<(), Failure> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = self.bytes.clone().try_acquire_many_owned(bytes);
        let more = more.map_err(|_| busy("too many long bodies at once"))?;
        if let Some(share) = share {
            share.merge(more);
        } else {
            *share = Some(more);
        }
        Ok(())
    }

    fn too_long(&self) -> Failure {
        Failure(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body is longer than the {} bytes of this server's --max-body",
                self.limit
            ),
        )
    }

    /// Understands a body in a thread beside the network's.
    pub(crate) async fn understand<T: Send + 'static>(
        &self,
        received: Received,
        parse: impl FnOnce(&[u8]) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = if received.bytes.len() > LONG {
            &self.long
        } else {
            &self.short
        };
        let gone = || Failure(StatusCode::SERVICE_UNAVAILABLE, "the server ends".into());
        let turn = turn.clone().acquire_owned().await.map_err(|_| gone())?;
        let parsed = tokio::task::spawn_blocking(move || {
            // The thread may go on after its client has left, so it keeps its turn itself.
            let _turn = turn;
            let is_long = received.bytes.len() > LONG;
            let parsed = parse(&received.bytes);
            if is_long {
                drop(received);
                lm_kernels::give_back_freed_memory();
            }
            parsed
        });
        parsed.await.map_err(|_| gone())?
    }
}
