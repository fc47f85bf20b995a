//! Every system call of the house, behind two traits: [`Socket`] and [`Io`]. [`SystemIo`] is the real one,
//! on mio; tests put another in its place, in which any call can be made to fail.
//!
//! Not here: what to do about a failure (`net/server.rs`, `net/connection.rs`); the threads that look names up
//! (`net/resolver.rs`).

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Type};

use super::resolver::{Lookup, Resolver, system_lookup};
use crate::error::Error;
use crate::limits::{LISTEN_BACKLOG, LISTENERS_MAX, READY_PER_TURN, WALL_CLOCK_INTERVAL};
use crate::time::{Now, micros};

/// One stream, non-blocking.
pub trait Socket {
    /// As [`Read::read`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// As [`Write::write_vectored`].
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Ends our half of the stream.
    fn shut_down_write(&mut self) -> io::Result<()>;
    /// Of a socket that [`Io::connect`] made: the address of the other end once it stands, `None` while that is not
    /// decided, else why it never will. Asked after an edge, which need not mean anything.
    fn poll_connected(&mut self) -> io::Result<Option<SocketAddr>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What the poller saw of one token. Edges: each is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The token of registration, or [`Io::LISTENERS`] plus the number of a listener.
    pub token: usize,
    /// There is something to read, or an error to be read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer has ended its half: reading goes on to the end of it.
    pub read_closed: bool,
}

/// Poller, listeners, names, clock and chance. What only connecting needs is [`io::ErrorKind::Unsupported`] where an
/// implementation has nothing of its own.
pub trait Io {
    /// The streams it accepts and connects.
    type Socket: Socket;
    /// Tokens from here on are listeners; the last one is a wake-up.
    const LISTENERS: usize = usize::MAX - LISTENERS_MAX;

    /// Waits for readiness, at most `timeout`, and appends what there is to `ready`.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;
    /// Accepts from listener number `listener`.
    fn accept(&mut self, listener: usize) -> io::Result<(Self::Socket, SocketAddr)>;
    /// Has `socket` watched under `token`, for both directions, once and for all.
    fn register(&mut self, socket: &mut Self::Socket, token: usize) -> io::Result<()>;
    /// Closes all listeners.
    fn close_listeners(&mut self);
    /// What both clocks say. The wall clock may be read less often: it lags by at most
    /// [`WALL_CLOCK_INTERVAL`](crate::limits::WALL_CLOCK_INTERVAL) where it is set.
    fn now(&mut self) -> Now;
    /// Begins to connect, from this address of the machine where one is given, and any port; [`Socket::poll_connected`]
    /// tells how it ended.
    fn connect(&mut self, _addr: SocketAddr, _source: Option<IpAddr>) -> io::Result<Self::Socket> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Asks for the addresses of a host, without blocking: [`Io::poll_resolved`] answers under the same ticket, for an
    /// address at once, else after a [`Io::wait`].
    fn resolve(&mut self, _ticket: u64, _host: &str, _port: u16) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Nobody waits for this answer any more. It may come all the same.
    fn cancel_resolve(&mut self, _ticket: u64) {}
    /// The next answer: addresses in the order in which they are to be tried, at most
    /// [`ADDRESSES_TRIED`](crate::limits::ADDRESSES_TRIED).
    fn poll_resolved(&mut self) -> Option<(u64, io::Result<Vec<SocketAddr>>)> {
        None
    }
    /// What nobody can guess.
    fn entropy(&mut self) -> io::Result<[u8; ENTROPY_BYTES]> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// What ends a [`Io::wait`] from another thread; none where nothing can.
    fn waker(&self) -> Option<Arc<Waker>> {
        None
    }
}

impl Socket for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => Write::write(self, one),
            more => self.write_vectored(more),
        }
    }

    fn shut_down_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn poll_connected(&mut self) -> io::Result<Option<SocketAddr>> {
        if let Some(error) = self.take_error()? {
            return Err(error);
        }
        match self.peer_addr() {
            // Where nobody listens at a port that the system hands out itself, a connect may meet its own end.
            Ok(peer) if self.local_addr()? == peer => Err(io::ErrorKind::ConnectionRefused.into()),
            Ok(peer) => Ok(Some(peer)),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What is asked of the operating system's randomness for one session: the seed of its masking keys and its nonce.
const ENTROPY_BYTES: usize = 32;

/// The operating system's.
#[derive(Debug)]
pub struct SystemIo {
    poll: Poll,
    events: Events,
    listeners: Vec<TcpListener>,
    waker: Arc<Waker>,
    resolver: Resolver,
    epoch: Instant,
    wall: Wall,
}

/// The wall clock, as it was last read.
#[derive(Debug)]
struct Wall {
    /// Since 1970-01-01 UTC.
    unix: Duration,
    /// When that was, after the epoch of the monotonic clock.
    read_at: Duration,
}

impl Wall {
    /// What it says so long after the epoch. It is read anew where that was a [`WALL_CLOCK_INTERVAL`] ago.
    fn at(&mut self, elapsed: Duration, read: impl FnOnce() -> Duration) -> Duration {
        if elapsed.saturating_sub(self.read_at) >= WALL_CLOCK_INTERVAL {
            *self = Wall { unix: read(), read_at: elapsed };
        }
        self.unix.saturating_add(elapsed.saturating_sub(self.read_at))
    }
}

/// The system's wall clock, since 1970-01-01 UTC.
fn read_wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl SystemIo {
    /// Opens a poller, and a listener at each address. `send_buffer_bytes` is `SO_SNDBUF` of the accepted
    /// sockets; 0 leaves the system's.
    pub fn open(addrs: &[SocketAddr], send_buffer_bytes: usize) -> Result<SystemIo, Error> {
        let poll = Poll::new().map_err(Error::Poll)?;
        let waker = Waker::new(poll.registry(), Token(usize::MAX)).map_err(Error::Poll)?;
        let mut listeners = Vec::with_capacity(addrs.len());
        for (i, &addr) in addrs.iter().enumerate() {
            let only_v6 = addrs.iter().any(|other| other.is_ipv4() && other.port() == addr.port());
            let bound = listen(addr, only_v6, send_buffer_bytes).and_then(|mut listener| {
                poll.registry().register(&mut listener, Token(Self::LISTENERS + i), Interest::READABLE)?;
                Ok(listener)
            });
            listeners.push(bound.map_err(|source| Error::Bind { addr, source })?);
        }
        let events = Events::with_capacity(READY_PER_TURN);
        let waker = Arc::new(waker);
        let resolver = resolver(Box::new(system_lookup), &waker);
        let wall = Wall { unix: read_wall_clock(), read_at: Duration::ZERO };
        Ok(SystemIo { poll, events, listeners, waker, resolver, epoch: Instant::now(), wall })
    }

    /// The same, but names are looked up by this: host and port in, addresses out, in the order in which they are to be
    /// tried. It is called on threads of its own and may block.
    #[must_use]
    pub fn resolving_by(
        mut self,
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> SystemIo {
        self.resolver = resolver(Box::new(lookup), &self.waker);
        self
    }

    /// The address listener number `listener` is really bound to.
    pub fn local_addr(&self, listener: usize) -> Option<SocketAddr> {
        self.listeners.get(listener)?.local_addr().ok()
    }
}

impl AsRawFd for SystemIo {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

impl Io for SystemIo {
    type Socket = TcpStream;

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.poll.poll(&mut self.events, timeout)?;
        ready.extend(self.events.iter().map(|event| Ready {
            token: event.token().0,
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }

    fn accept(&mut self, listener: usize) -> io::Result<(TcpStream, SocketAddr)> {
        let listener = self.listeners.get(listener).ok_or(io::ErrorKind::WouldBlock)?;
        let (stream, peer) = listener.accept()?;
        // Linux hands these down from the listener.
        #[cfg(not(target_os = "linux"))]
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }

    fn register(&mut self, socket: &mut TcpStream, token: usize) -> io::Result<()> {
        self.poll.registry().register(socket, Token(token), Interest::READABLE | Interest::WRITABLE)
    }

    fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    fn connect(&mut self, addr: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
        let stream = match source {
            None => TcpStream::connect(addr)?,
            Some(source) => connect_from(source, addr)?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn resolve(&mut self, ticket: u64, host: &str, port: u16) -> io::Result<()> {
        self.resolver.ask(ticket, host, port)
    }

    fn cancel_resolve(&mut self, ticket: u64) {
        self.resolver.cancel(ticket);
    }

    fn poll_resolved(&mut self) -> Option<(u64, io::Result<Vec<SocketAddr>>)> {
        self.resolver.poll()
    }

    fn entropy(&mut self) -> io::Result<[u8; ENTROPY_BYTES]> {
        let mut bytes = [0; ENTROPY_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(bytes)
    }

    fn now(&mut self) -> Now {
        let elapsed = self.epoch.elapsed();
        // Two clocks a turn would be a tenth of what a turn with one small message costs.
        let unix = self.wall.at(elapsed, read_wall_clock);
        Now { mono_us: micros(elapsed), unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn waker(&self) -> Option<Arc<Waker>> {
        Some(self.waker.clone())
    }
}

/// A resolver whose answers wake the loop.
fn resolver(lookup: Box<Lookup>, waker: &Arc<Waker>) -> Resolver {
    let waker = waker.clone();
    // Where waking fails, the loop finds the answer at the latest at its next deadline.
    Resolver::new(lookup, Box::new(move || drop(waker.wake())))
}

/// Begins to connect from an address of this machine.
fn connect_from(source: IpAddr, addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&addr.into()) {
        // It is under way, and an edge tells what became of it (POSIX connect, EINPROGRESS).
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(TcpStream::from_std(socket.into())),
    }
}

/// mio's own `bind` fixes the backlog at 128, so the socket is made by hand. An IPv6 wildcard takes IPv4 too,
/// unless a listener of that kind wants the same port.
fn listen(addr: SocketAddr, only_v6: bool, send_buffer_bytes: usize) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    if send_buffer_bytes > 0 {
        socket.set_send_buffer_size(send_buffer_bytes)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_connect_that_meets_its_own_end_is_refused() {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        // RFC 9293, section 3.5: both ends open at once, and are one.
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(socket.into());
        assert_eq!(stream.poll_connected().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn the_wall_clock_goes_as_the_monotonic_one_does_until_it_is_read_anew() {
        let (start, set) = (Duration::from_secs(1_700_000_000), Duration::from_secs(1_600_000_000));
        let mut wall = Wall { unix: start, read_at: Duration::ZERO };
        let almost = WALL_CLOCK_INTERVAL - Duration::from_nanos(1);
        for (elapsed, unix) in [
            (Duration::ZERO, start),
            (almost, start + almost),
            // It was set back meanwhile.
            (WALL_CLOCK_INTERVAL, set),
            (WALL_CLOCK_INTERVAL + almost, set + almost),
        ] {
            assert_eq!(wall.at(elapsed, || set), unix, "{elapsed:?}");
        }
    }

    #[test]
    fn entropy_is_another_each_time() {
        let mut io = SystemIo::open(&[], 0).unwrap();
        assert_ne!(io.entropy().unwrap(), io.entropy().unwrap());
    }
}
