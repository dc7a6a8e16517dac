//! The program as we meet it: what it measures and compares.

mod lab {
    mod bench;
    mod parity;
    mod support;
}
