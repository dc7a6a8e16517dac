//! The program as a user meets it: wrong input, interruption, exit codes.

mod cli {
    mod bad_input;
    #[cfg(unix)]
    mod interruption;
    mod parity;
    mod support;
}
