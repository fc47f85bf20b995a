//! The table on real sockets: a refusal reaches its peer whole, and the stream ends in good order, not by a reset.
//!
//! Not here: cuts (`odd_requests.rs`), sockets that fail (`faults.rs`).

use std::io::{Read, Write};

use barewire::ServerConfig;

use super::*;
use crate::server::{TestServer, read_to_end};

/// What comes back when the row and a last request are sent at once.
fn spoken(row: &OddRequest, mut stream: impl Read + Write) -> Vec<u8> {
    let last = request("GET /health HTTP/1.1", "Connection: close\r\n");
    stream.write_all(&[&row.bytes, last.as_bytes()].concat()).unwrap();
    read_to_end(&mut stream)
}

/// The server's limits are the usual ones: so are those of the table.
fn is_ended_in_good_order_on(connect: impl Fn(&TestServer, &OddRequest) -> Vec<u8>, every: usize) {
    let limits = Limits { auth_failures_per_minute: 0, ..Limits::default() };
    let table = table(&limits);
    let engine = EngineConfig { limits, ..EngineConfig::default() };
    let server = TestServer::daemon(ServerConfig { engine, ..ServerConfig::default() });
    for row in table.iter().step_by(every) {
        let expected = match row.fate {
            Fate::Refused(status) | Fate::Last(status) => vec![status],
            Fate::Served(status) => vec![status, 200],
            Fate::Opened | Fate::Unfinished => continue,
        };
        assert_eq!(statuses(row, &connect(&server, row)), expected, "{}", row.name);
    }
}

#[test]
fn every_answer_arrives_on_a_plain_socket_and_then_the_end() {
    is_ended_in_good_order_on(|server, row| spoken(row, server.connect()), 1);
}

#[test]
fn answers_arrive_over_tls_and_then_the_end() {
    is_ended_in_good_order_on(|server, row| spoken(row, server.tls()), 5);
}
