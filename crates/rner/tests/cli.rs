//! The program as a user meets it: wrong input, interruption, exit codes.

mod cli {
    mod bad_input;
    mod bench;
    mod cot;
    mod data;
    mod eval;
    mod extract;
    mod grpo;
    #[cfg(unix)]
    mod interruption;
    mod parity;
    mod server;
    mod support;
}
