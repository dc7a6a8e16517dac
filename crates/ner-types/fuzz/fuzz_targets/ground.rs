//! Looks for the first line of a text in the rest and checks that every place is one of the rest.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ner_types_fuzz::check_ground(text));
