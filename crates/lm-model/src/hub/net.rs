//! Waiting: for a server, for another process, for time to pass; never longer than the user wants.

use std::future::Future;
use std::time::Duration;

use reqwest::Response;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;

/// What runs the connections. It must not be dropped on a thread that runs asynchronous tasks.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("hub")
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::last(format!("cannot start a thread: {error}")))
}

/// Where the threads of a download wait.
pub(super) struct Net {
    runtime: Handle,
    stop: CancellationToken,
    /// Longest time without a byte.
    silence: Duration,
}

impl Net {
    pub(super) fn new(runtime: Handle, stop: CancellationToken, silence: Duration) -> Self {
        Self {
            runtime,
            stop,
            silence,
        }
    }

    /// Whether somebody wants the download to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits for a server's next sign of life.
    pub(super) fn hear<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        // A timer must begin where the runtime is entered.
        let heard = self.wait(async { tokio::time::timeout(self.silence, work).await });
        heard?.map_err(|_| Failure::silent(self.silence))
    }

    /// Waits until `time` has passed.
    pub(super) fn sleep(&self, time: Duration) -> Result<(), Failure> {
        self.wait(async { tokio::time::sleep(time).await })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(Failure::Stopped),
                done = work => Ok(done),
            }
        })
    }

    /// The body of an answer that is held in memory, of at most `limit` bytes.
    pub(super) fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.hear(response.chunk())?.map_err(Failure::connection)? {
            if body.len() + chunk.len() > limit {
                return Err(Failure::last(format!(
                    "an answer of more than {limit} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Failure {
    fn silent(silence: Duration) -> Self {
        Self::again(format!(
            "no byte for {} s; is there a connection?",
            silence.as_secs_f64()
        ))
    }
}
