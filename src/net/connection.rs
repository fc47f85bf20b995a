//! One socket and its TLS: filling from it and flushing to it, over the loop's shared buffers.
//!
//! A connection keeps nothing that an idle one does not need: a partial record, and ciphertext that the
//! socket did not take. While any of that waits nothing more is encrypted; behind such a backlog one record
//! at a time.
//!
//! Not here: sessions (`engine/`); who is filled and flushed when (`net/server.rs`).

use std::io::{self, IoSlice};

use super::io::Socket;
#[cfg(feature = "tls")]
use super::tls::{Outgoing, Output, Tls};
use crate::engine::{ConnId, SendQueue};
use crate::error::CloseReason;
use crate::limits::{READ_BYTES_PER_TURN_BULK, READ_ROOM_BYTES, TLS_RECORD_BYTES, WRITE_GATHER_BYTES, WRITE_SEGMENTS};
#[cfg(feature = "tls")]
use crate::limits::{TLS_PLAIN_BYTES, TLS_WRITE_BYTES};

/// The buffers that the loop lends to the connection being served.
#[derive(Debug)]
pub(super) struct Buffers {
    /// What is read, behind what a connection kept; and short segments that are written together.
    pub input: Vec<u8>,
    /// Decrypted input; and gathered segments before they are encrypted.
    #[cfg(feature = "tls")]
    pub plain: Vec<u8>,
    #[cfg(feature = "tls")]
    pub out: Output,
}

impl Buffers {
    pub fn new() -> Buffers {
        Buffers {
            input: vec![0; READ_BYTES_PER_TURN_BULK + TLS_RECORD_BYTES],
            #[cfg(feature = "tls")]
            plain: Vec::new(),
            #[cfg(feature = "tls")]
            out: Output::default(),
        }
    }
}

enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
}

/// One socket. See the module.
pub(super) struct Connection<S> {
    pub id: ConnId,
    socket: S,
    transport: Transport,
    /// The socket may hold more: the last read was not short, or has not been tried.
    pub readable: bool,
    /// The peer has ended its half: read on to the end of it.
    pub read_closed: bool,
    /// It stands in the line of those that are in the middle of a large payload.
    pub in_bulk: bool,
    /// Our half is ended.
    is_shut_down: bool,
    /// What was read and dropped since the session ended.
    discarded: u32,
}

/// What a fill has brought.
#[derive(Debug)]
pub(super) enum Filled<'a> {
    /// Input, in plain text; `ends`: behind it the stream has ended.
    Input { bytes: &'a [u8], ends: bool },
    /// The end of the stream.
    End,
    /// Nothing for the session (yet).
    Nothing,
    /// The connection is broken.
    Broken(CloseReason),
}

/// What a flush has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flushed {
    /// The socket took something.
    pub progress: bool,
    /// Something still waits.
    pub pending: bool,
    /// What waits can be written without waiting for the socket.
    pub again: bool,
}

impl Flushed {
    /// There was nothing to write.
    const NOTHING: Flushed = Flushed { progress: false, pending: false, again: false };
}

impl<S: Socket> Connection<S> {
    pub fn plain(id: ConnId, socket: S) -> Connection<S> {
        Connection {
            id,
            socket,
            transport: Transport::Plain,
            readable: false,
            read_closed: false,
            in_bulk: false,
            is_shut_down: false,
            discarded: 0,
        }
    }

    #[cfg(feature = "tls")]
    pub fn tls(id: ConnId, socket: S, tls: Tls) -> Connection<S> {
        Connection { transport: Transport::Tls(Box::new(tls)), ..Connection::plain(id, socket) }
    }

    /// Whether there is ciphertext to write, whatever the session has queued.
    pub fn has_unsent(&self) -> bool {
        match &self.transport {
            Transport::Plain => false,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => !tls.unsent.is_empty(),
        }
    }

    /// What is held in memory for the session: input that is not plain text yet, and ciphertext to write.
    pub fn held(&self) -> usize {
        match &self.transport {
            Transport::Plain => 0,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => tls.held(),
        }
    }

    /// Whether its TLS is not established yet.
    pub fn is_handshaking(&self) -> bool {
        match &self.transport {
            Transport::Plain => false,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Whether its TLS session was resumed; `None` without TLS, and while that is not known.
    pub fn is_resumed(&self) -> Option<bool> {
        match &self.transport {
            Transport::Plain => None,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => tls.is_resumed(),
        }
    }

    /// Reads once, at most `limit` bytes and [`READ_ROOM_BYTES`].
    pub fn fill<'b>(&mut self, limit: usize, buffers: &'b mut Buffers) -> Filled<'b> {
        let limit = limit + READ_ROOM_BYTES;
        match &mut self.transport {
            Transport::Plain => match self.read(limit, 0, &mut buffers.input) {
                Ok(Some(0)) => Filled::End,
                Ok(Some(count)) => Filled::Input { bytes: buffers.input.get(..count).unwrap_or_default(), ends: false },
                Ok(None) => Filled::Nothing,
                Err(error) => Filled::Broken(CloseReason::Transport(error.kind())),
            },
            #[cfg(feature = "tls")]
            Transport::Tls(tls) if tls.outgoing == Outgoing::Failed => Filled::Nothing,
            // A hello with an end behind it: whoever could be answered would have to say more.
            #[cfg(feature = "tls")]
            Transport::Tls(tls) if self.read_closed && !tls.has_answered => Filled::End,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => {
                let kept = tls.lay_out(&mut buffers.input);
                match self.read(limit, kept, &mut buffers.input) {
                    Ok(Some(0)) => Filled::End,
                    Ok(Some(count)) => self.decrypt(kept + count, buffers),
                    Ok(None) => Filled::Nothing,
                    Err(error) => Filled::Broken(CloseReason::Transport(error.kind())),
                }
            }
        }
    }

    /// Reads once, and drops it. A peer that sends on and on is cut off, past `at_most` in all.
    pub fn discard(&mut self, limit: usize, at_most: usize, buffers: &mut Buffers) -> Filled<'static> {
        match self.read(limit, 0, &mut buffers.input) {
            Ok(Some(0)) => Filled::End,
            Ok(Some(count)) => {
                self.discarded = self.discarded.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
                let is_too_much = self.discarded as usize > at_most;
                if is_too_much { Filled::Broken(CloseReason::PeerVanished) } else { Filled::Nothing }
            }
            Ok(None) => Filled::Nothing,
            Err(error) => Filled::Broken(CloseReason::Transport(error.kind())),
        }
    }

    /// One `read`, behind `kept` bytes of the buffer. `None`: nothing there.
    fn read(&mut self, limit: usize, kept: usize, input: &mut [u8]) -> io::Result<Option<usize>> {
        let end = (kept + limit).min(input.len());
        let space = input.get_mut(kept..end).unwrap_or_default();
        match self.socket.read(space) {
            Ok(count) => {
                // A short read has emptied the socket; no second one just to be told so. But after the peer's
                // end no further edge comes.
                let is_short = count < space.len();
                self.readable = count > 0 && (!is_short || self.read_closed);
                Ok(Some(count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => {
                self.readable = false;
                Err(error)
            }
        }
    }

    #[cfg(feature = "tls")]
    fn decrypt<'b>(&mut self, length: usize, buffers: &'b mut Buffers) -> Filled<'b> {
        let Transport::Tls(tls) = &mut self.transport else { return Filled::Nothing };
        buffers.plain.clear();
        buffers.out.clear();
        let input = buffers.input.get_mut(..length).unwrap_or_default();
        let received = tls.receive(input, &mut buffers.plain, &mut buffers.out);
        tls.unsent.extend_from_slice(buffers.out.filled());
        match received {
            Ok(closed) => {
                self.readable &= !closed;
                match (buffers.plain.is_empty(), closed) {
                    (true, true) => Filled::End,
                    (true, false) => Filled::Nothing,
                    (false, ends) => Filled::Input { bytes: &buffers.plain, ends },
                }
            }
            Err(failure) => {
                tls.outgoing = Outgoing::Failed;
                Filled::Broken(failure.into())
            }
        }
    }

    /// Writes what it can: one system call, whatever waits. `is_last`: when all is written our half of the
    /// stream is ended.
    pub fn flush(
        &mut self,
        queue: Option<&mut SendQueue>,
        is_last: bool,
        buffers: &mut Buffers,
    ) -> Result<Flushed, CloseReason> {
        if self.is_shut_down {
            return Ok(Flushed::NOTHING);
        }
        let flushed = match &self.transport {
            Transport::Plain => self.flush_plain(queue, &mut buffers.input),
            #[cfg(feature = "tls")]
            Transport::Tls(tls) if tls.outgoing == Outgoing::Failed => self.flush_unsent(),
            #[cfg(feature = "tls")]
            Transport::Tls(_) => self.flush_tls(queue, is_last, buffers),
        }?;
        if is_last && !flushed.pending {
            self.is_shut_down = true;
            self.socket.shut_down_write().map_err(|error| CloseReason::Transport(error.kind()))?;
        }
        Ok(flushed)
    }

    fn flush_plain(&mut self, queue: Option<&mut SendQueue>, room: &mut [u8]) -> Result<Flushed, CloseReason> {
        let Some(queue) = queue else { return Ok(Flushed::NOTHING) };
        let front = queue.front();
        let (written, offered) = if front.len() == queue.len() {
            (write(&mut self.socket, &[IoSlice::new(front)])?, front.len())
        } else if let Some(all) = queue.gather(room.get_mut(..WRITE_GATHER_BYTES).unwrap_or_default()) {
            (write(&mut self.socket, &[IoSlice::new(all)])?, all.len())
        } else {
            write_segments(&mut self.socket, queue)?
        };
        queue.advance(written);
        let pending = !queue.is_empty();
        Ok(Flushed { progress: written > 0, pending, again: pending && written == offered })
    }

    #[cfg(feature = "tls")]
    fn flush_tls(
        &mut self,
        mut queue: Option<&mut SendQueue>,
        is_last: bool,
        buffers: &mut Buffers,
    ) -> Result<Flushed, CloseReason> {
        let Transport::Tls(tls) = &mut self.transport else { return Err(CloseReason::PeerVanished) };
        let Buffers { plain, out, .. } = buffers;
        out.clear();
        out.append(&tls.unsent);
        tls.unsent = Vec::new();
        let was_behind = tls.is_behind;
        if tls.is_handshaking() {
            if is_last {
                return Err(CloseReason::HeadTimeout);
            }
        } else if !was_behind || out.filled().is_empty() {
            let mut room = if was_behind { TLS_PLAIN_BYTES } else { TLS_WRITE_BYTES };
            while let Some(queue) = queue.as_mut().filter(|queue| !queue.is_empty() && room > 0) {
                let taken = next_plain(queue, room, plain);
                let front = queue.front().get(..taken).unwrap_or_default();
                let bytes = if plain.is_empty() { front } else { plain.as_slice() };
                tls.encrypt(bytes, out)?;
                queue.advance(taken);
                room -= taken;
            }
        }
        if is_last && tls.outgoing == Outgoing::Open && queue.as_ref().is_none_or(|queue| queue.is_empty()) {
            tls.close_notify(out)?;
            tls.outgoing = Outgoing::Closed;
        }
        let written = if out.filled().is_empty() { 0 } else { write(&mut self.socket, &[IoSlice::new(out.filled())])? };
        let rest = out.filled().get(written..).unwrap_or_default();
        tls.is_behind = !rest.is_empty();
        tls.unsent = rest.to_vec();
        let queued = queue.is_some_and(|queue| !queue.is_empty());
        let again = queued && !tls.is_behind && !tls.is_handshaking();
        Ok(Flushed { progress: written > 0, pending: tls.is_behind || queued, again })
    }

    #[cfg(feature = "tls")]
    fn flush_unsent(&mut self) -> Result<Flushed, CloseReason> {
        let Transport::Tls(tls) = &mut self.transport else { return Err(CloseReason::PeerVanished) };
        let written = if tls.unsent.is_empty() { 0 } else { write(&mut self.socket, &[IoSlice::new(&tls.unsent)])? };
        tls.unsent.drain(..written);
        Ok(Flushed { progress: written > 0, pending: !tls.unsent.is_empty(), again: false })
    }
}

/// The next plain text to encrypt, at most `room` bytes: the front segment where it lies (then `gathered` is
/// empty), or several short ones, copied together into one record.
#[cfg(feature = "tls")]
fn next_plain(queue: &SendQueue, room: usize, gathered: &mut Vec<u8>) -> usize {
    gathered.clear();
    let front = queue.front().len();
    if front == queue.len() || front >= TLS_PLAIN_BYTES {
        return front.min(room);
    }
    let mut slices = [IoSlice::new(&[]); WRITE_SEGMENTS];
    let count = queue.slices(&mut slices);
    for slice in slices.iter().take(count) {
        let left = TLS_PLAIN_BYTES.min(room) - gathered.len();
        gathered.extend_from_slice(slice.get(..left.min(slice.len())).unwrap_or_default());
    }
    gathered.len()
}

/// One write of all segments that fit into it; returns how much was written, and how much offered.
fn write_segments(socket: &mut impl Socket, queue: &SendQueue) -> Result<(usize, usize), CloseReason> {
    let mut slices = [IoSlice::new(&[]); WRITE_SEGMENTS];
    let count = queue.slices(&mut slices);
    let slices = slices.get(..count).unwrap_or_default();
    let offered = slices.iter().map(|slice| slice.len()).sum();
    Ok((write(socket, slices)?, offered))
}

/// One write; a socket that takes nothing now has taken 0 bytes. After a signal it is tried again at once: no
/// edge would come.
fn write(socket: &mut impl Socket, slices: &[IoSlice<'_>]) -> Result<usize, CloseReason> {
    loop {
        return match socket.write(slices) {
            Ok(count) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(CloseReason::Transport(error.kind())),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never runs dry.
    struct Flood;

    impl Socket for Flood {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }

        fn write(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(0)
        }

        fn shut_down_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_dropped_is_bounded_to_the_byte() {
        let mut buffers = Buffers::new();
        let mut connection = Connection::plain(ConnId::from_bits(0), Flood);
        for _ in 0..3 {
            assert!(matches!(connection.discard(10, 30, &mut buffers), Filled::Nothing), "{}", connection.discarded);
        }
        assert!(matches!(connection.discard(1, 30, &mut buffers), Filled::Broken(CloseReason::PeerVanished)));
    }
}
