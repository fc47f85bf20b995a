//! What the engine costs without sockets: from a peer's bytes to an event, to an answer, to ten thousand receivers; the
//! wheel of the deadlines; heads, JSON, deflating and masking. `cargo bench --bench engine` prints time and allocations of
//! each (nothing where there are none); `cargo bench --bench engine -- publish` the ones whose name holds that.
//!
//! The fastest of a hundred samples is the steady figure on a machine that others use too.
//!
//! Not here: the same through sockets and TLS (`benches/versus.rs`), how many system calls and allocations a message may cost
//! (`tests/costs.rs`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

#[path = "engine/driver.rs"]
mod driver;

use divan::AllocProfiler;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Bytes in, a message out; and the same sent back.
mod message {
    use barewire::{Message, PreparedMessage};
    use divan::counter::ItemsCount;
    use divan::{Bencher, black_box};

    use super::driver::{self, Driver};

    /// A text of so many bytes: each in a read of its own, or 16 in one.
    const SIZES: [usize; 3] = [20, 1 << 10, 64 << 10];

    #[divan::bench(args = SIZES)]
    fn input_to_event(bencher: Bencher, bytes: usize) {
        heard(bencher, bytes, 1);
    }

    #[divan::bench(args = SIZES)]
    fn input_to_event_16_at_once(bencher: Bencher, bytes: usize) {
        heard(bencher, bytes, 16);
    }

    fn heard(bencher: Bencher, bytes: usize, at_once: usize) {
        let (mut driver, input) = (Driver::new(), driver::frame(bytes).repeat(at_once));
        let id = driver.open();
        bencher
            .counter(ItemsCount::new(at_once))
            .bench_local(|| driver.hear(id, black_box(&input), |_, event| drop(black_box(event))));
    }

    #[divan::bench(args = SIZES)]
    fn echo(bencher: Bencher, bytes: usize) {
        echoed(bencher, bytes, 1);
    }

    #[divan::bench(args = SIZES)]
    fn echo_16_at_once(bencher: Bencher, bytes: usize) {
        echoed(bencher, bytes, 16);
    }

    fn echoed(bencher: Bencher, bytes: usize, at_once: usize) {
        let (mut driver, input) = (Driver::new(), driver::frame(bytes).repeat(at_once));
        let id = driver.open();
        bencher.counter(ItemsCount::new(at_once)).bench_local(|| driver.echo(id, black_box(&input)));
    }

    /// A KiB of JSON, deflated both ways.
    #[divan::bench]
    fn echo_deflated(bencher: Bencher) {
        let mut driver = Driver::new();
        let head = driver::UPGRADE.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
        let (id, input) = (driver.open_by(&head), super::deflate::frame());
        bencher.bench_local(|| driver.echo(id, black_box(&input)));
    }

    /// In the client role: masked with a key of its own.
    #[divan::bench(args = SIZES)]
    fn client_send(bencher: Bencher, bytes: usize) {
        let mut driver = Driver::new();
        let id = driver.open_client();
        let message = driver::message(bytes);
        bencher.bench_local(|| {
            driver.pass(0);
            assert!(driver.engine.send(id, black_box(message.clone())));
            driver.drain();
        });
    }

    /// What the host prepares for a broadcast.
    #[divan::bench]
    fn prepare_256(bencher: Bencher) {
        let Message::Text(text) = driver::message(256) else { return };
        bencher.bench_local(|| PreparedMessage::text(black_box(&text)));
    }
}

/// 256 bytes to so many sessions, up to the bytes that would be written to each. An item is a delivery.
mod publish {
    use barewire::PreparedMessage;
    use divan::counter::ItemsCount;
    use divan::{Bencher, black_box};

    use super::driver::{self, CHANNEL, Driver};

    const RECEIVERS: [usize; 3] = [1, 1_000, 10_000];

    #[divan::bench(args = RECEIVERS)]
    fn to_a_channel(bencher: Bencher, receivers: usize) {
        let mut driver = Driver::new();
        driver.open_subscribed(receivers);
        let message = PreparedMessage::binary(&driver::text(256));
        bencher.counter(ItemsCount::new(receivers)).bench_local(|| {
            driver.pass(0);
            let published = driver.engine.publish(CHANNEL, black_box(&message), None);
            assert_eq!(published.queued, receivers);
            driver.drain();
        });
    }

    /// The same, without what writing it takes; the queues are emptied in between.
    #[divan::bench(args = RECEIVERS)]
    fn into_the_queues(bencher: Bencher, receivers: usize) {
        let mut driver = Driver::new();
        driver.open_subscribed(receivers);
        let driver = std::cell::RefCell::new(driver);
        let message = PreparedMessage::binary(&driver::text(256));
        bencher
            .counter(ItemsCount::new(receivers))
            .with_inputs(|| driver.borrow_mut().drain())
            .bench_local_values(|()| driver.borrow_mut().engine.publish(CHANNEL, black_box(&message), None));
    }
}

/// Deadlines: every session has at least that of its heartbeat.
mod timers {
    use std::time::Duration;

    use divan::counter::ItemsCount;
    use divan::{Bencher, black_box};

    use super::driver::{self, Driver};

    const TALKING: usize = 64;
    const MESSAGES: usize = 10_000;
    /// As if each of 100 000 said something once a second, in a turn of its own: three deadlines come up in a hundred
    /// messages, and are put back.
    const PAUSE_US: u64 = 10;
    /// No heartbeat is due in any bench but the one that is about them: longer than the wheel reaches.
    const LONG: Duration = Duration::from_secs(24 * 3600);

    /// So many sessions whose deadlines are all beyond the wheel's reach, and looked at once in each of its revolutions.
    fn waiting(sessions: usize) -> Driver {
        let mut driver = Driver::with(|config| config.limits.heartbeat_interval = LONG);
        for _ in 0..sessions {
            driver.open();
            driver.pass(driver::REVOLUTION_US / sessions as u64);
        }
        driver
    }

    /// Of so many sessions 64 talk. What the deadlines of 100 000 add to a message is what the wheel costs it.
    #[divan::bench(args = [TALKING, 10_000, 100_000], sample_count = 50, sample_size = 1)]
    fn echo_20_among(bencher: Bencher, sessions: usize) {
        let mut driver = waiting(sessions - TALKING);
        let ids: Vec<_> = (0..TALKING).map(|_| driver.open()).collect();
        let input = driver::frame(20);
        bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
            for &id in ids.iter().cycle().take(MESSAGES) {
                driver.pass(PAUSE_US);
                driver.echo(id, black_box(&input));
            }
        });
    }

    /// A turn that finds nothing to do.
    #[divan::bench(args = [0, 10_000, 100_000])]
    fn idle_turn_of(bencher: Bencher, sessions: usize) {
        let mut driver = waiting(sessions);
        bencher.bench_local(|| {
            driver.pass(0);
            driver.drain();
            driver.engine.poll_timeout()
        });
    }

    /// A whole interval of heartbeats: a ping to each, and its pong. An item is a session.
    #[divan::bench(args = [10_000, 100_000], sample_count = 10, sample_size = 1)]
    fn heartbeats_of(bencher: Bencher, sessions: usize) {
        const STEPS: u64 = 1000;
        let mut driver = Driver::new();
        for _ in 0..sessions {
            driver.open();
        }
        let (pong, mut pinged, mut pings) = (driver::pong(), Vec::new(), 0);
        let step = driver.engine.config().limits.heartbeat_interval.as_micros() as u64 / STEPS;
        bencher.counter(ItemsCount::new(sessions)).bench_local(|| {
            for _ in 0..STEPS {
                driver.pass(step);
                driver.drain_each(|id| pinged.push(id));
                pings += pinged.len();
                for id in pinged.drain(..) {
                    driver.hear(id, black_box(&pong), |_, event| drop(event));
                }
            }
        });
        assert!(pings >= sessions * 8 && driver.engine.open_sessions() == sessions, "{pings} pings");
    }
}

/// Before a session is open.
mod head {
    use std::cell::RefCell;

    use barewire::Limits;
    use barewire::wire::http::{HeadScanner, RequestHead, route};
    use divan::{Bencher, black_box};

    use super::driver::{Driver, UPGRADE};

    /// Of a browser's request: where it ends, and what it says.
    #[divan::bench]
    fn parse(bencher: Bencher) {
        let limits = Limits::default();
        bencher.bench_local(|| {
            let head = black_box(UPGRADE.as_bytes());
            let length = HeadScanner::default().scan(head, &limits).ok().flatten().unwrap();
            RequestHead::parse(&head[..length], &limits).ok().unwrap()
        });
    }

    /// What is to be done about it; the key is hashed in it.
    #[divan::bench]
    fn judge(bencher: Bencher) {
        let head = RequestHead::parse(UPGRADE.as_bytes(), &Limits::default()).ok().unwrap();
        bencher.bench_local(|| route(black_box(&head), "/ws"));
    }

    /// A session from its request to its 101.
    #[divan::bench(sample_size = 64)]
    fn upgrade(bencher: Bencher) {
        let driver = RefCell::new(Driver::new());
        bencher.with_inputs(|| driver.borrow_mut().accept()).bench_local_values(|id| {
            let mut driver = driver.borrow_mut();
            driver.hear(id, black_box(UPGRADE.as_bytes()), |_, event| drop(event));
            driver.drain();
        });
    }

    /// The whole of a session that says nothing.
    #[divan::bench]
    fn session(bencher: Bencher) {
        let mut driver = Driver::new();
        bencher.bench_local(|| {
            let id = driver.open();
            driver.engine.handle_end(id);
            driver.hear(id, &[], |_, event| drop(event));
            driver.drain();
            driver.engine.handle_released(id);
            assert_eq!(driver.engine.sessions(), 0);
        });
    }
}

/// A KiB of JSON, at the level that is the default.
mod deflate {
    use barewire::limits::DEFLATE_LEVEL_DEFAULT;
    use barewire::wire::deflate::{Compressor, Decompressor, Inflation};
    use barewire::wire::websocket::{Bytes, Kind};
    use divan::counter::BytesCount;
    use divan::{Bencher, black_box};

    use super::driver;

    fn deflated() -> Vec<u8> {
        let mut out = Vec::new();
        assert!(Compressor::new(DEFLATE_LEVEL_DEFAULT, 15).compress_alone(driver::json().as_bytes(), &mut out));
        out
    }

    /// As a client sends it.
    pub fn frame() -> Vec<u8> {
        driver::masked(Kind::Text, true, &deflated())
    }

    #[divan::bench]
    fn deflate(bencher: Bencher) {
        let (json, mut compressor, mut out) = (driver::json(), Compressor::new(DEFLATE_LEVEL_DEFAULT, 15), Vec::new());
        bencher.counter(BytesCount::new(json.len())).bench_local(|| {
            out.clear();
            compressor.compress_alone(black_box(json.as_bytes()), &mut out)
        });
    }

    #[divan::bench]
    fn inflate(bencher: Bencher) {
        let (payload, mut decompressor) = (Bytes::from(deflated()), Decompressor::new(false));
        let mut lent = Vec::new();
        bencher.counter(BytesCount::new(driver::json().len())).bench_local(|| {
            let mut inflation =
                Inflation::new(Kind::Text, black_box(payload.clone()), 1 << 20, std::mem::take(&mut lent));
            while !inflation.step(&mut decompressor, 64 << 10).unwrap() {}
            let (message, buffer) = inflation.finish();
            lent = buffer;
            message
        });
    }
}

/// The envelope of the daemon's messages.
mod json {
    use barewire::wire::message::{ServerMessage, parse};
    use divan::{Bencher, black_box};

    use super::driver;

    #[divan::bench]
    fn parse_ping(bencher: Bencher) {
        bencher.bench_local(|| drop(black_box(parse(black_box(r#"{"type":"ping","id":7}"#)))));
    }

    #[divan::bench]
    fn parse_subscribe(bencher: Bencher) {
        bencher.bench_local(|| drop(black_box(parse(black_box(r#"{"type":"subscribe","channel":"news"}"#)))));
    }

    /// With a payload of a KiB, which is passed over.
    #[divan::bench]
    fn parse_chat(bencher: Bencher) {
        let items = driver::json();
        let items = &items[..items.rfind("},").unwrap() + 1];
        let chat = format!(r#"{{"type":"chat","channel":"news","payload":[{items}],"id":7}}"#);
        assert!(parse(&chat).is_ok());
        bencher.bench_local(|| drop(black_box(parse(black_box(&chat)))));
    }

    #[divan::bench]
    fn encode_connected(bencher: Bencher) {
        let message = ServerMessage::Connected { user_id: "user", timestamp: 1_795_000_000_000 };
        bencher.bench_local(|| black_box(&message).encode());
    }
}

/// A client's, in place.
mod mask {
    use barewire::wire::websocket::{Masks, apply_mask};
    use divan::counter::BytesCount;
    use divan::{Bencher, black_box};

    use super::driver;

    #[divan::bench(args = [20, 1 << 10, 64 << 10])]
    fn payload(bencher: Bencher, bytes: usize) {
        let mut payload = driver::text(bytes);
        bencher.counter(BytesCount::new(bytes)).bench_local(|| apply_mask(black_box(&mut payload), driver::MASK));
    }

    #[divan::bench]
    fn key(bencher: Bencher) {
        let mut masks = Masks::new([7; 32]);
        bencher.bench_local(|| masks.key());
    }
}
