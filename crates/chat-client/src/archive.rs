//! Where a caller keeps what a client receives.

use crate::error::Error;
use crate::money::Bound;

/// Where answers are kept before anything looks into them.
pub trait Archive: Sync {
    /// What ends a call: an error of the archive, or of this crate.
    type Error: From<Error> + Send;

    /// Keeps the body of a 200 answer; of a streamed one, the raw events. The
    /// answer is read only after this has succeeded.
    ///
    /// The body is as it came, but for the API key of the client: should the server repeat it, `(key)` stands there.
    ///
    /// # Errors
    /// If the body cannot be kept; the error ends the call.
    fn store(&self, body: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Hears of a request that will be sent as soon as this returns, so that it can be remembered even if the process
    /// is killed. `bound` is the most that it can be billed for. The default does nothing.
    ///
    /// # Errors
    /// If it cannot be remembered; the error ends the call, and nothing is sent.
    fn sending(&self, bound: &Bound) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = bound;
        async { Ok(()) }
    }

    /// Hears that a request of [`Archive::sending`] has ended: answered and kept, refused, or [lost](Archive::lost).
    ///
    /// This is called when a future is dropped, too, and must not block. The default does nothing.
    fn ended(&self, bound: &Bound) {
        let _ = bound;
    }

    /// Hears of a request that was sent and may have been billed, though no answer will ever tell: the connection
    /// broke, it took too long, the caller gave up, or the answer came without its token counts. `bound` is the most
    /// that it can be billed for.
    ///
    /// This is called when a future is dropped, too, and must not block. The default forgets it.
    fn lost(&self, bound: &Bound) {
        let _ = bound;
    }
}

/// An archive that keeps nothing, for answers that cost nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoArchive;

impl Archive for NoArchive {
    type Error = Error;

    async fn store(&self, _body: &str) -> Result<(), Error> {
        Ok(())
    }
}
