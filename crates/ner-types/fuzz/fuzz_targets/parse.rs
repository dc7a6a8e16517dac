//! Reads any bytes in both modes and holds the results to what the documentation says of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ner_types_fuzz::check_parse(bytes));
