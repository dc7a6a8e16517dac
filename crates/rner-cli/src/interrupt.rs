//! Signals that ask for an end, and a token that every long loop looks at.
//!
//! The first signal asks the stage to stop at the next safe point, where it keeps what is done. What does not get
//! there within 25 seconds, a call that hangs for instance, is ended by a watchdog, which says what it was; every
//! file of the program appears as a whole or not at all, so that nothing is damaged by it. A second Ctrl-C or SIGTERM
//! ends the program at once. Either way the exit code is that of a program which the first signal ended, 128 and its
//! number, so that shells, Slurm and Kubernetes know that the work is not done.
//!
//! SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU ask as SIGTERM does: terminals that close and batch systems send them before
//! they kill (Slurm's `--signal=USR1@60`). Coming again, they do nothing: the system repeats SIGXCPU every second.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rner::Error;
use tokio_util::sync::CancellationToken;

use crate::doing;

static STOP: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// The exit code that the first signal asks for; 0 without one.
static CODE: AtomicI32 = AtomicI32::new(0);

/// Time from the first signal to the end, unless [`PATIENCE_VARIABLE`] says another.
const PATIENCE: Duration = Duration::from_secs(25);

/// Environment variable with that time in seconds; 0 waits without an end, for models whose checkpoints take minutes.
const PATIENCE_VARIABLE: &str = "RNER_STOP_SECONDS";

/// A signal that asks for an end.
#[derive(Clone, Copy, Debug)]
struct Request {
    name: &'static str,
    number: i32,
    /// Whether it ends the program at once when the stop was asked for before.
    insists: bool,
}

impl Request {
    /// The exit code of a program that it ended, by convention.
    const fn code(self) -> i32 {
        128 + self.number
    }
}

const fn request(name: &'static str, number: i32, insists: bool) -> Request {
    Request {
        name,
        number,
        insists,
    }
}

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

/// The exit code of a program that has stopped because a signal asked for it: 128 and the number of the first one.
pub(crate) fn code() -> Option<u8> {
    let code = CODE.load(Ordering::Acquire);
    u8::try_from(code).ok().filter(|code| *code != 0)
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

fn on_signal(request: Request) {
    if requested() {
        if request.insists {
            std::process::exit(request.code());
        }
        return;
    }
    // Before the stop: whoever sees that may end the program at once.
    CODE.store(request.code(), Ordering::Release);
    STOP.cancel();
    let patience = patience();
    let latest = match patience {
        Some(time) => format!(" or after {} s", time.as_secs_f64()),
        None => String::new(),
    };
    crate::say!(
        "\n{}: stopping at the next safe point{latest}; Ctrl-C or SIGTERM again ends the program at once",
        request.name
    );
    if let Some(time) = patience {
        watch(request, time);
    }
}

/// How long a safe point is waited for; no value for ever.
fn patience() -> Option<Duration> {
    let given = std::env::var(PATIENCE_VARIABLE).ok();
    let seconds = given.and_then(|text| text.trim().parse().ok());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some(time.unwrap_or(PATIENCE)).filter(|time| !time.is_zero())
}

/// Ends the program after some time, whatever it does. A thread of its own, as a runtime could be blocked too.
fn watch(request: Request, time: Duration) {
    let end = move || {
        std::thread::sleep(time);
        let doing = doing::words().unwrap_or_else(|| "a call that does not return".to_owned());
        crate::say!(
            "{}: no safe point in {} s, in the middle of: {doing}; what was kept is whole, and the same command goes on \
             from there",
            request.name,
            time.as_secs_f64()
        );
        std::process::exit(request.code());
    };
    let thread = std::thread::Builder::new().name("watchdog".into());
    if let Err(error) = thread.spawn(end) {
        tracing::warn!(%error, "the end is waited for without a limit");
    }
}

#[cfg(unix)]
async fn listen() -> std::io::Result<()> {
    let requests = requests();
    let mut listening = tokio::task::JoinSet::new();
    for (request, kind) in requests {
        let mut signal = tokio::signal::unix::signal(kind)?;
        listening.spawn(async move {
            while signal.recv().await.is_some() {
                on_signal(request);
            }
        });
    }
    while listening.join_next().await.is_some() {}
    Ok(())
}

/// The signals that are listened to, with their numbers on this system.
#[cfg(unix)]
fn requests() -> Vec<(Request, tokio::signal::unix::SignalKind)> {
    use tokio::signal::unix::SignalKind;
    let mut known = vec![
        ("SIGINT", SignalKind::interrupt(), true),
        ("SIGTERM", SignalKind::terminate(), true),
        ("SIGHUP", SignalKind::hangup(), false),
        ("SIGUSR1", SignalKind::user_defined1(), false),
        ("SIGUSR2", SignalKind::user_defined2(), false),
    ];
    if let Some(number) = XCPU {
        known.push(("SIGXCPU", SignalKind::from_raw(number), false));
    }
    let ignored = ignored();
    let wanted = known.into_iter().map(|(name, kind, insists)| {
        let number = kind.as_raw_value();
        (request(name, number, insists), kind)
    });
    // `nohup` has a program ignore SIGHUP; that stays so.
    let is_meant =
        |request: &Request| request.name != "SIGHUP" || ignored >> (request.number - 1) & 1 == 0;
    wanted.filter(|(request, _)| is_meant(request)).collect()
}

/// The number of SIGXCPU, for which the runtime has no name.
#[cfg(unix)]
const XCPU: Option<i32> = if cfg!(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64")
)) {
    Some(24)
} else {
    None
};

/// The signals that the program was started to ignore, a bit for each, as Linux tells them.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(not(unix))]
async fn listen() -> std::io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        on_signal(request("Ctrl-C", 2, true));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
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
        println!("\ncode {:?}", code());
        println!("\nstopping");
        if std::env::var(CHILD).is_ok_and(|v| v == "stay") {
            std::thread::sleep(Duration::from_secs(30));
        }
    }

    const ALL: [(&str, i32); 6] = [
        ("INT", 2),
        ("TERM", 15),
        ("HUP", 1),
        ("USR1", 10),
        ("USR2", 12),
        ("XCPU", 24),
    ];

    fn spawn(mode: &str, seconds: &str) -> std::io::Result<Child> {
        Command::new(std::env::current_exe()?)
            .args(["--exact", "interrupt::tests::child", "--nocapture"])
            .env(CHILD, mode)
            .env(PATIENCE_VARIABLE, seconds)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
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

    /// What the end of the work gives as exit code, as a number that the child prints.
    #[test]
    fn work_that_stops_in_time_ends_with_the_code_of_the_first_signal() -> std::io::Result<()> {
        for (signal, number) in ALL {
            let mut child = spawn("end", "25")?;
            let mut out = BufReader::new(child.stdout.take().ok_or(std::io::ErrorKind::NotFound)?);
            wait_for(&mut out, "listening")?;
            send(signal, &child)?;
            wait_for(&mut out, &format!("code Some({})", 128 + number))?;
            std::io::copy(&mut out, &mut std::io::sink())?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends the signals, each when the word before it was said; gives the exit code and what was said to stderr.
    fn told(
        mut child: Child,
        signals: &[(&str, &str)],
    ) -> Result<(Option<i32>, String), std::io::Error> {
        let mut out = BufReader::new(child.stdout.take().ok_or(std::io::ErrorKind::NotFound)?);
        for (word, signal) in signals {
            wait_for(&mut out, word)?;
            send(signal, &child)?;
        }
        let mut said = String::new();
        let mut words = child.stderr.take().ok_or(std::io::ErrorKind::NotFound)?;
        words.read_to_string(&mut said)?;
        std::io::copy(&mut out, &mut std::io::sink())?;
        Ok((child.wait()?.code(), said))
    }

    #[test]
    fn each_signal_asks_to_stop_and_is_named() -> std::io::Result<()> {
        for (signal, _) in ALL {
            let (code, said) = told(spawn("end", "25")?, &[("listening", signal)])?;
            assert_eq!(code, Some(0), "{signal}: {said}");
            assert!(said.contains(&format!("SIG{signal}: stopping")), "{said}");
        }
        Ok(())
    }

    #[test]
    fn a_second_one_of_a_person_ends_at_once() -> std::io::Result<()> {
        for (signal, number) in [("INT", 2), ("TERM", 15)] {
            let signals = [("listening", "USR1"), ("stopping", signal)];
            let (code, said) = told(spawn("stay", "0")?, &signals)?;
            assert_eq!(code, Some(128 + number), "{signal}: {said}");
        }
        Ok(())
    }

    /// What never looks at the token ends too, with the code of the first signal; others of its kind change nothing.
    #[test]
    fn the_watchdog_ends_what_hangs() -> std::io::Result<()> {
        for (signal, number) in ALL {
            let signals = [("listening", signal), ("stopping", "XCPU")];
            let (code, said) = told(spawn("stay", "0.5")?, &signals)?;
            assert_eq!(code, Some(128 + number), "{signal}: {said}");
            assert!(said.contains("no safe point in 0.5 s"), "{said}");
        }
        Ok(())
    }

    /// As under `nohup`.
    #[test]
    fn an_ignored_hangup_stays_ignored() -> std::io::Result<()> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("trap '' HUP; exec \"$0\" \"$@\"");
        shell.arg(std::env::current_exe()?);
        shell.args(["--exact", "interrupt::tests::child", "--nocapture"]);
        shell
            .env(CHILD, "end")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = shell.spawn()?;
        let mut child = child;
        let mut out = BufReader::new(child.stdout.take().ok_or(std::io::ErrorKind::NotFound)?);
        wait_for(&mut out, "listening")?;
        send("HUP", &child)?;
        send("USR1", &child)?;
        wait_for(&mut out, "stopping")?;
        std::io::copy(&mut out, &mut std::io::sink())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("SIGUSR1: stopping") && !said.contains("SIGHUP"),
            "{said}"
        );
        Ok(())
    }
}
