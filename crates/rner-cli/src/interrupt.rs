//! Ctrl-C and SIGTERM: a token that every long loop looks at.
//!
//! The first signal asks the stage to stop at the next safe point, where it
//! keeps what is done; the second ends the program at once.

use std::sync::LazyLock;

use rner::Error;
use tokio_util::sync::CancellationToken;

static STOP: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// The exit code of a program ended by SIGINT, by convention 128 + 2.
const KILLED: i32 = 130;

/// Starts listening; call once, before the first stage.
///
/// A thread of its own listens, so that a stage that computes without ever
/// waiting is interrupted as well.
pub fn install() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Err(e) = runtime.and_then(|r| r.block_on(listen())) {
            tracing::warn!("signals are not handled: {e}");
        }
    };
    if let Err(e) = std::thread::Builder::new()
        .name("signals".into())
        .spawn(run)
    {
        tracing::warn!("signals are not handled: {e}");
    }
}

/// What a signal cancels, to be handed to whatever runs long.
pub fn token() -> &'static CancellationToken {
    &STOP
}

/// Whether a signal has asked the program to stop.
pub fn requested() -> bool {
    token().is_cancelled()
}

/// Says whether the program may go on.
///
/// # Errors
/// [`Error::Interrupted`] once a signal has asked it to stop.
pub fn check() -> Result<(), Error> {
    if requested() {
        return Err(Error::Interrupted);
    }
    Ok(())
}

fn on_signal() {
    if requested() {
        std::process::exit(KILLED);
    }
    STOP.cancel();
    eprintln!("\nstopping at the next safe point; press Ctrl-C again to quit at once");
}

#[cfg(unix)]
async fn listen() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut int, mut term) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    loop {
        tokio::select! {
            _ = int.recv() => on_signal(),
            _ = term.recv() => on_signal(),
        }
    }
}

#[cfg(not(unix))]
async fn listen() -> std::io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        on_signal();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    const CHILD: &str = "RNER_TEST_SIGNAL_CHILD";

    /// Not a test of its own: the process that the other tests send signals to,
    /// so that the flag of the test process itself is never raised.
    #[test]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        install();
        std::thread::sleep(Duration::from_millis(300));
        println!("\nlistening");
        while !requested() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(matches!(check(), Err(Error::Interrupted)));
        println!("\nstopping");
        if std::env::var(CHILD).is_ok_and(|v| v == "stay") {
            std::thread::sleep(Duration::from_secs(30));
        }
    }

    fn spawn(mode: &str) -> std::io::Result<Child> {
        Command::new(std::env::current_exe()?)
            .args(["--exact", "interrupt::tests::child", "--nocapture"])
            .env(CHILD, mode)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }

    fn wait_for(out: &mut impl BufRead, word: &str) -> std::io::Result<()> {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            if out.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other(format!(
                    "the child never said {word}"
                )));
            }
        }
        Ok(())
    }

    fn send(signal: &str, child: &Child) -> std::io::Result<()> {
        Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()?;
        Ok(())
    }

    #[test]
    fn one_signal_asks_to_stop() -> std::io::Result<()> {
        for signal in ["TERM", "INT"] {
            let mut child = spawn("end")?;
            let mut out = BufReader::new(child.stdout.take().ok_or(std::io::ErrorKind::NotFound)?);
            wait_for(&mut out, "listening")?;
            send(signal, &child)?;
            wait_for(&mut out, "stopping")?;
            assert!(child.wait()?.success(), "{signal}");
        }
        Ok(())
    }

    #[test]
    fn a_second_signal_ends_at_once() -> std::io::Result<()> {
        let mut child = spawn("stay")?;
        let mut out = BufReader::new(child.stdout.take().ok_or(std::io::ErrorKind::NotFound)?);
        wait_for(&mut out, "listening")?;
        send("INT", &child)?;
        wait_for(&mut out, "stopping")?;
        send("INT", &child)?;
        assert_eq!(child.wait()?.code(), Some(KILLED));
        Ok(())
    }
}
