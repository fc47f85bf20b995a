//! Every system call failing once, at every place, while the server is somebody's client: it ends in order or goes on, and
//! who has come meanwhile does not notice.
//!
//! Not here: the same for a server alone (`tests/faults.rs`).

use std::io::{self, ErrorKind};
use std::time::Duration;

use barewire::limits::{CONNECT_ADDRESS_TIMEOUT, HEAD_TIMEOUT_DEFAULT};
use barewire::{ConnId, Event, Message};

use crate::common::{self, frames, switch};
use crate::memory::{Answer, Call, FIRST, Fault, Site};
use crate::{addr, dial, site};

/// Longer than any deadline of a session that is being connected, or is winding down.
const LONG: Duration = Duration::from_secs(20);

type Errno = fn() -> io::Error;

/// Each call with the errors that it may meet, and whether these are nobody's end.
const FAULTS: [(Call, &[Errno], bool); 11] = [
    (Call::Resolve, &[|| ErrorKind::Other.into()], false),
    (Call::Entropy, &[|| ErrorKind::Other.into()], false),
    // As without a descriptor, a free port, a route; another address may do.
    (
        Call::Connect,
        &[
            || ErrorKind::Other.into(),
            || ErrorKind::AddrNotAvailable.into(),
            || ErrorKind::NetworkUnreachable.into(),
            || ErrorKind::Interrupted.into(),
        ],
        false,
    ),
    (Call::PollConnected, &[|| ErrorKind::ConnectionReset.into(), || ErrorKind::HostUnreachable.into()], false),
    (Call::Register, &[|| ErrorKind::OutOfMemory.into()], false),
    (Call::Read, &[|| ErrorKind::Interrupted.into(), || ErrorKind::WouldBlock.into()], true),
    (Call::Read, &[|| ErrorKind::ConnectionReset.into(), || ErrorKind::TimedOut.into()], false),
    (Call::Write, &[|| ErrorKind::Interrupted.into(), || ErrorKind::WouldBlock.into()], true),
    (Call::Write, &[|| ErrorKind::ConnectionReset.into(), || ErrorKind::BrokenPipe.into()], false),
    (Call::ShutDownWrite, &[|| ErrorKind::NotConnected.into()], false),
    (Call::Wait, &[|| ErrorKind::Interrupted.into()], true),
];

/// What has come of it.
#[derive(Debug, Default)]
struct Course {
    id: Option<ConnId>,
    /// The connection that the request went over.
    wire: Option<usize>,
    /// What the upstream was sent behind the request.
    heard: Vec<u8>,
    guest: usize,
    guest_heard: Vec<u8>,
}

/// A name with three addresses: a silent one, one that refuses and one that accepts and echoes; and a guest of our own.
fn play(site: &mut Site, pace: usize) -> Course {
    site.router = None;
    site.network.name("upstream", Some(&[addr(1), addr(2), addr(3)]));
    site.network.answer(addr(1), Answer::Silent);
    site.network.answer(addr(3), Answer::Accepts);
    let mut course = Course { guest: site.network.connect(FIRST), ..Course::default() };
    site.network.send(course.guest, common::upgrade(common::GOOD).as_bytes());
    course.id = site.server.connect(dial("upstream", 80)).ok();
    site.rest();
    site.advance(CONNECT_ADDRESS_TIMEOUT);
    for (_, wire) in site.network.dialed() {
        site.network.cut_into(wire, pace);
        let request = String::from_utf8(site.take(wire)).unwrap();
        if request.ends_with("\r\n\r\n") {
            course.wire = Some(wire);
            site.network.send(wire, switch(&request).as_bytes());
            site.network.send(wire, &frames::server(frames::TEXT, b"welcome"));
        }
    }
    site.rest();
    if let Some(id) = course.id {
        site.server.engine().send(id, Message::Text("hello".into()));
    }
    site.rest();
    if let Some(wire) = course.wire {
        site.network.send(wire, &frames::server(frames::CLOSE, &1000_u16.to_be_bytes()));
        site.rest();
        site.network.end(wire);
        course.heard = site.take(wire);
    }
    site.network.send(course.guest, &frames::close(1000, "bye"));
    site.network.end(course.guest);
    site.rest();
    site.advance(LONG);
    course.guest_heard = site.network.take(course.guest);
    course
}

fn check(name: &str, site: &mut Site, course: &Course, is_harmless: bool) {
    let (struck, victim) = site.network.fault();
    let is_well = !struck || is_harmless;
    if victim != Some(course.guest) || is_harmless {
        let farewell = frames::decode(&course.guest_heard);
        assert_eq!(farewell.last().map(frames::Frame::close), Some((1000, "bye".into())), "{name}");
    }
    let count = |parts: &[&str]| {
        let id = course.id.map_or_else(|| "nobody".into(), |id| format!("{id:?}"));
        let is_of_it = |event: &&String| event.contains(&id) && parts.iter().all(|part| event.contains(part));
        site.history.iter().filter(is_of_it).count()
    };
    let is_its = course.wire.is_some() && victim == course.wire;
    assert_eq!(count(&["Closed"]), usize::from(course.id.is_some()), "{name}: {:?}", site.history);
    if is_well || struck && course.wire.is_some() && !is_its {
        assert_eq!(count(&["Connected"]), 1, "{name}: {:?}", site.history);
        assert!(site.events.iter().any(is_welcome), "{name}");
        let heard = frames::decode_client(&course.heard);
        let heard: Vec<_> = heard.iter().map(|(frame, _)| frame.line()).collect();
        assert_eq!(heard, ["hello", "close 1000 "], "{name}");
        assert_eq!(count(&["Closed", "PeerClosed"]), 1, "{name}: {:?}", site.history);
    }
    let mut sockets: Vec<usize> = site.network.dialed().into_iter().map(|(_, wire)| wire).collect();
    sockets.push(course.guest);
    assert!(sockets.iter().all(|socket| site.network.is_dropped(*socket)), "{name}: a socket is left");
    assert_eq!(site.server.engine().sessions(), 0, "{name}: a session is left");
}

fn is_welcome(event: &Event) -> bool {
    matches!(event, Event::Message { message: Message::Text(text), .. } if text.as_str() == "welcome")
}

#[test]
fn whichever_call_fails_a_client_ends_in_order_or_goes_on_and_a_guest_does_not_notice() {
    assert!(CONNECT_ADDRESS_TIMEOUT < HEAD_TIMEOUT_DEFAULT);
    for pace in [usize::MAX, 3] {
        for (call, errors, is_harmless) in FAULTS {
            for error in errors {
                for nth in 0.. {
                    let name = format!("{:?} of {call:?} number {nth} at {pace} bytes at a time", error().kind());
                    let mut site = site();
                    site.network.fail(Fault { call, nth, error: *error });
                    let course = play(&mut site, pace);
                    check(&name, &mut site, &course, is_harmless);
                    if !site.network.fault().0 {
                        assert!(nth > 0, "{name}: the call is never made");
                        break;
                    }
                }
            }
        }
    }
}
