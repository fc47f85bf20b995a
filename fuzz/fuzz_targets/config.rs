//! What libFuzzer calls. Not here: the target itself (`../src/config.rs`).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::config::run(input));
