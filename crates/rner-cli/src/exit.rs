//! Exit codes: 0 done, 1 failed, 2 wrong usage, 128 and the number of the signal that stopped the work.

use std::process::ExitCode;

use rner::Error;

/// The command was wrong, not the run: the message says what to type instead.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Error::Usage(message.into()))
}

/// What a program does first: it ends without a word when nobody reads, logs to stderr, and listens to signals.
pub fn start() {
    end_quietly_without_reader();
    crate::logging::init();
    crate::interrupt::install();
}

/// Prints what was set aside and a failure to stderr, and gives the exit code.
pub fn finish(result: anyhow::Result<()>) -> ExitCode {
    crate::say_set_aside();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::say!("{}", message(&error));
            ExitCode::from(code(&error))
        }
    }
}

/// What the user reads: the chain of causes, each said once.
fn message(error: &anyhow::Error) -> String {
    if any(error, |e| matches!(e, Error::Interrupted)) {
        return Error::Interrupted.to_string();
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many libraries repeat the source in their own message.
        if !text.contains(&cause) {
            text.push_str(&format!("\n  because: {cause}"));
        }
    }
    text
}

fn code(error: &anyhow::Error) -> u8 {
    if any(error, Error::is_interruption) {
        // A library's caller may stop the work without a signal.
        return crate::interrupt::code().unwrap_or(1);
    }
    if any(error, Error::is_usage) { 2 } else { 1 }
}

/// Whether the library's error somewhere in the chain is of a kind.
fn any(error: &anyhow::Error, is: impl Fn(&Error) -> bool) -> bool {
    error.chain().any(|e| e.downcast_ref().is_some_and(&is))
}

/// Ends the program without a word when nobody reads its output any more, as in `rner data list | head -1`.
///
/// `println!` panics then. That is the only panic that is meant; every other one is reported as usual.
fn end_quietly_without_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        let has_no_reader = message.is_some_and(|message| {
            message.starts_with("failed printing to stdout") && message.contains("Broken pipe")
        });
        if has_no_reader {
            std::process::exit(0);
        }
        report(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn codes_follow_the_kind_of_the_error() {
        let recipe = rner::recipe::Recipe::resolve("nope", &[])
            .map(|_| ())
            .map_err(Error::from)
            .unwrap_err();
        assert_eq!(code(&anyhow::Error::new(recipe).context("reading")), 2);
        assert_eq!(code(&usage("no")), 2);
        assert_eq!(code(&anyhow::Error::new(Error::Interrupted)), 1);
        assert_eq!(code(&anyhow::anyhow!("failed")), 1);
    }

    #[test]
    fn an_interruption_says_how_to_go_on() {
        let error = anyhow::Error::new(Error::Interrupted).context("stage sft");
        assert_eq!(
            message(&error),
            "interrupted; run the same command again to go on from here"
        );
    }

    #[test]
    fn a_cause_is_said_once() {
        let inner = std::io::Error::other("boom");
        let wrapped = Err::<(), _>(inner)
            .context("cannot read x: boom")
            .unwrap_err();
        assert_eq!(message(&wrapped), "error: cannot read x: boom");
        let plain = Err::<(), _>(std::io::Error::other("boom"))
            .context("stage 2")
            .unwrap_err();
        assert_eq!(message(&plain), "error: stage 2\n  because: boom");
    }
}
