//! The program as a user meets it: wrong input, interruption, exit codes.

mod cli {
    mod bad_input;
    mod bench;
    mod cot;
    mod data;
    mod eval;
    mod extract;
    #[cfg(unix)]
    mod interruption;
    mod parity;
    mod serve;
    mod server;
    mod support;
}
