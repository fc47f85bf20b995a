//! Connecting to others. A host's name becomes addresses, and these are tried one after another; what stands becomes a
//! connection like any other.
//!
//! ```text
//!   begin --> Resolving --- addresses ---> Connecting --- it stands ---> a Connection
//!                |                           |   ^ |
//!                | no address                |   +-+ refused, or silent for too long: the next address
//!                v                           v
//!       CloseReason::NotConnected <--- there is no next one
//! ```
//!
//! The session is there from the first moment, and its deadline covers all of it: when it goes, so does what is here. No step
//! waits: names are looked up by threads, and a socket tells by an edge what became of it.
//!
//! Not here: the threads (`net/resolver.rs`), the request and its answer (`engine/`), whom a client trusts (`net/tls/`).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};

#[cfg(feature = "tls")]
use rustls::pki_types::ServerName;

use super::connection::Connection;
use super::io::{Io, Socket};
use super::server::token;
#[cfg(feature = "tls")]
use super::tls::{ClientTls, Tls};
use crate::engine::{ConnId, Engine, Fate, Refused};
use crate::error::CloseReason;
use crate::limits::{ADDRESSES_TRIED, CONNECT_ADDRESS_TIMEOUT, DIALS_PER_TURN};
use crate::time::micros;
use crate::wire::http::UpgradeRequest;
use crate::wire::url::Url;

/// Whom to connect to, and what to ask there: of a [`Url`] by [`Dial::plain`] or [`Dial::secure`], to be changed as one likes.
#[derive(Debug, Clone)]
pub struct Dial {
    /// A name, or an address (of IPv6 without brackets).
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whom to trust; `None` connects without TLS. The server's certificate must be for `host`.
    #[cfg(feature = "tls")]
    pub tls: Option<ClientTls>,
    /// Addresses at which it is tried, in this order, at most [`ADDRESSES_TRIED`]: nobody is asked for those of `host`, which
    /// remains the name of the server. Empty, as [`Dial::plain`] has it: they are looked up.
    pub addrs: Vec<SocketAddr>,
    /// The address of this machine to connect from, with any port; `None` leaves that to the system. Addresses of the other
    /// kind (IPv4, IPv6) are not connected to.
    pub source: Option<IpAddr>,
    /// The request for the upgrade. One that [`UpgradeRequest::check`] does not pass connects to nobody.
    pub upgrade: UpgradeRequest,
}

impl Dial {
    /// To the host and port of this URL without TLS, whatever its scheme says.
    pub fn plain(url: &Url) -> Dial {
        Dial {
            host: url.host().to_owned(),
            port: url.port(),
            #[cfg(feature = "tls")]
            tls: None,
            addrs: Vec::new(),
            source: None,
            upgrade: UpgradeRequest::to(url),
        }
    }

    /// To the host and port of this URL over TLS, whatever its scheme says.
    #[cfg(feature = "tls")]
    pub fn secure(url: &Url, tls: ClientTls) -> Dial {
        Dial { tls: Some(tls), ..Dial::plain(url) }
    }
}

/// Trust, and the name that it is about.
#[cfg(feature = "tls")]
type Security = Option<(ClientTls, ServerName<'static>)>;
#[cfg(not(feature = "tls"))]
type Security = Option<std::convert::Infallible>;

/// All connections that do not stand yet.
pub(super) struct Dials<S> {
    /// By the token of their sessions.
    attempts: BTreeMap<usize, Attempt<S>>,
    /// When addresses are given up: each has the same time, so the earliest stands first. An entry may be of an address
    /// that has failed before.
    deadlines: VecDeque<Deadline>,
    /// Those whose addresses the host has told: they have their turn with the answers to names.
    told: VecDeque<(ConnId, Vec<SocketAddr>)>,
    /// A turn's share was spent: there may be more answers, though nothing will wake the loop.
    has_answers: bool,
}

struct Attempt<S> {
    id: ConnId,
    host: String,
    source: Option<IpAddr>,
    security: Security,
    phase: Phase<S>,
    /// Addresses so far, the one under way among them.
    tried: usize,
}

enum Phase<S> {
    Resolving,
    Connecting { socket: S, addr: SocketAddr, rest: VecDeque<SocketAddr> },
}

#[derive(Debug, Clone, Copy)]
struct Deadline {
    due_us: u64,
    id: ConnId,
    /// Which of its addresses.
    tried: usize,
}

impl<S> Default for Dials<S> {
    fn default() -> Self {
        Dials { attempts: BTreeMap::new(), deadlines: VecDeque::new(), told: VecDeque::new(), has_answers: false }
    }
}

impl<S: Socket> Dials<S> {
    /// Makes the session, and sets out.
    pub fn begin<I: Io<Socket = S>>(&mut self, io: &mut I, engine: &mut Engine, dial: Dial) -> Result<ConnId, Refused> {
        let entropy = io.entropy().map_err(|error| {
            log::error!("WebSocket Server Error: cannot connect without randomness: {error}");
            Refused
        })?;
        #[cfg(feature = "tls")]
        let (is_secure, security) = (dial.tls.is_some(), security(&dial));
        #[cfg(not(feature = "tls"))]
        let (is_secure, security) = (false, Ok(None));
        let Dial { host, port, mut addrs, source, upgrade, .. } = dial;
        let checked = upgrade.check();
        let id = engine.connect(upgrade, is_secure, entropy)?;
        let started = checked.and(security).and_then(|security| {
            if !addrs.is_empty() {
                addrs.truncate(ADDRESSES_TRIED);
                self.told.push_back((id, addrs));
                return Ok(security);
            }
            match io.resolve(id.to_bits(), &host, port) {
                Ok(()) => Ok(security),
                Err(error) => Err(format!("cannot look up `{host}`: {error}")),
            }
        });
        match started {
            Ok(security) => {
                let attempt = Attempt { id, host, source, security, phase: Phase::Resolving, tried: 0 };
                self.attempts.insert(token(id), attempt);
                // An address is answered at once, and has its turn with the others.
                self.has_answers = true;
            }
            Err(sentence) => engine.handle_error(id, CloseReason::NotConnected(sentence)),
        }
        Ok(id)
    }

    /// Once a turn: takes the answers to names, and gives up addresses that have been silent for too long.
    pub fn go_on<I: Io<Socket = S>>(&mut self, io: &mut I, engine: &mut Engine) {
        self.take_answers(io, engine);
        let now_us = engine.now().mono_us;
        for _ in 0..DIALS_PER_TURN {
            let Some(deadline) = self.deadlines.front().copied().filter(|deadline| deadline.due_us <= now_us) else {
                break;
            };
            self.deadlines.pop_front();
            if let Some(Phase::Connecting { addr, rest, .. }) = self.phase_at(&deadline) {
                let (failure, rest) = (format!("no answer from {addr}"), std::mem::take(rest));
                self.try_next(io, engine, deadline.id, (rest, failure));
            }
        }
        self.forget_stale();
    }

    /// Goes on with the attempt whose socket has this token: what stands is returned, with the address of its other end.
    pub fn handle_ready<I: Io<Socket = S>>(
        &mut self,
        io: &mut I,
        engine: &mut Engine,
        token: usize,
    ) -> Option<(Connection<S>, SocketAddr)> {
        let attempt = self.attempts.get_mut(&token)?;
        let Phase::Connecting { socket, addr, rest } = &mut attempt.phase else { return None };
        match socket.poll_connected() {
            Ok(Some(peer)) => {
                let attempt = self.attempts.remove(&token)?;
                self.forget_stale();
                let id = attempt.id;
                match attempt.into_connection() {
                    Ok(connection) => connection.map(|connection| (connection, peer)),
                    Err(reason) => {
                        engine.handle_error(id, reason);
                        None
                    }
                }
            }
            Ok(None) => None,
            Err(error) => {
                let (failure, rest, id) = (of_failure(*addr, &error), std::mem::take(rest), attempt.id);
                self.try_next(io, engine, id, (rest, failure));
                None
            }
        }
    }

    /// When [`Dials::go_on`] has something to do, in microseconds.
    pub fn due_us(&self) -> Option<u64> {
        if self.has_answers {
            return Some(0);
        }
        self.deadlines.front().map(|deadline| deadline.due_us)
    }

    /// The session has gone.
    pub fn remove(&mut self, io: &mut impl Io, id: ConnId) {
        if self.attempts.get(&token(id)).is_none_or(|attempt| attempt.id != id) {
            return;
        }
        if let Some(Attempt { phase: Phase::Resolving, .. }) = self.attempts.remove(&token(id)) {
            io.cancel_resolve(id.to_bits());
        }
        self.forget_stale();
    }

    fn take_answers<I: Io<Socket = S>>(&mut self, io: &mut I, engine: &mut Engine) {
        self.has_answers = true;
        for _ in 0..DIALS_PER_TURN {
            let told = self.told.pop_front().map(|(id, addrs)| (id.to_bits(), Ok(addrs)));
            let Some((ticket, answer)) = told.or_else(|| io.poll_resolved()) else {
                self.has_answers = false;
                return;
            };
            let id = ConnId::from_bits(ticket);
            let Some(attempt) = self.attempts.get(&token(id)).filter(|attempt| attempt.id == id) else { continue };
            let failure = match &answer {
                Ok(_) => format!("no address for `{}`", attempt.host),
                Err(error) => format!("no address for `{}`: {error}", attempt.host),
            };
            self.try_next(io, engine, id, (answer.unwrap_or_default().into(), failure));
        }
    }

    /// Tries the next of `rest`, whose socket takes the place of the last one's. `failure` is what has become of that: when
    /// none is left it is why the session ends.
    fn try_next<I: Io<Socket = S>>(
        &mut self,
        io: &mut I,
        engine: &mut Engine,
        id: ConnId,
        (mut rest, mut failure): (VecDeque<SocketAddr>, String),
    ) {
        // A session that has ended is about to be released, and this with it.
        let is_wanted = engine.fate(id) == Fate::Keep;
        let Some(attempt) = self.attempts.get_mut(&token(id)).filter(|_| is_wanted) else { return };
        while let Some(addr) = rest.pop_front() {
            attempt.tried += 1;
            if let Some(source) = attempt.source.filter(|source| source.is_ipv4() != addr.is_ipv4()) {
                failure = format!("cannot connect to {addr} from {source}: one is IPv4, the other IPv6");
                continue;
            }
            let connected = io.connect(addr, attempt.source).and_then(|mut socket| {
                io.register(&mut socket, token(id))?;
                Ok(socket)
            });
            match connected {
                Ok(socket) => {
                    // The last one has all the time that is left.
                    if !rest.is_empty() {
                        let due_us = engine.now().mono_us.saturating_add(micros(CONNECT_ADDRESS_TIMEOUT));
                        self.deadlines.push_back(Deadline { due_us, id, tried: attempt.tried });
                    }
                    attempt.phase = Phase::Connecting { socket, addr, rest };
                    return self.forget_stale();
                }
                Err(error) => {
                    failure = match attempt.source {
                        Some(source) => format!("cannot connect to {addr} from {source}: {error}"),
                        None => of_failure(addr, &error),
                    }
                }
            }
        }
        if attempt.tried > 1 {
            failure = format!("{failure} (the last of {} addresses)", attempt.tried);
        }
        self.attempts.remove(&token(id));
        self.forget_stale();
        engine.handle_error(id, CloseReason::NotConnected(failure));
    }

    /// The attempt that a deadline is about, if it still tries that address.
    fn phase_at(&mut self, deadline: &Deadline) -> Option<&mut Phase<S>> {
        let attempt = self.attempts.get_mut(&token(deadline.id))?;
        (attempt.id == deadline.id && attempt.tried == deadline.tried).then_some(&mut attempt.phase)
    }

    /// Forgets the first deadlines that nothing is bound to any more.
    fn forget_stale(&mut self) {
        while let Some(deadline) = self.deadlines.front().copied()
            && self.phase_at(&deadline).is_none()
        {
            self.deadlines.pop_front();
        }
    }
}

impl<S: Socket> Attempt<S> {
    /// What comes of a socket that stands.
    fn into_connection(self) -> Result<Option<Connection<S>>, CloseReason> {
        let Phase::Connecting { socket, .. } = self.phase else { return Ok(None) };
        secured(self.id, socket, self.security).map(Some)
    }
}

#[cfg(feature = "tls")]
fn security(dial: &Dial) -> Result<Security, String> {
    let Some(tls) = &dial.tls else { return Ok(None) };
    match ServerName::try_from(dial.host.clone()) {
        Ok(name) => Ok(Some((tls.clone(), name))),
        Err(_) => Err(format!("`{}` is no name and no address of a server", dial.host)),
    }
}

#[cfg(feature = "tls")]
fn secured<S: Socket>(id: ConnId, socket: S, security: Security) -> Result<Connection<S>, CloseReason> {
    Ok(match security {
        Some((tls, name)) => Connection::tls(id, socket, Tls::client(&tls, name)?),
        None => Connection::plain(id, socket),
    })
}

#[cfg(not(feature = "tls"))]
fn secured<S: Socket>(id: ConnId, socket: S, _: Security) -> Result<Connection<S>, CloseReason> {
    Ok(Connection::plain(id, socket))
}

/// Why an address could not be connected to.
fn of_failure(addr: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused by {addr}"),
        io::ErrorKind::TimedOut => format!("no answer from {addr}"),
        _ => format!("cannot connect to {addr}: {error}"),
    }
}
