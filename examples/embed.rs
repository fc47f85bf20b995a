//! barewire inside a host's own loop: one `mio::Poll` watches the server beside a UDP socket. Each datagram is
//! published to the channel `udp`; what a client says goes to whoever sent the last datagram.
//!
//! `cargo run --example embed`, then `npx wscat -c ws://127.0.0.1:9001/ws` and `nc -u 127.0.0.1 9002`.

#![allow(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use barewire::auth::NoAuth;
use barewire::wire::http::Response;
use barewire::{Event, PreparedMessage, Server, ServerConfig};
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

const SERVER: Token = Token(0);
const DATAGRAMS: Token = Token(1);

/// A program with a loop of its own, and a server in it.
pub struct Host {
    /// What it has of barewire.
    pub server: Server,
    /// What it has beside it.
    pub datagrams: UdpSocket,
    /// Who sent the last one.
    sender: Option<SocketAddr>,
    poll: Poll,
    events: Events,
}

impl Host {
    /// Binds both, and watches them by one poller.
    pub fn open(config: ServerConfig, datagrams: SocketAddr) -> Result<Host, Box<dyn Error>> {
        let server = Server::bind(config, Box::new(NoAuth))?;
        let mut datagrams = UdpSocket::bind(datagrams)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut SourceFd(&server.as_raw_fd()), SERVER, Interest::READABLE)?;
        poll.registry().register(&mut datagrams, DATAGRAMS, Interest::READABLE)?;
        Ok(Host { server, datagrams, sender: None, poll, events: Events::with_capacity(16) })
    }

    /// One turn of the host's loop. The server has its turn in every one: its descriptor may be readable, or
    /// the time of one of its deadlines may have come. While it has more to do at once its timeout is zero.
    pub fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        match self.poll.poll(&mut self.events, self.server.poll_timeout()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        if self.events.iter().any(|event| event.token() == DATAGRAMS) {
            self.publish_datagrams()?;
        }
        self.server.poll(Some(Duration::ZERO))?;
        while let Some(event) = self.server.poll_event() {
            self.answer(event);
        }
        Ok(())
    }

    fn publish_datagrams(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.datagrams.recv_from(&mut buffer) {
                Ok((length, sender)) => {
                    let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                    self.server.engine().publish("udp", &PreparedMessage::text(&text), None);
                    self.sender = Some(sender);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn answer(&mut self, event: Event) {
        match event {
            Event::Open { id } => drop(self.server.engine().subscribe(id, "udp")),
            Event::Message { message, .. } => {
                if let Some(sender) = self.sender {
                    // Datagrams may get lost, here as anywhere.
                    let _ = self.datagrams.send_to(&message.into_payload(), sender);
                }
            }
            Event::Request { id, .. } => drop(self.server.engine().respond(id, Response::text(404, "Not Found"))),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = ServerConfig { plain_listen: vec![([127, 0, 0, 1], 9001).into()], ..ServerConfig::default() };
    let mut host = Host::open(config, ([127, 0, 0, 1], 9002).into())?;
    println!("WebSocket on 127.0.0.1:9001, datagrams on 127.0.0.1:9002");
    while !host.server.is_finished() {
        host.turn()?;
    }
    Ok(())
}
