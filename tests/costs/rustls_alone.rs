//! What rustls allocates by itself for a record that comes and one that goes, without a server around it.
//!
//! Not here: the client at the other end (`common/tls_client.rs`).

use std::io::Write as _;
use std::sync::Arc;

use allocation_counter::measure;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConnection, ServerConfig, SupportedProtocolVersion};

use crate::tls_client::{client, client_config};

const CERT: &[u8] = include_bytes!("../../certs/dev-cert.pem");
const KEY: &[u8] = include_bytes!("../../certs/dev-key.pem");
/// More than any flight of a handshake, or record of a test.
const ROOM: usize = 128 * 1024;

/// Allocations to decrypt `plain`, of one record, where it lies, and to encrypt it again.
pub fn allocations(version: &'static SupportedProtocolVersion, plain: &[u8]) -> u64 {
    let mut server = server();
    let mut client = client(client_config(version));
    let mut out = vec![0; ROOM];
    while client.is_handshaking() || client.wants_write() {
        let length = go_on(&mut server, &mut ciphertext(&mut client), None, &mut out);
        client.read_tls(&mut &out[..length]).unwrap();
        client.process_new_packets().unwrap();
    }
    let mut count = 0;
    // What grows to its use has grown by the second time.
    for _ in 0..2 {
        client.writer().write_all(plain).unwrap();
        let mut input = ciphertext(&mut client);
        let mut echo = || go_on(&mut server, &mut input, Some(plain), &mut out);
        count = measure(|| assert!(echo() > plain.len())).count_total;
    }
    count
}

fn server() -> UnbufferedServerConnection {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERT).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    UnbufferedServerConnection::new(Arc::new(config)).unwrap()
}

fn ciphertext(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Takes `input`, whole records; says how much of `out` it has filled with what it has to answer, `plain` last.
fn go_on(server: &mut UnbufferedServerConnection, input: &mut [u8], plain: Option<&[u8]>, out: &mut [u8]) -> usize {
    let (mut used, mut filled, whole) = (0, 0, input.len());
    loop {
        let UnbufferedStatus { mut discard, state } = server.process_tls_records(&mut input[used..]);
        match state.unwrap() {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    discard += record.unwrap().discard;
                }
            }
            ConnectionState::EncodeTlsData(mut data) => filled += data.encode(&mut out[filled..]).unwrap(),
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) if used + discard == whole => {
                return filled + plain.map_or(0, |plain| traffic.encrypt(plain, &mut out[filled..]).unwrap());
            }
            ConnectionState::BlockedHandshake if used + discard == whole => return filled,
            state => panic!("not foreseen: {state:?}"),
        }
        used += discard;
    }
}
