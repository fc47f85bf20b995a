//! A reconnect storm: thousands of clients lose the daemon at the same moment and come back. They do not come all at once,
//! the daemon takes as many at a time as it can, none is lost, and who is refused comes in the end.
//!
//! Seeds are fixed and the clock stands still until it is moved: every run is the same.
//!
//! Not here: the policy of one client (`reconnecting.rs`), real sockets and processes (`benches/storm.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;
#[path = "storm/crowd.rs"]
mod crowd;

use std::time::Duration;

use barewire::app::Router;
use barewire::client::{Backoff, ClientConfig, Jitter, Reconnector};
use barewire::limits::{ACCEPTS_PER_TURN, HANDSHAKES_WAITING, LISTEN_BACKLOG, TLS_SESSION_BYTES};
use barewire::{EngineConfig, Event, Limits};
use crowd::{Crowd, config};

const CROWD: usize = 5000;
/// Where the size of the crowd is not what matters.
const FEW: usize = 200;
const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;
/// How long the daemon is away. The first attempt comes too early, but for some with full jitter.
const AWAY: Duration = Duration::from_secs(2);
/// Within this all are back, where an attempt is due that soon.
const BACK: Duration = Duration::from_secs(5);
/// The longest that a client waits before it tries again: 30 s, and 30 % of it.
const LONGEST: Duration = Duration::from_secs(39);
/// The most who may come within a tenth of a second. The second attempt follows the loss by 3 s and the jitter of two
/// delays, up to 0.3 and 0.6 s: at its height a sixth comes in each tenth.
const FULLEST_PROPORTIONAL: usize = CROWD / 5;
/// The same with full jitter: a tenth of the first seconds, and what is left of it afterwards.
const FULLEST_FULL: usize = CROWD / 10;

fn with(jitter: Jitter) -> impl Fn() -> ClientConfig {
    move || ClientConfig { backoff: Backoff { jitter, ..Backoff::default() }, ..config() }
}

fn limited(limits: Limits) -> EngineConfig {
    EngineConfig { limits, ..EngineConfig::default() }
}

/// A crowd that is in.
fn gathered(count: usize, config: impl Fn() -> ClientConfig) -> Crowd {
    let mut crowd = Crowd::new(count, config);
    crowd.start(EngineConfig::default());
    assert!(crowd.run(10 * SECOND, |crowd| crowd.present() == count).is_some());
    crowd
}

/// All are open again and subscribed again: what is said is heard by each, once.
fn assert_all_hear(crowd: &mut Crowd, payload: &str) {
    let count = crowd.members.len();
    assert_eq!((crowd.open(), crowd.present()), (count, count));
    assert_eq!(crowd.broadcast(payload), count);
    for member in &crowd.members {
        let times = member.heard.iter().filter(|text| text.contains(payload)).count();
        assert_eq!(times, 1, "{payload} was heard so often");
    }
}

/// Everybody loses a daemon that is killed, and another one comes up. Returns how long it takes until all are in, and how
/// many arrive in each tenth of a second.
fn storm(jitter: Jitter) -> (Duration, Vec<usize>) {
    let mut crowd = gathered(CROWD, with(jitter));
    assert_all_hear(&mut crowd, "before");
    let lost_us = crowd.now.mono_us;
    crowd.kill();
    assert_eq!(crowd.open(), 0);
    crowd.pass(AWAY);
    crowd.assert_nobody_is_lost();
    crowd.start(EngineConfig::default());
    let back = crowd.run(60 * SECOND, |crowd| crowd.present() == CROWD).expect("all come back");
    assert_all_hear(&mut crowd, "after");
    assert!(crowd.members.iter().all(|member| member.opened == 2 && member.codes.iter().all(|code| *code == 1006)));
    assert_eq!((crowd.crowded, crowd.refusals.len()), (0, 0), "nobody is dropped at the door, and nobody refused");
    assert!(crowd.peak.1 <= HANDSHAKES_WAITING + ACCEPTS_PER_TURN, "{} at the door", crowd.peak.1);
    assert!((CROWD * TLS_SESSION_BYTES..25 * MIB).contains(&crowd.peak.0), "{} bytes are held", crowd.peak.0);
    crowd.daemon().check_invariants();
    (back, crowd.histogram(lost_us))
}

#[test]
fn five_thousand_who_lose_the_daemon_at_once_come_back_spread_and_nobody_is_lost() {
    let (back, arrivals) = storm(Jitter::Proportional);
    assert!(back <= BACK, "{back:?}");
    assert_eq!(arrivals.iter().sum::<usize>(), CROWD, "each comes once");
    assert!(*arrivals.iter().max().unwrap() <= FULLEST_PROPORTIONAL, "{arrivals:?}");
}

#[test]
fn full_jitter_spreads_them_the_most() {
    let (_, arrivals) = storm(Jitter::Full);
    assert_eq!(arrivals.iter().sum::<usize>(), CROWD, "each comes once");
    assert!(*arrivals.iter().max().unwrap() <= FULLEST_FULL, "{arrivals:?}");
}

/// What jitter is for; and the daemon takes them all the same: those for whom the kernel's queue has no room come a second
/// later.
#[test]
fn without_jitter_they_come_in_one_moment() {
    let (back, arrivals) = storm(Jitter::None);
    assert_eq!(*arrivals.iter().max().unwrap(), CROWD);
    assert!(CROWD > LISTEN_BACKLOG as usize && back <= BACK, "{back:?}");
}

#[test]
fn a_daemon_that_stops_in_good_order_says_so_to_all_and_all_come_back_to_the_next() {
    for (spread, code) in [(Duration::ZERO, 1001), (10 * SECOND, 1012)] {
        let mut crowd = gathered(CROWD, config);
        crowd.stop(spread);
        assert_eq!(crowd.open(), 0);
        assert!(crowd.members.iter().all(|member| member.codes[0] == code));
        crowd.assert_nobody_is_lost();
        crowd.start(EngineConfig::default());
        let back = crowd.run(60 * SECOND, |crowd| crowd.present() == CROWD).expect("all come back");
        // Who was told first has been away for the whole span, and has waited up to eight seconds for the next attempt.
        assert!(back <= if spread.is_zero() { BACK } else { 11 * SECOND }, "{back:?}");
        assert_all_hear(&mut crowd, "after");
    }
}

#[test]
fn who_is_dropped_as_the_oldest_at_a_crowded_door_comes_again() {
    const STRANGERS: usize = 20;
    let mut crowd = gathered(FEW, with(Jitter::None));
    crowd.kill();
    crowd.start(limited(Limits { pre_auth_connections: STRANGERS, ..Limits::default() }));
    assert!(crowd.run(120 * SECOND, |crowd| crowd.present() == FEW).is_some());
    assert!(crowd.crowded > 0, "there are never too many at the door");
    assert!(crowd.peak.1 <= STRANGERS, "{} at the door", crowd.peak.1);
    assert_all_hear(&mut crowd, "after");
}

#[test]
fn who_is_refused_for_lack_of_memory_comes_in_when_there_is_some() {
    const MEMBERS: usize = 2500;
    const GUESTS: usize = 8;
    let limits = Limits { max_memory: 16 * MIB, ..Limits::default() };
    let mut crowd = gathered(MEMBERS, config);
    crowd.kill();
    crowd.start(limited(limits.clone()));
    // Others are faster, and are in the middle of a large message until its time is over.
    (0..GUESTS).for_each(|_| crowd.invite_heavy_guest(MIB * 7 / 10));
    crowd.pass(10 * SECOND);
    let (inside, refused) = (crowd.open(), crowd.refusals.get(&503).copied());
    assert!(inside > MEMBERS / 2 && inside < MEMBERS, "{inside} are in");
    assert!(refused.is_some() && crowd.refusals.len() == 1, "{:?}", crowd.refusals);
    crowd.assert_nobody_is_lost();
    let back = crowd.run(limits.message_timeout + LONGEST, |crowd| crowd.present() == MEMBERS);
    assert!(back.is_some(), "{} of {MEMBERS} are in", crowd.open());
    assert!(crowd.members.iter().all(|member| member.opened == 2), "who is in stays in");
    assert_all_hear(&mut crowd, "after");
}

#[test]
fn where_there_are_fewer_places_than_clients_those_outside_keep_trying_and_the_next_places_are_theirs() {
    const PLACES: usize = 150;
    let mut crowd = gathered(FEW, config);
    crowd.kill();
    crowd.start(limited(Limits { connections: PLACES, ..Limits::default() }));
    crowd.pass(120 * SECOND);
    assert_eq!((crowd.open(), crowd.present()), (PLACES, PLACES));
    crowd.assert_nobody_is_lost();
    assert!(crowd.refusals.keys().eq(&[503]), "{:?}", crowd.refusals);
    let outside: Vec<_> = crowd.members.iter().filter(|member| member.opened == 1).collect();
    assert_eq!(outside.len(), FEW - PLACES);
    assert!(outside.iter().all(|member| member.waits.len() >= 5));
    assert!(crowd.members.iter().flat_map(|member| &member.waits).all(|(_, delay)| *delay <= LONGEST));
    let left = crowd.dismiss(FEW - PLACES);
    assert!(crowd.run(LONGEST + SECOND, |crowd| crowd.present() == PLACES && crowd.open() == PLACES).is_some());
    assert!(crowd.members.iter().enumerate().all(|(n, member)| member.opened == 2 || left.contains(&n)));
}

/// A server that lets everybody in and throws them out: an open WebSocket is no success by itself, where the client says
/// how long it must last.
#[test]
fn who_is_let_in_and_at_once_thrown_out_waits_longer_each_time_if_it_asks_for_a_least_uptime() {
    const UPTIME: Duration = Duration::from_secs(5);
    for (min_uptime, arrivals) in [(UPTIME, 5 * FEW..=6 * FEW), (Duration::ZERO, 45 * FEW..=60 * FEW)] {
        let mut crowd = Crowd::new(FEW, || ClientConfig { min_uptime, ..config() });
        crowd.start_with(EngineConfig::default(), |engine, event| match event {
            Event::Open { id } => engine.close(id, 1013, "Try again later"),
            event => Router::default().handle(engine, event),
        });
        crowd.pass(60 * SECOND);
        assert!(arrivals.contains(&crowd.arrivals.len()), "{min_uptime:?}: {}", crowd.arrivals.len());
        for member in &crowd.members {
            let numbers = member.waits.iter().map(|(number, _)| *number);
            match min_uptime.is_zero() {
                true => assert!(numbers.eq(std::iter::repeat_n(1, member.opened))),
                false => assert!(numbers.eq(1..=member.opened as u32)),
            }
        }
        // The next one is sound, and one who has stayed for long enough begins anew.
        crowd.kill();
        crowd.start(EngineConfig::default());
        assert!(crowd.run(LONGEST + SECOND, |crowd| crowd.present() == FEW).is_some());
        crowd.pass(UPTIME);
        crowd.kill();
        assert!(crowd.members.iter().all(|member| member.waits.last().unwrap().0 == 1));
    }
}

#[test]
fn a_client_that_waits_is_small() {
    assert!(size_of::<Reconnector>() <= 1024, "{} bytes", size_of::<Reconnector>());
}
