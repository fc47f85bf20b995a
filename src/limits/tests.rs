//! The ranges of the limits, and the errors beyond them.
//!
//! Not here: what happens at a limit (`tests/limits.rs`).

use super::*;

type Set = fn(&mut Limits, usize);

#[test]
fn each_field_has_a_range_and_an_error_that_names_it() {
    let cases: &[(&str, Set, usize, usize)] = &[
        ("message_bytes", |limits, value| limits.message_bytes = value, 1, MESSAGE_BYTES_MAX),
        ("send_queue_bytes", |limits, value| limits.send_queue_bytes = value, SEND_QUEUE_BYTES_MIN, MESSAGE_BYTES_MAX),
        ("connections", |limits, value| limits.connections = value, 1, COUNT_MAX),
        ("pre_auth_connections", |limits, value| limits.pre_auth_connections = value, 1, COUNT_MAX),
        ("max_memory", |limits, value| limits.max_memory = value, MAX_MEMORY_MIN, MAX_MEMORY_MAX),
        ("head_bytes", |limits, value| limits.head_bytes = value, HEAD_BYTES_MIN, HEAD_BYTES_MAX),
        ("headers", |limits, value| limits.headers = value, 1, HEADERS_MAX),
        ("fragments", |limits, value| limits.fragments = value, 1, COUNT_MAX),
        ("channels_per_session", |limits, value| limits.channels_per_session = value, 1, COUNT_MAX),
        ("head_timeout", |limits, value| limits.head_timeout = millis(value), 10, 86_400_000),
        ("keep_alive_timeout", |limits, value| limits.keep_alive_timeout = millis(value), 10, 86_400_000),
        ("auth_timeout", |limits, value| limits.auth_timeout = millis(value), 10, 86_400_000),
        ("close_timeout", |limits, value| limits.close_timeout = millis(value), 10, 86_400_000),
        ("write_stall_timeout", |limits, value| limits.write_stall_timeout = millis(value), 10, 86_400_000),
        ("message_timeout", |limits, value| limits.message_timeout = millis(value), 10, 86_400_000),
        ("heartbeat_interval", |limits, value| limits.heartbeat_interval = millis(value), 100, 86_400_000),
        ("window", |limits, value| limits.window = millis(value), 10, 86_400_000),
    ];
    for &(name, set, min, max) in cases {
        for (value, is_allowed) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
            let mut limits = Limits::default();
            set(&mut limits, value);
            match limits.check() {
                Ok(()) => assert!(is_allowed, "{name} = {value}"),
                Err(line) => assert!(!is_allowed && line.starts_with(&format!("Limits::{name} = ")), "{line}"),
            }
        }
    }
}

#[test]
fn counts_that_may_be_off_have_no_least_value() {
    let cases: &[(&str, Set)] = &[
        ("connections_per_ip", |limits, value| limits.connections_per_ip = value),
        ("auth_failures_per_minute", |limits, value| limits.auth_failures_per_minute = value),
        ("messages_per_window", |limits, value| limits.messages_per_window = value),
        ("control_frames_per_second", |limits, value| limits.control_frames_per_second = value),
    ];
    for &(name, set) in cases {
        for (value, is_allowed) in [(0, true), (COUNT_MAX, true), (COUNT_MAX + 1, false)] {
            let mut limits = Limits::default();
            set(&mut limits, value);
            assert_eq!(limits.check().is_ok(), is_allowed, "{name} = {value}");
        }
    }
}

#[test]
fn a_heartbeat_brings_no_more_pongs_than_a_peer_may_send() {
    for (frames, millis, is_allowed) in
        [(10, 100, true), (9, 111, false), (9, 112, true), (1, 999, false), (0, 100, true)]
    {
        let heartbeat_interval = Duration::from_millis(millis);
        let limits = Limits { control_frames_per_second: frames, heartbeat_interval, ..Limits::default() };
        assert_eq!(limits.check().is_ok(), is_allowed, "{frames} frames, {millis} ms");
    }
}

fn millis(value: usize) -> Duration {
    Duration::from_millis(value as u64)
}
