//! The program as a user meets it: wrong input, interruption, exit codes.

mod cli {
    mod bad_input;
    mod extract;
    #[cfg(unix)]
    mod interruption;
    mod parity;
    mod support;
}
