//! What a turn does with connections: an edge is taken, a session read as far as it wants, what waits written, and a socket
//! closed.
//!
//! Not here: the order of these steps, and who is let in (`net/server.rs`); one connection's bytes (`net/connection.rs`).

use super::Server;
use crate::engine::{ConnId, Engine, Fate, Intake};
use crate::error::CloseReason;
use crate::limits::{CROWD, LINGER_BYTES, READ_BYTES_PER_TURN, READ_BYTES_PER_TURN_BULK};
use crate::net::connection::{Connection, Filled};
use crate::net::io::{Io, Ready};

impl<I: Io> Server<I> {
    /// Puts a connection in the slot of its session.
    pub(super) fn install(&mut self, connection: Connection<I::Socket>) {
        let index = connection.id.index();
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.connections.get_mut(index) {
            *slot = Some(connection);
        }
    }

    /// Gives back the memory of slots behind the last connection, and of the line.
    pub(super) fn shrink(&mut self) {
        while let Some(None) = self.connections.last() {
            self.connections.pop();
        }
        // Not to nothing: the block stays one that is mapped, and grows where it is.
        self.connections.shrink_to(CROWD);
        self.bulk.shrink_to_fit();
    }

    /// Takes an edge: the socket may have something to read, or room to write, or stand at last.
    pub(super) fn take_ready(&mut self, ready: Ready) {
        let Some(Some(connection)) = self.connections.get_mut(ready.token & index_mask()) else {
            return self.take_dial_ready(ready);
        };
        if token(connection.id) != ready.token {
            // An event of the slot's last tenant.
            return;
        }
        let id = connection.id;
        connection.readable |= ready.readable || ready.read_closed;
        connection.read_closed |= ready.read_closed;
        let is_handshaking = connection.is_handshaking();
        if ready.writable && (connection.has_unsent() || self.engine.output(id).is_some()) {
            self.engine.mark_dirty(id);
        }
        if is_handshaking {
            // Behind those that wait already, or a crowd that goes on arriving would keep them waiting for ever.
            self.engine.mark_ready(id);
        } else {
            self.serve(id);
        }
    }

    /// Something has become of a connection that is being made.
    fn take_dial_ready(&mut self, ready: Ready) {
        let Some((mut connection, peer)) = self.dials.handle_ready(&mut self.io, &mut self.engine, ready.token) else {
            return;
        };
        let id = connection.id;
        connection.readable = ready.readable || ready.read_closed;
        connection.read_closed = ready.read_closed;
        if connection.readable {
            self.engine.mark_ready(id);
        }
        self.install(connection);
        self.engine.handle_connected(id, peer);
        // A client speaks first, with TLS before the session does.
        self.engine.mark_dirty(id);
    }

    /// A session that was named as ready: what it had left over is looked at, and it may be read again.
    pub(super) fn serve_leftover(&mut self, id: ConnId) {
        if !self.engine.has_events() {
            self.serve(id);
        } else if connection_mut(&mut self.connections, id).is_some_and(|connection| connection.readable) {
            self.engine.mark_ready(id);
        }
    }

    /// Puts a connection at the end of the line of those in the middle of a large payload, if it is not in there.
    fn line_up(&mut self, id: ConnId) {
        let Some(connection) = connection_mut(&mut self.connections, id) else { return };
        if std::mem::replace(&mut connection.in_bulk, true) {
            return;
        }
        // Those who have gone meanwhile: they may not become more than those who are there.
        if self.bulk.len() > 2 * self.engine.sessions() {
            let connections = &mut self.connections;
            self.bulk.retain(|id| connection_mut(connections, *id).is_some());
        }
        self.bulk.push_back(id);
    }

    /// Reads on with the connection that has waited the longest in the middle of a large payload.
    pub(super) fn serve_bulk(&mut self) {
        while let Some(id) = self.bulk.pop_front() {
            // One that has gone since has no turn: it would be at the expense of the others.
            if let Some(connection) = connection_mut(&mut self.connections, id) {
                connection.in_bulk = false;
                return self.read(id, 1);
            }
        }
    }

    /// Reads a connection as far as its session wants: but for the rest of a large payload, which waits in line.
    fn serve(&mut self, id: ConnId) {
        self.read(id, 0);
    }

    /// Reads twice at most, and so many times of these in a large payload.
    fn read(&mut self, id: ConnId, mut bulk_reads: usize) {
        for _ in 0..2 {
            let Some(connection) = connection_mut(&mut self.connections, id) else { return };
            if !connection.readable || self.engine.has_events() {
                break;
            }
            // A handshake costs as much as a hundred messages: a crowd at the door must not stall those inside.
            let is_handshaking = connection.is_handshaking();
            if is_handshaking && (self.budget.handshakes == 0 || self.budget.handshake_reads == 0) {
                self.handshakes_waiting += usize::from(self.budget.handshakes == 0);
                break;
            }
            let filled = match self.engine.intake(id) {
                Intake::Pause if connection.read_closed && self.engine.handle_hang_up(id) => continue,
                Intake::Pause => return,
                Intake::Discard => {
                    let at_most = self.engine.config().limits.message_bytes.saturating_add(LINGER_BYTES);
                    connection.discard(READ_BYTES_PER_TURN, at_most, &mut self.buffers)
                }
                // Those with a small thing to say do not wait for all that are in the middle of a large one.
                Intake::Read(READ_BYTES_PER_TURN_BULK) if bulk_reads == 0 => {
                    return self.line_up(id);
                }
                Intake::Read(limit) => {
                    bulk_reads -= usize::from(limit == READ_BYTES_PER_TURN_BULK);
                    connection.fill(limit, &mut self.buffers)
                }
            };
            // One that has hung up costs nothing, and a piece of a hello next to nothing.
            let is_gone = matches!(filled, Filled::End | Filled::Broken(CloseReason::Transport(_)));
            if is_handshaking && !is_gone {
                self.budget.handshake_reads -= 1;
                self.budget.handshakes -= usize::from(connection.has_unsent() || !connection.is_handshaking());
            }
            hand_over(&mut self.engine, id, filled);
            self.engine.handle_held(id, connection.held());
            // What a client has to say waits for the handshake, whose end need not give it anything to send.
            if connection.has_unsent() || (is_handshaking && !connection.is_handshaking()) {
                self.engine.mark_dirty(id);
            }
        }
        let is_readable = connection_mut(&mut self.connections, id).is_some_and(|connection| connection.readable);
        if is_readable && self.engine.intake(id) != Intake::Pause {
            self.engine.mark_ready(id);
        }
    }

    /// Writes what the turn has queued, one write per connection; what can go on without waiting is for the
    /// next turn.
    ///
    /// The turn does so at its end, when all sockets have been read: that is cheapest for whoever answers them. A host whose
    /// words must not wait for those of others may call it between two polls, at any time; where nothing is queued it costs
    /// next to nothing.
    pub fn flush(&mut self) {
        let mut again = Vec::new();
        while let Some(id) = self.engine.poll_dirty() {
            let fate = self.engine.fate(id);
            let Some(connection) = connection_mut(&mut self.connections, id).filter(|_| fate != Fate::Drop) else {
                // What is only being connected has nothing to write first.
                if fate != Fate::Keep {
                    self.release(id);
                }
                continue;
            };
            let is_last = fate == Fate::CloseWhenWritten;
            match connection.flush(self.engine.output(id), is_last, &mut self.buffers) {
                Ok(flushed) => {
                    self.engine.handle_written(id, flushed.progress, flushed.pending);
                    self.engine.handle_held(id, connection.held());
                    if flushed.again {
                        again.push(id);
                    }
                }
                Err(reason) => {
                    self.engine.handle_error(id, reason);
                    self.release(id);
                }
            }
        }
        for id in again {
            self.engine.mark_dirty(id);
        }
    }

    /// Closes the socket, whether it stands or not, and frees the session's slot.
    fn release(&mut self, id: ConnId) {
        self.dials.remove(&mut self.io, id);
        if let Some(slot) = self.connections.get_mut(id.index()) {
            slot.take_if(|connection| connection.id == id);
        }
        self.engine.handle_released(id);
    }
}

/// Tells a session what its socket has brought.
fn hand_over(engine: &mut Engine, id: ConnId, filled: Filled<'_>) {
    match filled {
        Filled::Input { bytes, ends } => {
            engine.handle_input(id, bytes);
            if ends {
                engine.handle_end(id);
            }
        }
        Filled::End => engine.handle_end(id),
        Filled::Nothing => {}
        Filled::Broken(reason) => engine.handle_error(id, reason),
    }
}

fn connection_mut<S>(connections: &mut [Option<Connection<S>>], id: ConnId) -> Option<&mut Connection<S>> {
    connections.get_mut(id.index())?.as_mut().filter(|connection| connection.id == id)
}

/// The part of a token that is the slot; the rest says whose tenant is meant, as far as the platform has room.
fn index_mask() -> usize {
    u32::MAX as usize
}

pub(in crate::net) fn token(id: ConnId) -> usize {
    usize::try_from(id.to_bits()).unwrap_or(id.index())
}
