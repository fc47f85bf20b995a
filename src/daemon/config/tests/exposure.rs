//! What the whole world knows or can overhear guards no address that the world can reach.
//!
//! Not here: one key alone, and the layers (`tests.rs`).

use super::*;

const BEYOND_LOOPBACK: [&str; 6] =
    ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "128.0.0.0:1"];
const LOOPBACK: [&str; 5] = ["127.0.0.1:1", "127.0.0.2:1", "127.255.255.255:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];

#[test]
fn the_development_certificate_is_only_for_loopback() {
    let with = |address: &str, more: &[(&str, &str)]| {
        let flags = keys(&[&[("server.listen", address)], more].concat());
        Given { flags: Flags { keys: flags.keys, ..users(&["bob:pw"]) }, ..Given::default() }.load()
    };
    for address in BEYOND_LOOPBACK {
        let reason = "the development certificate is only for loopback addresses; set tls.cert and tls.key";
        assert_eq!(with(address, &[]), Err(format!("--set: server.listen = {address}: {reason}")));
        assert!(!with(address, &OWN_PAIR).unwrap().uses_development_certificate());
        assert!(with(&format!("127.0.0.1:2,{address}"), &[]).is_err(), "the second of a list: {address}");
    }
    for address in LOOPBACK {
        assert!(with(address, &[]).unwrap().uses_development_certificate());
    }
}

#[test]
fn the_default_user_is_only_for_loopback() {
    let reason = "the default user is only for loopback addresses; set another by --user name:password or a users file";
    for key in ["server.listen", "server.plain_listen"] {
        let with = |address: &str, method: &str, pairs: &[&str]| {
            let more = [(key, address), ("auth.allow_plain", "true"), ("auth.methods", method)];
            let flags = keys(&[&more[..], &OWN_PAIR].concat());
            Given { flags: Flags { keys: flags.keys, ..users(pairs) }, ..Given::default() }.load()
        };
        for address in BEYOND_LOOPBACK {
            for method in ["basic", "message"] {
                assert_eq!(with(address, method, &[]), Err(format!("--set: {key} = {address}: {reason}")));
                assert!(with(address, method, &["user:other", "bob:pass"]).is_ok());
                assert!(with(address, method, &["bob:pw", "user:pass"]).is_err(), "the same pair, typed");
            }
            assert!(!with(address, "none", &[]).unwrap().uses_default_user());
        }
        for address in LOOPBACK {
            assert!(with(address, "basic", &[]).unwrap().uses_default_user());
        }
    }
}

#[test]
fn credentials_over_a_plain_listener_beyond_loopback_need_a_yes() {
    let with = |address: &str, more: &[(&str, &str)]| {
        let flags = keys(&[&[("server.plain_listen", address)], more].concat());
        Given { flags: Flags { keys: flags.keys, ..users(&["bob:pw"]) }, ..Given::default() }.load()
    };
    for address in BEYOND_LOOPBACK {
        let reason = "credentials would cross the network in the clear; auth.allow_plain = true accepts that";
        assert_eq!(with(address, &[]), Err(format!("--set: server.plain_listen = {address}: {reason}")));
        assert!(with(address, &[("auth.allow_plain", "true")]).is_ok());
        assert!(with(address, &[("auth.methods", "none")]).is_ok());
    }
    for address in LOOPBACK {
        assert!(with(address, &[]).is_ok(), "{address}");
    }
}
