//! The fuzzer: libFuzzer over the body that `RNER_FUZZ_TARGET` names.
//!
//! The arguments are libFuzzer's. One program holds all targets, so that one is linked.

#![no_main]

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::LazyLock;

use rner_fuzz::{TARGETS, Target};

const VARIABLE: &str = "RNER_FUZZ_TARGET";

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    rner_fuzz::find(&name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        let names = names.join(", ");
        eprintln!("error: {VARIABLE}: expected one of {names}, found {name:?}");
        std::process::exit(2);
    })
});

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// libfuzzer-sys ends the process at the first panic, also at one of a foreign parser that a reader catches and turns
/// into an error. Here only those count that leave the body; what they said is kept until then.
fn keep_panics() {
    panic::set_hook(Box::new(|info| {
        LAST_PANIC.with(|last| last.replace(info.to_string()));
    }));
    LazyLock::force(&TARGET);
}

fn run(data: &[u8]) {
    let body = TARGET.body;
    if panic::catch_unwind(AssertUnwindSafe(|| body(data))).is_err() {
        let said = LAST_PANIC.with(RefCell::take);
        eprintln!("{}: {said}", TARGET.name);
        std::process::abort();
    }
}

libfuzzer_sys::fuzz_target!(init: keep_panics(), |data: &[u8]| run(data));
