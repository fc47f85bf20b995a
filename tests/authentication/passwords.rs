//! Users of a file, whose hashes are measured by threads: the verdict comes later, from a channel that the test empties.
//!
//! Not here: hashes (`src/auth/password.rs`), the threads themselves (`src/auth/hashing.rs`).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::auth::{Attempt, Authenticate, Decision, Hashing, Methods, Ticket, Verdict};
use barewire::engine::Intake;
use barewire::limits::{CREDENTIAL_REMEMBERED, HASHES_WAITING_PER_ADDRESS, HASHES_WAITING_PER_WORKER};
use barewire::{CloseReason, ConnId, EngineConfig, Limits};

use super::common::http::{Answer, answers, basic};
use super::common::{World, frames, methods, upgrade, users};
use super::{FAILED, FAILED_CLOSE, MILLI, SECOND, SUBSCRIBE, SUBSCRIBED, SUCCESS, auth_basic, connected};

/// The password `password`, by the reference implementation.
const ARGON2ID: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// The password `a`, from the test vectors of jBCrypt.
const BCRYPT: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";

/// The daemon's authenticator, whose count of hashes the test can read.
struct Counted(Arc<Mutex<Methods>>);

impl Authenticate for Counted {
    fn begin(&mut self, attempt: &Attempt<'_>, ticket: Ticket) -> Decision {
        self.0.lock().unwrap().begin(attempt, ticket)
    }
}

/// A world with the plain user `user:pass`, and `bob:password` and `eve:a` in a file.
struct Hashed {
    world: World,
    methods: Arc<Mutex<Methods>>,
    verdicts: Receiver<(Ticket, Verdict)>,
    /// Dropped, it lets go of the thread, which waits with its first verdict.
    gate: Option<Sender<()>>,
}

impl Hashed {
    fn new() -> Hashed {
        let mut hashed = Hashed::held_up();
        hashed.gate = None;
        hashed
    }

    fn held_up() -> Hashed {
        let mut users = users(&["user:pass"]);
        users.add_file(&format!("bob:{ARGON2ID}\neve:{BCRYPT}\n")).unwrap();
        let (deliver, verdicts) = channel();
        let (gate, waits) = channel::<()>();
        let waits = Mutex::new(waits);
        let hashing = Hashing::start(1, move |ticket, verdict| {
            // A world that is gone needs no verdict.
            let _ = deliver.send((ticket, verdict));
            let _ = waits.lock().unwrap().recv();
        });
        let methods = Methods { users, hashing: Some(hashing.unwrap()), ..methods() };
        let methods = Arc::new(Mutex::new(methods));
        // All its peers have one address, and many of them are wrong.
        let limits = Limits { auth_failures_per_minute: 0, ..Limits::default() };
        let trusted_proxies = vec!["198.51.100.0/24".parse().unwrap()];
        let config = EngineConfig { limits, trusted_proxies, ..EngineConfig::default() };
        let world = World::guarded(config, Counted(Arc::clone(&methods)));
        Hashed { world, methods, verdicts, gate: Some(gate) }
    }

    fn hashed(&self) -> u64 {
        self.methods.lock().unwrap().hashing.as_ref().unwrap().hashed()
    }

    /// An upgrade with these credentials, not answered yet unless that takes no hash.
    fn ask(&mut self, credentials: &str) -> ConnId {
        self.ask_from("127.0.0.1", credentials)
    }

    /// The same from this address.
    fn ask_from(&mut self, ip: &str, credentials: &str) -> ConnId {
        let id = self.world.connect_from(ip);
        let headers = format!("Authorization: {}\r\n", basic(credentials));
        self.world.input(id, upgrade(&headers).as_bytes());
        id
    }

    /// Brings the next verdict.
    fn deliver(&mut self) -> Ticket {
        let (ticket, verdict) = self.verdicts.recv().unwrap();
        self.world.resolve(ticket, verdict);
        ticket
    }

    /// The status of an upgrade with these credentials, and whether it took a hash.
    fn judge(&mut self, credentials: &str) -> (u16, bool) {
        let before = self.hashed();
        let id = self.ask(credentials);
        let is_later = self.world.peer(id).received.is_empty();
        if is_later {
            self.deliver();
        }
        let bytes = self.world.take(id);
        let status = String::from_utf8_lossy(&bytes).split(' ').nth(1).unwrap().parse().unwrap();
        let hashed = self.hashed() - before;
        assert_eq!(hashed, u64::from(is_later), "one hash for one question");
        (status, is_later)
    }

    fn refusal(&mut self, id: ConnId) -> Answer {
        answers(&self.world.take(id)).remove(0)
    }
}

#[test]
fn users_of_a_file_come_in_and_everyone_else_costs_a_hash_and_is_forbidden() {
    let mut hashed = Hashed::new();
    for (credentials, verdict) in [
        ("bob:password", (101, true)),
        ("eve:a", (101, true)),
        ("user:pass", (101, false)),
        ("bob:wrong", (403, true)),
        ("bob:", (403, true)),
        ("bob:a", (403, true)),
        ("eve:password", (403, true)),
        ("eve:b", (403, true)),
        ("nobody:password", (403, true)),
        ("nobody:a", (403, true)),
        ("Bob:password", (403, true)),
        ("user:wrong", (403, true)),
        ("user:password", (403, true)),
        ("bob:password\0", (403, true)),
        ("eve:a\0a", (403, true)),
        (":password", (403, false)),
        ("b\nob:password", (403, false)),
        (&format!("bob:{}", "x".repeat(1024)), (403, true)),
        (&format!("bob:{}", "x".repeat(1025)), (403, false)),
        (&format!("{}:x", "n".repeat(255)), (403, true)),
        (&format!("{}:x", "n".repeat(256)), (403, false)),
    ] {
        assert_eq!(hashed.judge(credentials), verdict, "{credentials:?}");
    }
}

#[test]
fn known_and_unknown_names_are_answered_alike() {
    let mut hashed = Hashed::new();
    let answers = ["bob:wrong", "eve:wrong", "nobody:wrong", "user:wrong"].map(|credentials| {
        let id = hashed.ask(credentials);
        assert!(hashed.world.peer(id).received.is_empty(), "{credentials} is not answered at once");
        hashed.deliver();
        hashed.refusal(id)
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!((answers[0].status, answers[0].body.as_str(), hashed.hashed()), (403, "Forbidden", 4));
}

#[test]
fn a_right_credential_is_not_hashed_again_for_an_hour_and_a_wrong_one_always() {
    let mut hashed = Hashed::new();
    assert_eq!(hashed.judge("bob:password"), (101, true));
    assert_eq!(hashed.judge("bob:wrong"), (403, true));
    for _ in 0..3 {
        assert_eq!(hashed.judge("bob:password"), (101, false));
        assert_eq!(hashed.judge("bob:wrong"), (403, true));
    }
    hashed.world.advance(CREDENTIAL_REMEMBERED - MILLI);
    assert_eq!(hashed.judge("bob:password"), (101, false));
    hashed.world.advance(MILLI);
    assert_eq!(hashed.judge("bob:password"), (101, true));
    assert_eq!(hashed.judge("bob:password"), (101, false));
}

#[test]
fn a_crowd_with_one_credential_is_hashed_once() {
    let mut hashed = Hashed::new();
    let crowd: Vec<ConnId> = (0..200).map(|_| hashed.ask("bob:password")).collect();
    for id in crowd {
        if hashed.world.peer(id).received.is_empty() {
            hashed.deliver();
        }
    }
    assert_eq!((hashed.world.engine.open_sessions(), hashed.hashed()), (200, 1));
}

#[test]
fn a_full_queue_is_503_and_no_wrong_password() {
    let mut hashed = Hashed::held_up();
    let first = hashed.ask("n:x");
    hashed.deliver();
    assert_eq!(hashed.refusal(first).status, 403);
    let ask = |i: usize| hashed.ask_from(&format!("192.0.2.{}", i / HASHES_WAITING_PER_ADDRESS), &format!("n{i}:x"));
    let waiting: Vec<ConnId> = (0..HASHES_WAITING_PER_WORKER).map(ask).collect();
    let late = hashed.ask("bob:password");
    let answer = hashed.refusal(late);
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("5")));
    let in_band = hashed.world.open_with("");
    hashed.world.input(in_band, &auth_basic("bob:password"));
    assert_eq!(hashed.world.transcript(in_band), [FAILED, FAILED_CLOSE]);
    let plain = hashed.ask("user:pass");
    assert!(hashed.world.engine.identity(plain).is_some(), "what takes no hash waits for none");

    hashed.gate = None;
    for id in waiting {
        hashed.deliver();
        assert_eq!(hashed.refusal(id).status, 403);
    }
    assert_eq!(hashed.judge("bob:password"), (101, true));
}

#[test]
fn one_address_has_no_more_passwords_waiting_than_its_share_and_others_have_theirs() {
    // An IPv6 network of 64 bits is one address.
    for (crowd, neighbour, other) in
        [("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")]
    {
        let mut hashed = Hashed::held_up();
        let first = hashed.ask_from(crowd, "n:x");
        hashed.deliver();
        assert_eq!(hashed.refusal(first).status, 403);
        for i in 0..HASHES_WAITING_PER_ADDRESS {
            let id = hashed.ask_from(crowd, &format!("n{i}:x"));
            assert_eq!(hashed.world.take(id), b"", "{i}");
        }
        let past = hashed.ask_from(neighbour, "bob:password");
        assert_eq!(hashed.refusal(past).status, 503);
        // Behind a trusted proxy there are many.
        for (ip, count) in [(other, 1), ("198.51.100.1", HASHES_WAITING_PER_ADDRESS + 1)] {
            for i in 0..count {
                let id = hashed.ask_from(ip, &format!("{i} of {}:x", ip.replace(':', ".")));
                assert_eq!(hashed.world.take(id), b"", "{ip} {i}");
            }
        }
    }
}

#[test]
fn a_message_is_judged_later_and_what_is_behind_it_waits() {
    let mut hashed = Hashed::new();
    let id = hashed.world.open_with("");
    hashed.world.input(id, &[auth_basic("bob:password"), frames::text(SUBSCRIBE)].concat());
    assert_eq!((hashed.world.take(id), hashed.world.engine.intake(id)), (vec![], Intake::Pause));
    hashed.deliver();
    assert_eq!(hashed.world.transcript(id), [SUCCESS, &connected("bob"), SUBSCRIBED]);

    hashed.world.input(id, &auth_basic("bob:password"));
    assert_eq!(hashed.world.transcript(id), [SUCCESS], "a renewal is remembered, too");
    hashed.world.input(id, &auth_basic("bob:wrong"));
    hashed.deliver();
    assert_eq!(hashed.world.transcript(id), [FAILED, FAILED_CLOSE]);
}

#[test]
fn a_verdict_for_one_who_has_gone_or_waited_too_long_changes_nothing() {
    let mut hashed = Hashed::new();
    let gone = hashed.ask("bob:password");
    hashed.world.engine.handle_error(gone, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
    hashed.world.turn();
    hashed.deliver();
    assert_eq!(hashed.world.engine.open_sessions(), 0);

    let late = hashed.ask("eve:a");
    hashed.world.advance(Duration::from_secs(10) + SECOND);
    assert_eq!(hashed.refusal(late).status, 503);
    hashed.deliver();
    assert_eq!((hashed.world.take(late), hashed.world.engine.open_sessions()), (vec![], 0));
    assert_eq!(hashed.judge("eve:a"), (101, false), "but it was right, and that is remembered");
}

#[test]
fn users_with_hashes_and_nobody_to_hash_is_503() {
    let mut users = users(&["user:pass"]);
    users.add_file(&format!("bob:{ARGON2ID}")).unwrap();
    let mut world = World::guarded(EngineConfig::default(), Methods { users, ..methods() });
    let id = world.connect();
    let request = upgrade(&format!("Authorization: {}\r\n", basic("bob:password")));
    assert_eq!(world.ask(id, &request).status, 503);
}

#[test]
fn neither_password_nor_hash_is_shown() {
    let mut hashed = Hashed::new();
    hashed.ask("bob:canary-password");
    let shown = format!("{:?}", hashed.methods.lock().unwrap());
    hashed.deliver();
    let told = format!("{shown} {:?}", hashed.world.history);
    for secret in ["canary", "nf65EOg", "c29tZXNhbHQ", "m0CrhHm", "pass\""] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}
