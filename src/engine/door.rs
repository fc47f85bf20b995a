//! Who is let in: a new connection is one of those that there may be, or comes in to be told that it is one too many,
//! or is turned away.
//!
//! Not here: what is counted by address (`addresses.rs`), in all (`newcomers.rs`), in bytes (`ledger.rs`); what a
//! connection may do once it is in (`session/`).

use std::net::{IpAddr, SocketAddr};

use slab::Slab;

use crate::engine::hub::ConnId;
use crate::engine::ledger::Measure;
use crate::engine::session::{Beginning, Session, Welcome, fixed_weight};
use crate::engine::{Engine, Event, Refused};
use crate::error::CloseReason;
use crate::limits::{CONNECTIONS_OVERFLOW, CONNECTIONS_PER_IP_OVERFLOW};

impl Engine {
    /// A connection was accepted.
    ///
    /// Above [`crate::Limits::connections`], and while its fixed cost would leave too little of
    /// [`crate::Limits::max_memory`], a few are let in to be told 503, and above
    /// [`crate::Limits::connections_per_ip`] a few to be told 429; further ones are turned away: drop the socket.
    /// Where [`crate::Limits::pre_auth_connections`] are there, the oldest of them is dropped for it.
    pub fn handle_accept(&mut self, peer: SocketAddr, secure: bool) -> Result<ConnId, Refused> {
        let welcome = self.welcome(peer.ip())?;
        let is_crowded = self.crowd(secure)?;
        let index = u32::try_from(self.sessions.vacant_key()).map_err(|_| Refused)?;
        while self.shared.newcomers.count() >= self.shared.config.limits.pre_auth_connections {
            let sessions = &self.sessions;
            let Some(oldest) = self.shared.newcomers.oldest(|id| is_newcomer(sessions, id)) else { break };
            self.with(oldest, |session, shared| session.vanish(shared, CloseReason::Crowded));
        }
        self.generation = self.generation.wrapping_add(1);
        let id = ConnId::new(index, self.generation);
        let welcome = if is_crowded { Welcome::ServerIsFull } else { welcome };
        let mut session = Session::new(&mut self.shared, id, peer, secure, welcome);
        if is_crowded {
            session.beginning = Beginning::TurnedAway;
            self.shared.ledger.turn_away();
        }
        self.sessions.insert(session);
        self.tide.rise(self.sessions.len());
        self.shared.ledger.arrive(fixed_weight(secure));
        let sessions = &self.sessions;
        self.shared.newcomers.enter(id, |id| is_newcomer(sessions, id));
        self.shared.addresses.enter(peer.ip());
        self.shared.events.push_back(Event::Accepted { id, peer });
        self.settle();
        Ok(id)
    }

    /// How many connections were dropped by [`crate::Limits::pre_auth_connections`] since this was last told, for a
    /// warning; told at most once in [`crate::limits::CROWD_LOG_INTERVAL`].
    pub fn poll_crowded(&mut self) -> Option<usize> {
        self.shared.newcomers.poll_dropped(self.shared.now.mono_us)
    }

    /// How a connection from this address is received.
    fn welcome(&self, ip: IpAddr) -> Result<Welcome, Refused> {
        let (limit, present) = (self.shared.config.limits.connections, self.sessions.len());
        match self.shared.addresses.excess(ip) {
            _ if present >= limit.saturating_add(CONNECTIONS_OVERFLOW) => Err(Refused),
            excess if excess > CONNECTIONS_PER_IP_OVERFLOW => Err(Refused),
            _ if present >= limit => Ok(Welcome::ServerIsFull),
            0 => Ok(Welcome::Served),
            _ => Ok(Welcome::AddressIsFull),
        }
    }

    /// Whether a new connection is one too many for what memory is left: then it may come in to be told so, as long as
    /// there are few of those.
    fn crowd(&mut self, secure: bool) -> Result<bool, Refused> {
        let (ledger, weight) = (&mut self.shared.ledger, fixed_weight(secure));
        let is_crowded = ledger.is_crowded(weight);
        if is_crowded {
            ledger.note(Measure::Refused, self.shared.now);
        }
        if is_crowded && !ledger.may_turn_away(weight) { Err(Refused) } else { Ok(is_crowded) }
    }
}

fn is_newcomer(sessions: &Slab<Session>, id: ConnId) -> bool {
    sessions.get(id.index()).is_some_and(|session| session.id == id && session.is_newcomer())
}
