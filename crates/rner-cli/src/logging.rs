//! Diagnostics on stderr, chosen with `RUST_LOG`; warnings by default.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Installs the subscriber; a second call does nothing.
///
/// A filter that cannot be read is ignored with a warning, because a typing
/// error in a variable is no reason not to train.
pub fn init() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, ignored) = match EnvFilter::try_new(&wanted) {
        Ok(filter) if !wanted.is_empty() => (filter, None),
        Ok(_) => (EnvFilter::new("warn"), None),
        Err(e) => (EnvFilter::new("warn"), Some(e)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Where nobody listens any more, the work goes on.
        .log_internal_errors(false)
        // Colours are codes that a file or a pipe would keep.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .finish();
    let installed = tracing::subscriber::set_global_default(subscriber).is_ok();
    if let (true, Some(e)) = (installed, ignored) {
        tracing::warn!("RUST_LOG=\"{wanted}\" is ignored: {e}");
    }
}
