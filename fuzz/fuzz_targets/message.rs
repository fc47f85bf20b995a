//! What libFuzzer calls. Not here: the target itself (`../src/message.rs`).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::message::run(input));
