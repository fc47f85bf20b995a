//! One connection's TLS, by rustls' unbuffered API: records are decrypted where they were read and encrypted where they
//! are written from. A connection keeps only the tail of its input that no call has used up. Both ends go through the same
//! states; they differ in how a connection is made.
//!
//! Pitfalls of that API which shape this file: the kept tail must be handed to every call, unchanged, also
//! when the call is only meant to send (a fragment of a handshake message is remembered by position); a key
//! update is put before the next record, so an output size is never exact; after an error the alert is
//! fetched by further calls.
//!
//! Not here: reading and writing (`net/connection.rs`); certificates and policy (`server.rs`, `client.rs`).

use std::fmt;
use std::ops::DerefMut;

use rustls::HandshakeKind;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedConnectionCommon,
    UnbufferedStatus, WriteTraffic,
};

use super::verification::of_certificate;
use super::{ClientTls, TlsConfig};
use crate::error::CloseReason;
use crate::limits::{TLS_KEPT_BYTES, TLS_PLAIN_BYTES, TLS_RECORD_OVERHEAD};

/// The loop's output buffer: it grows to its largest use and is never cleared by writing zeroes.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    filled: usize,
}

impl Output {
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Room behind what is filled, of `length` bytes.
    pub fn space(&mut self, length: usize) -> &mut [u8] {
        let end = self.filled + length;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Says that this much of the room has been filled.
    pub fn fill(&mut self, length: usize) {
        self.filled = (self.filled + length).min(self.bytes.len());
    }

    pub fn append(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).copy_from_slice(bytes);
        self.fill(bytes.len());
    }
}

/// One connection's TLS.
pub struct Tls {
    end: End,
    /// Input that no call has used up: a part of a record, or a fragment of a handshake message.
    kept: Vec<u8>,
    /// Ciphertext that is still to be written.
    pub unsent: Vec<u8>,
    /// The socket refused some of it: it is written before anything else is encrypted.
    pub is_behind: bool,
    /// Something was sent, so the peer may have said all it has to say.
    pub has_answered: bool,
    pub outgoing: Outgoing,
}

/// Which end we are. That of a server lies where it is: there may be many thousands of them.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
enum End {
    Server(UnbufferedServerConnection),
    Client(Box<UnbufferedClientConnection>),
}

/// What both ends have, so that there is one way through the states.
trait Records: DerefMut<Target = UnbufferedConnectionCommon<Self::Data>> {
    type Data;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

/// What may still be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    Open,
    /// We have said that we send no more (RFC 8446, section 6.1), behind all that is unsent.
    Closed,
    /// TLS has failed: what is unsent (the alert, if there is one) is all that will ever be written.
    Failed,
}

/// Why TLS cannot go on. The alert is in the output.
#[derive(Debug)]
pub struct TlsFailure(String);

impl TlsFailure {
    fn new(cause: impl fmt::Display) -> TlsFailure {
        TlsFailure(cause.to_string())
    }
}

impl From<rustls::Error> for TlsFailure {
    fn from(error: rustls::Error) -> TlsFailure {
        match &error {
            rustls::Error::InvalidCertificate(cause) => TlsFailure(of_certificate(cause)),
            error => TlsFailure::new(error),
        }
    }
}

impl From<TlsFailure> for CloseReason {
    fn from(TlsFailure(cause): TlsFailure) -> CloseReason {
        CloseReason::Tls(cause)
    }
}

/// What a call has brought, beside plain text and output.
#[derive(Debug, Default, Clone, Copy)]
struct Received {
    /// Bytes of the input that are used up.
    used: usize,
    /// The peer has closed in good order.
    closed: bool,
    /// Something is on its way to the peer.
    answered: bool,
}

impl Tls {
    /// A server's end: it waits for the peer's hello.
    pub fn server(config: &TlsConfig) -> Result<Tls, TlsFailure> {
        Ok(Tls::new(End::Server(UnbufferedServerConnection::new(config.config.clone())?)))
    }

    /// A client's end, towards the server of this name. It speaks first: its hello is unsent from the beginning.
    pub fn client(config: &ClientTls, name: ServerName<'static>) -> Result<Tls, TlsFailure> {
        let connection = Box::new(config.begin(name)?);
        let mut tls = Tls::new(End::Client(connection));
        let mut hello = Output::default();
        tls.receive(&mut [], &mut Vec::new(), &mut hello)?;
        tls.unsent = hello.filled().to_vec();
        Ok(tls)
    }

    fn new(end: End) -> Tls {
        Tls {
            end,
            kept: Vec::new(),
            unsent: Vec::new(),
            is_behind: false,
            has_answered: false,
            outgoing: Outgoing::Open,
        }
    }

    /// Moves the kept tail to the front of `buffer`; what is read must follow it.
    pub fn lay_out(&self, buffer: &mut [u8]) -> usize {
        match buffer.get_mut(..self.kept.len()) {
            Some(front) => {
                front.copy_from_slice(&self.kept);
                self.kept.len()
            }
            None => 0,
        }
    }

    /// What is kept of the input, and of the output, in bytes.
    pub fn held(&self) -> usize {
        self.kept.capacity() + self.unsent.capacity()
    }

    pub fn is_handshaking(&self) -> bool {
        match &self.end {
            End::Server(connection) => connection.is_handshaking(),
            End::Client(connection) => connection.is_handshaking(),
        }
    }

    /// Whether a session of an earlier connection was resumed; `None` while that is not known.
    pub fn is_resumed(&self) -> Option<bool> {
        let kind = match &self.end {
            End::Server(connection) => connection.handshake_kind(),
            End::Client(connection) => connection.handshake_kind(),
        };
        kind.map(|kind| kind == HandshakeKind::Resumed)
    }

    /// Takes the kept tail and what was read behind it. Plain text is appended to `plain`, and what must be
    /// sent to `out`. Says whether the peer has closed in good order.
    pub fn receive(&mut self, input: &mut [u8], plain: &mut Vec<u8>, out: &mut Output) -> Result<bool, TlsFailure> {
        let Received { used, closed, answered } = match &mut self.end {
            End::Server(connection) => receive(connection, input, plain, out),
            End::Client(connection) => receive(connection.as_mut(), input, plain, out),
        }?;
        self.has_answered |= answered;
        // What follows a close_notify is nobody's.
        let rest = if closed { &[][..] } else { input.get(used..).unwrap_or_default() };
        if rest.len() > TLS_KEPT_BYTES {
            return Err(TlsFailure::new("a handshake message in too many pieces"));
        }
        self.kept = rest.to_vec();
        Ok(closed)
    }

    /// Encrypts `plain` behind what is in `out`.
    pub fn encrypt(&mut self, plain: &[u8], out: &mut Output) -> Result<(), TlsFailure> {
        match &mut self.end {
            End::Server(connection) => {
                with_write_traffic(connection, &mut self.kept, out, |traffic, out| encrypt(traffic, plain, out))
            }
            End::Client(connection) => {
                let connection = connection.as_mut();
                with_write_traffic(connection, &mut self.kept, out, |traffic, out| encrypt(traffic, plain, out))
            }
        }
    }

    /// Says that we send no more.
    pub fn close_notify(&mut self, out: &mut Output) -> Result<(), TlsFailure> {
        match &mut self.end {
            End::Server(connection) => with_write_traffic(connection, &mut self.kept, out, close_notify),
            End::Client(connection) => with_write_traffic(connection.as_mut(), &mut self.kept, out, close_notify),
        }
    }
}

/// Goes on through `input` as far as it can be gone.
fn receive<R: Records>(
    records: &mut R,
    input: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Output,
) -> Result<Received, TlsFailure> {
    let mut received = Received::default();
    loop {
        let rest = input.get_mut(received.used..).unwrap_or_default();
        let length = rest.len();
        let UnbufferedStatus { mut discard, state } = records.process(rest);
        let goes_on = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
                // At the end of the input, with nothing to send, one more call would say nothing.
                discard < length || records.wants_write()
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                encode(data, out)?;
                true
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                received.answered = true;
                true
            }
            Ok(ConnectionState::PeerClosed) => {
                received.closed = true;
                true
            }
            // Early data is not offered, and a state that rustls may add is nothing to wait for.
            Ok(_) => false,
            Err(error) => {
                received.used += discard;
                encode_alert(records, input.get_mut(received.used..).unwrap_or_default(), out);
                return Err(error.into());
            }
        };
        received.used += discard;
        if !goes_on {
            return Ok(received);
        }
    }
}

/// Brings the connection to the state in which it can send.
fn with_write_traffic<R: Records>(
    records: &mut R,
    kept: &mut Vec<u8>,
    out: &mut Output,
    write: impl Fn(&mut WriteTraffic<'_, R::Data>, &mut Output) -> Result<(), TlsFailure>,
) -> Result<(), TlsFailure> {
    loop {
        let UnbufferedStatus { discard, state } = records.process(kept);
        let result = match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => Some(write(&mut traffic, out)),
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out).err().map(Err),
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                None
            }
            Ok(ConnectionState::PeerClosed) => None,
            Ok(_) => Some(Err(TlsFailure::new("not in a state to send"))),
            Err(error) => Some(Err(error.into())),
        };
        kept.drain(..discard.min(kept.len()));
        if let Some(result) = result {
            return result;
        }
    }
}

fn encrypt<Data>(traffic: &mut WriteTraffic<'_, Data>, plain: &[u8], out: &mut Output) -> Result<(), TlsFailure> {
    let mut space = plain.len() + (plain.len() / TLS_PLAIN_BYTES + 1) * TLS_RECORD_OVERHEAD;
    loop {
        match traffic.encrypt(plain, out.space(space)) {
            Ok(length) => {
                out.fill(length);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => space = required_size,
            Err(error @ EncryptError::EncryptExhausted) => return Err(TlsFailure::new(error)),
        }
    }
}

fn close_notify<Data>(traffic: &mut WriteTraffic<'_, Data>, out: &mut Output) -> Result<(), TlsFailure> {
    match traffic.queue_close_notify(out.space(TLS_RECORD_OVERHEAD)) {
        Ok(length) => {
            out.fill(length);
            Ok(())
        }
        Err(error) => Err(TlsFailure::new(error)),
    }
}

/// After an error further calls yield what was to be sent before it, and last the alert that tells the peer.
/// Not one call more: it would take up the input where it failed.
fn encode_alert<R: Records>(records: &mut R, rest: &mut [u8], out: &mut Output) {
    while records.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(data)) = records.process(rest).state else { return };
        if encode(data, out).is_err() {
            return;
        }
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, out: &mut Output) -> Result<(), TlsFailure> {
    let mut space = TLS_PLAIN_BYTES;
    loop {
        match data.encode(out.space(space)) {
            Ok(length) => {
                out.fill(length);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => space = required_size,
            Err(error @ EncodeError::AlreadyEncoded) => return Err(TlsFailure::new(error)),
        }
    }
}
