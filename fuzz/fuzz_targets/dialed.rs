//! What libFuzzer calls. Not here: the target itself (`../src/dialed.rs`).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::dialed::run(input));
