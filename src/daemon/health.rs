//! `barewire health`: asks a running daemon on this machine for `/health`, as a supervisor does; and the one blocking
//! socket of the house, of a process that does nothing else.
//!
//! Not here: the answer (the library's `app/routes.rs`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::config::Settings;
use super::failure::Failure;
use super::{reachable, say};
use barewire::ClientTls;
use barewire::limits::{HEALTH_LINE_BYTES, HEALTH_TIMEOUT};
use barewire::wire::message::escape_for_log;

/// Asks the first plain listener of the settings, or the first TLS one where there is none. Any answer but a 200, and
/// none within [`HEALTH_TIMEOUT`], is a failure.
pub fn health(settings: &Settings) -> Result<(), Failure> {
    let (addr, is_secure) = whom(settings)?;
    let unwell = |why: String| Failure::runtime(format!("{addr} is not well: {why}"));
    let line = ask(addr, is_secure, Deadline::after(HEALTH_TIMEOUT)).map_err(|error| unwell(error.to_string()))?;
    if line.split(' ').nth(1) != Some("200") {
        return Err(unwell(format!("it answers {}", escape_for_log(&line, HEALTH_LINE_BYTES))));
    }
    say(format_args!("{addr} is well"));
    Ok(())
}

/// Whom to ask, and whether by TLS.
fn whom(settings: &Settings) -> Result<(SocketAddr, bool), Failure> {
    let plain = settings.plain_listen.first().map(|addr| (addr, false, "server.plain_listen"));
    let secure = settings.listen.first().map(|addr| (addr, true, "server.listen"));
    match plain.or(secure) {
        None => Err(Failure::usage("there is no listener to ask")),
        Some((addr, _, key)) if addr.port() == 0 => {
            let reason =
                "with port 0 the system chooses one at each start, and nobody knows which; allowed: 1 to 65535";
            Err(Failure::usage(format!("{key} = {addr}: {reason}")))
        }
        Some((addr, is_secure, _)) => Ok((reachable(*addr), is_secure)),
    }
}

/// The status line of the answer.
fn ask(addr: SocketAddr, is_secure: bool, deadline: Deadline) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&addr, deadline.left()?).map_err(in_time)?;
    let stream = Timed { stream, deadline };
    let request = format!("GET /health HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    match is_secure {
        true => converse(secure(addr, stream)?, &request).map_err(of_tls),
        false => converse(stream, &request),
    }
}

/// Says whose words they are that tell of TLS gone wrong, as where the listener has none.
fn of_tls(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidData => io::Error::new(io::ErrorKind::InvalidData, format!("no TLS: {error}")),
        _ => error,
    }
}

fn converse(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut line = Vec::new();
    BufReader::new(stream).take(HEALTH_LINE_BYTES as u64).read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\n").ok_or_else(|| io::Error::other("no status line"))?;
    Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

/// Whoever has the key to the certificate that it shows is taken for the daemon. The question is asked of an address of
/// this machine, under which no certificate is issued: its name says nothing here. Whether it has expired is another
/// question than whether the daemon is alive, and a restart, which is what an unwell daemon gets, would not mend it.
/// Nothing secret is sent, and a wrong "well" is all that an impostor could win; one who can take this address has
/// taken the service already.
fn secure(addr: SocketAddr, stream: Timed) -> io::Result<impl Read + Write> {
    let tls = ClientTls::dangerous_without_verification().map_err(io::Error::other)?;
    tls.stream(&addr.ip().to_string(), stream).map_err(io::Error::other)
}

/// When all of it must be over, however slowly the other end drips.
#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn after(span: Duration) -> Deadline {
        Deadline(Instant::now() + span)
    }

    /// What is left of it; an error when nothing is.
    fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(in_time(io::ErrorKind::TimedOut.into())) } else { Ok(left) }
    }
}

/// A blocking stream whose every call ends with the deadline.
struct Timed {
    stream: TcpStream,
    deadline: Deadline,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.deadline.left()?))?;
        self.stream.read(buffer).map_err(in_time)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(bytes).map_err(in_time)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Systems have two words for a timeout.
fn in_time(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {HEALTH_TIMEOUT:?}"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(listen: &[&str], plain_listen: &[&str]) -> Result<(String, bool), Failure> {
        let addrs = |list: &[&str]| list.iter().map(|addr| addr.parse().unwrap()).collect();
        let settings = Settings { listen: addrs(listen), plain_listen: addrs(plain_listen), ..Settings::default() };
        whom(&settings).map(|(addr, is_secure)| (addr.to_string(), is_secure))
    }

    #[test]
    fn the_first_plain_listener_is_asked_or_else_the_first_of_tls() {
        let (two, other) = (["192.0.2.1:1", "192.0.2.2:2"], ["192.0.2.3:3", "192.0.2.4:4"]);
        assert_eq!(asked(&two, &other), Ok(("192.0.2.3:3".into(), false)));
        assert_eq!(asked(&two, &[]), Ok(("192.0.2.1:1".into(), true)));
    }

    #[test]
    fn an_unspecified_address_is_asked_on_the_loopback() {
        assert_eq!(asked(&["0.0.0.0:443"], &[]), Ok(("127.0.0.1:443".into(), true)));
        assert_eq!(asked(&[], &["[::]:80"]), Ok(("[::1]:80".into(), false)));
    }

    /// Says this, and takes any question.
    struct Says<'a>(&'a [u8]);

    impl Read for Says<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Says<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_status_line_may_have_its_limit_and_not_one_byte_more() {
        let longest = "x".repeat(HEALTH_LINE_BYTES - 1);
        assert_eq!(converse(Says(format!("{longest}\nmore").as_bytes()), "").unwrap(), longest);
        assert!(converse(Says(format!("{longest}x\n").as_bytes()), "").is_err());
    }

    #[test]
    fn port_0_cannot_be_asked() {
        for (listen, plain, key) in
            [(&["127.0.0.1:0"][..], &[][..], "server.listen"), (&["127.0.0.1:1"], &["[::1]:0"], "server.plain_listen")]
        {
            let failure = asked(listen, plain).unwrap_err();
            assert_eq!(failure.exit_code, 2);
            assert!(failure.sentence.starts_with(key) && failure.sentence.contains(":0: with port 0"), "{failure:?}");
        }
    }
}
