//! Verdicts that come later than the question, whatever happens meanwhile, and identities that expire.
//!
//! Not here: what the daemon's own authenticator says (`../authentication.rs`).

use std::time::Duration;

use barewire::auth::{Attempt, Authenticate, Decision, Identity, Ticket, Verdict};
use barewire::engine::Intake;
use barewire::wire::http::{Refusal, Response};
use barewire::{CloseReason, ConnId, EngineConfig, Limits, PreparedMessage};

use super::common::http::head;
use super::common::pending::Pending;
use super::common::{World, frames, upgrade};
use super::{FAILED, FAILED_CLOSE, MILLI, SECOND, SUBSCRIBE, SUBSCRIBED, SUCCESS, TICK, TIMEOUT_CLOSE, auth, told};
const EXPIRED_CLOSE: &str = "close 4401 Token expired";

/// The daemon with an authenticator whose verdicts the test gives.
fn later() -> (World, Pending) {
    later_within(Limits::default())
}

fn later_within(limits: Limits) -> (World, Pending) {
    let pending = Pending::default();
    (World::guarded(EngineConfig { limits, ..EngineConfig::default() }, pending.clone()), pending)
}

/// An open session of `user`, judged later.
fn open_later(world: &mut World, pending: &Pending, verdict: Verdict) -> ConnId {
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    pending.resolve(world, verdict);
    world.take(id);
    id
}

#[test]
fn the_authenticator_sees_the_whole_attempt() {
    let (mut world, pending) = later();
    let id = world.connect();
    world.input(id, upgrade("Origin: https://localhost\r\nX: y\r\n").replace("/ws", "/ws?a=b").as_bytes());
    let (ticket, about) = pending.take();
    let origin = r#"GET /ws?a=b 7 origin Some("https://localhost") peer 127.0.0.1:40000 secure true"#;
    assert_eq!(about, origin);
    world.resolve(ticket, Verdict::AskInBand);
    world.input(id, &frames::text(&auth("to\\u006ben")));
    assert_eq!(pending.take().1, "token peer 127.0.0.1:40000 secure true");
    // Without TLS, without an Origin, and from elsewhere.
    let id = world.engine.handle_accept("[2001:db8::7]:1".parse().unwrap(), false).unwrap();
    world.engine.handle_input(id, upgrade("").as_bytes());
    assert_eq!(pending.take().1, "GET /ws 5 origin None peer [2001:db8::7]:1 secure false");
}

/// An authenticator that has made up its mind.
struct AtOnce(fn() -> Verdict);

impl Authenticate for AtOnce {
    fn begin(&mut self, _: &Attempt<'_>, _: Ticket) -> Decision {
        Decision::Now((self.0)())
    }
}

#[test]
fn a_verdict_may_come_at_once_with_a_user_or_with_a_status_a_reason_and_headers_of_its_own() {
    let mut world = World::guarded(EngineConfig::default(), AtOnce(|| Verdict::Accept(Identity::new("anna"))));
    let id = world.open_with("");
    assert_eq!(world.engine.identity(id), Some(&Identity::new("anna")));

    let elsewhere = || Verdict::Refuse(Refusal::new(421, "not here").with_header("Location", "https://b.example"));
    let mut world = World::guarded(EngineConfig::default(), AtOnce(elsewhere));
    let id = world.connect();
    let answer = world.ask(id, &upgrade("").repeat(2));
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("Location"), answer.header("Connection")),
        (421, "not here", Some("https://b.example"), Some("close"))
    );
    assert!(world.peer(id).ended);
}

#[test]
fn input_waits_for_a_verdict_and_nothing_of_it_is_lost() {
    let behind = [frames::text(SUBSCRIBE), frames::frame(frames::PING, b"x")].concat();
    let (mut world, pending) = later();
    let id = world.connect();
    world.input(id, &[upgrade("").as_bytes(), &behind].concat());
    world.advance(9 * SECOND);
    assert_eq!(world.take(id), b"");
    assert_eq!(world.engine.intake(id), Intake::Pause);
    assert!(!world.engine.respond(id, Response::text(200, "")), "an upgrade is no request of the host's");
    pending.accept(&mut world, "anna");
    let said = world.transcript(id);
    assert!(said[0].starts_with(r#"{"type":"connected","userId":"anna""#), "{said:?}");
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.contains(&SUBSCRIBED.to_owned()) && said.contains(&"pong x".to_owned()), "{said:?}");
    assert_ne!(world.engine.intake(id), Intake::Pause);

    let id = open_later(&mut world, &pending, Verdict::AskInBand);
    world.input(id, &[frames::text(&auth("t")), behind].concat());
    world.advance(9 * SECOND);
    assert_eq!(world.messages(id), Vec::<String>::new());
    assert_eq!(world.engine.intake(id), Intake::Pause);
    pending.accept(&mut world, "berta");
    let said = world.messages(id);
    assert_eq!((said[0].as_str(), said[2].as_str()), (SUCCESS, SUBSCRIBED), "{said:?}");
    assert!(said[1].starts_with(r#"{"type":"connected","userId":"berta""#));
    assert_ne!(world.engine.intake(id), Intake::Pause);
}

#[test]
fn a_late_refusal_has_its_own_status_and_headers_and_ends_the_connection() {
    let (mut world, pending) = later();
    let id = world.connect();
    world.input(id, format!("{}{}", upgrade(""), upgrade("")).as_bytes());
    let refusal =
        Refusal::new(451, "not here").with_header("Link", "<https://example>").with_header("Bad\r\nName", "x");
    pending.resolve(&mut world, Verdict::Refuse(refusal));
    let answers = world.answers(id);
    assert_eq!(answers.len(), 1, "nothing behind it is parsed: {answers:?}");
    let answer = &answers[0];
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("Link")),
        (451, "not here", Some("<https://example>"))
    );
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(world.peer(id).ended && pending.is_empty());
    assert_eq!(world.ends(id), ["identity: None, reason: HttpRefused(451) }"]);
}

#[test]
fn a_message_is_refused_by_any_verdict_but_acceptance() {
    for verdict in [Verdict::Refuse(Refusal::new(500, "never sent")), Verdict::AskInBand] {
        let (mut world, pending) = later();
        let id = open_later(&mut world, &pending, Verdict::AskInBand);
        world.input(id, &frames::text(&auth("t")));
        assert_eq!(world.take(id), b"");
        pending.resolve(&mut world, verdict);
        assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE]);
    }
}

#[test]
fn a_verdict_counts_once_and_only_for_what_was_asked_last() {
    let (mut world, pending) = later();
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    let first = pending.resolve(&mut world, Verdict::AskInBand);
    world.take(id);
    let accept = || Verdict::Accept(Identity::new("intruder"));
    world.resolve(first, accept());
    assert_eq!(world.engine.identity(id), None, "it had its answer");
    world.input(id, &frames::text(&auth("t")));
    world.resolve(first, accept());
    assert_eq!(world.engine.identity(id), None, "the question is another one by now");
    let second = pending.accept(&mut world, "anna");
    assert_eq!(world.engine.identity(id), Some(&Identity::new("anna")));
    world.take(id);
    for ticket in [first, second] {
        world.resolve(ticket, Verdict::Refuse(Refusal::new(403, "no")));
        assert_eq!(world.take(id), b"");
    }
    world.engine.renew(id, "a");
    world.engine.renew(id, "b");
    let [older, newer] = [pending.take().0, pending.take().0];
    world.resolve(older, accept());
    assert_eq!(world.take(id), b"", "only the last renewal counts");
    world.resolve(newer, Verdict::Accept(Identity::new("anna")));
    assert_eq!(world.transcript(id), [SUCCESS]);
}

#[test]
fn a_verdict_for_a_session_that_has_gone_does_nothing_to_the_next_in_its_place() {
    for in_band in [false, true] {
        let (mut world, pending) = later();
        let ask = |world: &mut World| {
            let id = world.connect();
            world.input(id, upgrade("").as_bytes());
            if in_band {
                pending.resolve(world, Verdict::AskInBand);
                world.input(id, &frames::text(&auth("t")));
                world.take(id);
            }
            id
        };
        let gone = ask(&mut world);
        let (stale, _) = pending.take();
        world.engine.handle_error(gone, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
        world.turn();
        assert!(world.is_gone(gone));
        assert_eq!(world.ends(gone), ["identity: None, reason: Transport(ConnectionReset) }"]);
        assert_eq!(world.engine.sessions(), 0);
        world.resolve(stale, Verdict::Accept(Identity::new("ghost")));
        assert_eq!(world.engine.open_sessions(), 0);

        let next = ask(&mut world);
        assert_eq!(next.index(), gone.index(), "the slot is used again");
        world.resolve(stale, Verdict::Accept(Identity::new("ghost")));
        assert_eq!(world.take(next), b"");
        pending.accept(&mut world, "anna");
        assert_eq!(world.engine.identity(next), Some(&Identity::new("anna")));
        assert_eq!(told(&world).len(), 2, "one end, one opening: {:?}", world.history);
    }
}

#[test]
fn a_verdict_that_does_not_come_in_time_is_not_waited_for() {
    // Shorter and longer than the time for a head.
    for auth_timeout in [7 * SECOND, 13 * SECOND] {
        let (mut world, pending) = later_within(Limits { auth_timeout, ..Limits::default() });
        let id = world.connect();
        world.input(id, upgrade("").as_bytes());
        world.advance(auth_timeout - MILLI);
        assert_eq!(world.take(id), b"");
        world.advance(MILLI + TICK);
        let answer = &world.answers(id)[0];
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("5")));
        pending.accept(&mut world, "late");
        assert_eq!(world.take(id), b"");
        assert_eq!(world.engine.open_sessions(), 0);

        let id = world.connect();
        world.input(id, upgrade("").as_bytes());
        world.advance(auth_timeout / 2);
        pending.resolve(&mut world, Verdict::AskInBand);
        world.input(id, &frames::text(&auth("t")));
        world.take(id);
        world.advance(auth_timeout / 2 - MILLI);
        assert!(world.ends(id).is_empty());
        world.advance(MILLI + TICK);
        assert_eq!(world.transcript(id).last().unwrap(), TIMEOUT_CLOSE, "one deadline for both questions");
        pending.accept(&mut world, "late");
        assert_eq!(world.take(id), b"");
        assert_eq!(world.engine.open_sessions(), 0);
    }
}

#[test]
fn a_peer_that_ends_its_half_while_it_is_judged_still_hears_the_verdict() {
    let refusal = Verdict::Refuse(Refusal::new(403, "no"));
    for (verdict, status, end) in [
        (refusal, 403, "identity: None, reason: HttpRefused(403) }"),
        (Verdict::AskInBand, 101, "identity: None, reason: PeerVanished }"),
        (Verdict::Accept(Identity::new("a")), 101, "}), reason: PeerVanished }"),
    ] {
        let (mut world, pending) = later();
        let id = world.connect();
        world.input(id, upgrade("").as_bytes());
        world.end(id);
        assert!(!world.is_gone(id));
        pending.resolve(&mut world, verdict);
        let bytes = world.take(id);
        assert_eq!(head(&String::from_utf8_lossy(&bytes)).0.status, status);
        assert!(world.is_gone(id));
        assert!(world.ends(id)[0].ends_with(end), "{:?}", world.ends(id));
    }
}

#[test]
fn silence_while_the_server_does_not_listen_is_no_lost_heartbeat() {
    let limits = Limits { heartbeat_interval: Duration::from_millis(100), ..Limits::default() };
    let (mut world, pending) = later_within(limits);
    let id = open_later(&mut world, &pending, Verdict::AskInBand);
    world.input(id, &frames::text(&auth("t")));
    world.advance(SECOND);
    pending.accept(&mut world, "anna");
    assert!(world.ends(id).is_empty(), "its pongs wait to be read");
    world.advance(SECOND);
    assert!(world.ends(id)[0].contains("HeartbeatLost"), "from now on it must be heard");
}

// --- renewal ---

#[test]
fn a_renewal_may_be_judged_later_and_the_session_goes_on_meanwhile() {
    for (user, outcome) in [("anna", &[SUCCESS, SUBSCRIBED][..]), ("berta", &[FAILED, FAILED_CLOSE])] {
        let (mut world, pending) = later();
        let id = open_later(&mut world, &pending, Verdict::Accept(Identity::new("anna")));
        world.input(id, &frames::text(&auth("t")));
        assert_eq!(world.engine.intake(id), Intake::Pause);
        assert_eq!(world.engine.publish_to_all(&PreparedMessage::text("news"), None).queued, 1);
        world.turn();
        assert_eq!(world.transcript(id), ["news"], "it is still who it was");
        // The socket had been read already when the question was asked.
        world.engine.handle_input(id, &frames::text(SUBSCRIBE));
        world.turn();
        pending.accept(&mut world, user);
        assert_eq!(world.transcript(id), outcome);
    }
}

#[test]
fn a_session_that_closes_while_it_renews_does_so_once() {
    let (mut world, pending) = later();
    let id = open_later(&mut world, &pending, Verdict::Accept(Identity::new("anna")));
    world.input(id, &frames::text(&auth("t")));
    world.engine.close(id, 4000, "enough");
    world.turn();
    pending.accept(&mut world, "anna");
    assert_eq!(world.transcript(id), ["close 4000 enough"]);
    assert_eq!(world.ends(id).len(), 1);
}

// --- expiry ---

/// A world in which no heartbeat is due, and an open session of `anna` that expires after so long.
fn expiring(after: Duration) -> (World, Pending, ConnId) {
    let limits = Limits { heartbeat_interval: Duration::from_secs(24 * 3600), ..Limits::default() };
    let (mut world, pending) = later_within(limits);
    let verdict = until(&world, after);
    let id = open_later(&mut world, &pending, verdict);
    (world, pending, id)
}

fn until(world: &World, after: Duration) -> Verdict {
    Verdict::Accept(Identity::new("anna").expiring(world.now.unix_ms + after.as_millis() as u64))
}

#[test]
fn an_identity_is_good_until_it_expires() {
    for after in [Duration::from_millis(1), SECOND, 90 * SECOND] {
        let (mut world, _, id) = expiring(after);
        world.advance(after - MILLI);
        assert_eq!(world.transcript(id), Vec::<String>::new(), "{after:?}");
        world.advance(MILLI + TICK);
        assert_eq!(world.transcript(id), [EXPIRED_CLOSE]);
        assert!(world.ends(id)[0].ends_with("}), reason: TokenExpired }"));
    }
}

#[test]
fn an_identity_that_has_expired_already_is_not_let_linger() {
    let (mut world, pending, _) = expiring(SECOND);
    let id = open_later(&mut world, &pending, Verdict::Accept(Identity::new("anna").expiring(1)));
    world.advance(TICK);
    assert_eq!(world.transcript(id), [EXPIRED_CLOSE]);
}

#[test]
fn the_end_of_time_is_never() {
    let (mut world, pending, _) = expiring(SECOND);
    let id = open_later(&mut world, &pending, Verdict::Accept(Identity::new("anna").expiring(u64::MAX)));
    world.advance(3600 * SECOND);
    assert!(world.ends(id).is_empty());
}

#[test]
fn a_renewal_moves_the_expiry() {
    for (renewed, lives) in [(Some(20), 20), (Some(2), 2), (None, 3600)] {
        let (mut world, pending, id) = expiring(10 * SECOND);
        world.input(id, &frames::text(&auth("t")));
        let verdict = match renewed {
            Some(seconds) => until(&world, seconds * SECOND),
            None => Verdict::Accept(Identity::new("anna")),
        };
        pending.resolve(&mut world, verdict);
        assert_eq!(world.transcript(id), [SUCCESS]);
        world.advance(lives * SECOND - MILLI);
        assert!(world.ends(id).is_empty(), "{renewed:?}");
        world.advance(MILLI + TICK);
        assert_eq!(world.ends(id).len(), usize::from(renewed.is_some()), "{renewed:?}");
    }
}

#[test]
fn an_identity_that_expires_while_it_is_renewed_has_expired() {
    let (mut world, pending, id) = expiring(SECOND);
    world.input(id, &frames::text(&auth("t")));
    world.advance(SECOND + TICK);
    assert_eq!(world.transcript(id), [EXPIRED_CLOSE]);
    pending.accept(&mut world, "anna");
    assert_eq!(world.take(id), b"");
}

#[test]
fn a_wall_clock_that_is_set_back_makes_an_identity_good_for_longer() {
    let (mut world, _, id) = expiring(60 * SECOND);
    world.now.unix_ms -= 3_600_000;
    world.advance(60 * SECOND + TICK);
    assert!(world.ends(id).is_empty(), "the wall says that there is an hour left");
    world.advance(3600 * SECOND - TICK - MILLI);
    assert!(world.ends(id).is_empty());
    world.advance(MILLI + TICK);
    assert_eq!(world.transcript(id), [EXPIRED_CLOSE]);
}

#[test]
fn a_wall_clock_that_is_set_forward_ends_an_identity_at_the_next_heartbeat() {
    let (mut world, pending) = later();
    let verdict = until(&world, 3600 * SECOND);
    let id = open_later(&mut world, &pending, verdict);
    world.now.unix_ms += 3_600_000;
    world.advance(30 * SECOND + TICK);
    assert_eq!(world.transcript(id).last().map(String::as_str), Some(EXPIRED_CLOSE));
}

#[test]
fn what_is_read_in_one_piece_with_a_renewal_waits_for_its_verdict() {
    let (mut world, pending) = later();
    let id = open_later(&mut world, &pending, Verdict::Accept(Identity::new("user")));
    let renewal = frames::text(r#"{"type":"auth","token":"new"}"#);
    let ping = frames::text(r#"{"type":"ping","id":1}"#);
    world.input(id, &[renewal, ping].concat());
    assert!(world.messages(id).is_empty(), "nothing is answered before the verdict");
    pending.accept(&mut world, "user");
    let messages = world.messages(id);
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0], r#"{"type":"auth_success"}"#);
    assert!(messages[1].starts_with(r#"{"type":"pong""#), "{messages:?}");
}

#[test]
fn a_renewal_that_is_never_judged_ends_at_the_deadline_of_a_login() {
    let (mut world, pending) = later();
    let id = open_later(&mut world, &pending, Verdict::Accept(Identity::new("user")));
    world.input(id, &frames::text(r#"{"type":"auth","token":"new"}"#));
    world.advance(10 * SECOND - TICK);
    assert!(world.ends(id).is_empty());
    world.advance(2 * TICK);
    assert_eq!(world.close_code(id), Some((1008, "Authentication timeout".into())));
}
