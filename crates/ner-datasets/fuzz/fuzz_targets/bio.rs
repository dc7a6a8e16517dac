//! The BIO reader on any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ner_datasets_fuzz::check_bio(data));
