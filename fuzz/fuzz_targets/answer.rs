//! What libFuzzer calls. Not here: the target itself (`../src/answer.rs`).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::answer::run(input));
