//! What can go wrong before the first request.

use std::io;
use std::net::SocketAddr;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The system has no more threads or sockets.
    #[error("cannot start the server: {0}")]
    Start(#[from] io::Error),
}
