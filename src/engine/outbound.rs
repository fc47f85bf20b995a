//! Sessions that this side opens: it is the client, and a server its peer.
//!
//! They have the same frames, limits, heartbeats and timers as those of clients that came, and count among
//! [`crate::Limits::connections`]. But they are in no channel, get no broadcast, and count neither by address nor as
//! newcomers; their messages are not counted against a rate.
//!
//! Not here: connecting (`net/`), when to try again (`client/`).

use std::net::{Ipv4Addr, SocketAddr};

use crate::engine::hub::ConnId;
use crate::engine::session::{HeadOut, Session, fixed_weight};
use crate::engine::{Engine, Refused};
use crate::wire::http::UpgradeRequest;
use crate::wire::websocket::Message;

impl Engine {
    /// Opens a session in the client role, which asks for this upgrade once its transport stands. `secure`: that will be
    /// TLS. `entropy` must come from a strong source, for each session anew (RFC 6455, section 10.3). Where a server is the
    /// driver, [`crate::Server::connect`] is meant, which makes the transport too.
    ///
    /// From now to the server's answer it has [`crate::Limits::head_timeout`], resolving and connecting included. Its events
    /// are [`crate::Event::Connected`], or [`crate::Event::Refused`], and in any case [`crate::Event::Closed`] as the last.
    /// [`Refused`] only where there are more sessions than can be counted.
    pub fn connect(&mut self, upgrade: UpgradeRequest, secure: bool, entropy: [u8; 32]) -> Result<ConnId, Refused> {
        let index = u32::try_from(self.sessions.vacant_key()).map_err(|_| Refused)?;
        self.generation = self.generation.wrapping_add(1);
        let id = ConnId::new(index, self.generation);
        let session = Session::to_server(&mut self.shared, id, secure, HeadOut::new(upgrade, entropy));
        self.sessions.insert(session);
        self.tide.rise(self.sessions.len());
        self.shared.ledger.arrive(fixed_weight(secure));
        self.settle();
        Ok(id)
    }

    /// The transport of a session in the client role stands, to this address: what is to be asked is in
    /// [`Engine::output`].
    pub fn handle_connected(&mut self, id: ConnId, peer: SocketAddr) {
        self.with(id, |session, shared| {
            session.peer = peer;
            session.ask_for_upgrade(shared);
        });
    }

    /// Queues the few words by which a client says what it wants to hear, whatever the limit of the queue of a session in
    /// the client role: they must not be lost. Does nothing where it is not open.
    pub(crate) fn send_surely(&mut self, id: ConnId, message: Message) {
        if self.is_outbound(id) && self.is_open(id) {
            self.with(id, |session, shared| session.push(shared, message));
        }
    }

    /// Whether a session is in the client role: its peer is a server that was connected to.
    pub fn is_outbound(&self, id: ConnId) -> bool {
        self.session(id).is_some_and(Session::is_outbound)
    }
}

/// Where nothing is connected yet.
pub(super) const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
