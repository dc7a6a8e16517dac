//! The JSON readers on any bytes, in the format that the first one names.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ner_datasets_fuzz::check_json(data));
