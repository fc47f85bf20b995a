//! The limits that have a key in the configuration, and what each may be.
//!
//! Not here: their defaults, and the limits that are fixed (`limits.rs`).

use std::time::Duration;

use super::{
    AUTH_FAILURES_PER_MINUTE_DEFAULT, AUTH_TIMEOUT_DEFAULT, CHANNELS_PER_SESSION_DEFAULT, CLOSE_TIMEOUT_DEFAULT,
    CONNECTIONS_DEFAULT, CONNECTIONS_PER_IP_DEFAULT, CONTROL_FRAMES_PER_SECOND_DEFAULT, COUNT_MAX, FRAGMENTS_DEFAULT,
    HEAD_BYTES_DEFAULT, HEAD_BYTES_MAX, HEAD_BYTES_MIN, HEAD_TIMEOUT_DEFAULT, HEADERS_DEFAULT, HEADERS_MAX,
    HEARTBEAT_INTERVAL_DEFAULT, HEARTBEAT_INTERVAL_MIN, KEEP_ALIVE_TIMEOUT_DEFAULT, MAX_MEMORY_DEFAULT, MAX_MEMORY_MAX,
    MAX_MEMORY_MIN, MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_MAX, MESSAGE_TIMEOUT_DEFAULT, MESSAGES_PER_WINDOW_DEFAULT,
    PRE_AUTH_CONNECTIONS_DEFAULT, SEND_QUEUE_BYTES_DEFAULT, SEND_QUEUE_BYTES_MIN, TIMEOUT_MAX, TIMEOUT_MIN,
    WINDOW_DEFAULT, WRITE_STALL_TIMEOUT_DEFAULT,
};

/// The limits that a configuration or a host may change.
///
/// `Limits::default()` holds the defaults named beside each field; [`Limits::check`] knows their ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest message, in bytes. Default [`MESSAGE_BYTES_DEFAULT`], at most [`MESSAGE_BYTES_MAX`]; past it 1009.
    pub message_bytes: usize,
    /// What may be queued for one session, in bytes. Default [`SEND_QUEUE_BYTES_DEFAULT`]. A broadcast that
    /// does not fit cuts the session with 1013; an empty queue takes one message of any allowed size. In the client role a
    /// message that does not fit is not taken, and the session goes on.
    pub send_queue_bytes: usize,
    /// Sessions at once, those in the client role among them. Default [`CONNECTIONS_DEFAULT`]; past it a client that comes
    /// gets 503, and we may still go to a server.
    pub connections: usize,
    /// Connections from one address, 0 for no limit. Default [`CONNECTIONS_PER_IP_DEFAULT`]; past it 429.
    pub connections_per_ip: usize,
    /// Connections that have not yet said who they are. Default [`PRE_AUTH_CONNECTIONS_DEFAULT`]; past it the oldest of
    /// them is dropped.
    pub pre_auth_connections: usize,
    /// Wrong credentials from one address in a minute, 0 for no limit. Default [`AUTH_FAILURES_PER_MINUTE_DEFAULT`];
    /// past it 429.
    pub auth_failures_per_minute: usize,
    /// Messages of a client within `window`, 0 for no limit. Default [`MESSAGES_PER_WINDOW_DEFAULT`]; past it they are
    /// dropped ([`crate::Event::RateLimited`]), and after [`super::REFUSALS_PER_WINDOW`] of that 1008. Those of a server that we are
    /// a client of are not counted.
    pub messages_per_window: usize,
    /// The span in which messages are counted. Default [`WINDOW_DEFAULT`].
    pub window: Duration,
    /// How they are counted. Default [`RateAlgorithm::Window`].
    pub rate_algorithm: RateAlgorithm,
    /// Pings and pongs of a session per second, 0 for no limit; [`super::CONTROL_FRAMES_BURST`] times as many at once.
    /// Default [`CONTROL_FRAMES_PER_SECOND_DEFAULT`]; past it 1008.
    pub control_frames_per_second: usize,
    /// What all peers together can make the process hold, in bytes. Default [`MAX_MEMORY_DEFAULT`]. Near it upgrades
    /// are answered 503 and the heaviest senders are not read; at it the heaviest session is closed with 1013.
    pub max_memory: usize,
    /// Bytes of a request head, or of an answer's. Default [`HEAD_BYTES_DEFAULT`]; past it 431 or 414, or the end of the
    /// connection.
    pub head_bytes: usize,
    /// Header lines of a request head, or of an answer's. Default [`HEADERS_DEFAULT`]; past it 431, or the end of the
    /// connection.
    pub headers: usize,
    /// Time for TLS handshake and head. Default [`HEAD_TIMEOUT_DEFAULT`]; past it 408. In the client role for all from
    /// looking up the name to the answer; past it [`crate::CloseReason::HeadTimeout`].
    pub head_timeout: Duration,
    /// Time between two requests. Default [`KEEP_ALIVE_TIMEOUT_DEFAULT`]; past it the connection is closed.
    pub keep_alive_timeout: Duration,
    /// Time from the upgrade to a successful `auth`. Default [`AUTH_TIMEOUT_DEFAULT`]; past it 1008.
    pub auth_timeout: Duration,
    /// Time for a close handshake. Default [`CLOSE_TIMEOUT_DEFAULT`]; past it the socket is dropped.
    pub close_timeout: Duration,
    /// Time without progress of a queue. Default [`WRITE_STALL_TIMEOUT_DEFAULT`]; past it the socket is dropped.
    pub write_stall_timeout: Duration,
    /// Interval of heartbeats. Default [`HEARTBEAT_INTERVAL_DEFAULT`]; a whole silent interval ends the session.
    pub heartbeat_interval: Duration,
    /// Fragments of one message. Default [`FRAGMENTS_DEFAULT`]; past it 1008.
    pub fragments: usize,
    /// Time for one fragmented or partial message. Default [`MESSAGE_TIMEOUT_DEFAULT`]; past it 1008.
    pub message_timeout: Duration,
    /// Channels of one session. Default [`CHANNELS_PER_SESSION_DEFAULT`]; past it an error, the session stays.
    pub channels_per_session: usize,
}

/// How a session's messages are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateAlgorithm {
    /// A window begins with the first message, and the next one with the first message after its end.
    #[default]
    Window,
    /// A bucket holds as many messages as a window may have, and fills up evenly in the span of one.
    Bucket,
}

impl Limits {
    /// Whether every field is in its range; else one line that names the field, its value and what is allowed.
    /// `Server::bind` asks it, so that a host's own limits can neither stop a server nor take its bounds away.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [
            ("message_bytes", self.message_bytes, 1, MESSAGE_BYTES_MAX),
            ("send_queue_bytes", self.send_queue_bytes, SEND_QUEUE_BYTES_MIN, MESSAGE_BYTES_MAX),
            ("connections", self.connections, 1, COUNT_MAX),
            ("connections_per_ip", self.connections_per_ip, 0, COUNT_MAX),
            ("pre_auth_connections", self.pre_auth_connections, 1, COUNT_MAX),
            ("auth_failures_per_minute", self.auth_failures_per_minute, 0, COUNT_MAX),
            ("messages_per_window", self.messages_per_window, 0, COUNT_MAX),
            ("control_frames_per_second", self.control_frames_per_second, 0, COUNT_MAX),
            ("max_memory", self.max_memory, MAX_MEMORY_MIN, MAX_MEMORY_MAX),
            ("head_bytes", self.head_bytes, HEAD_BYTES_MIN, HEAD_BYTES_MAX),
            ("headers", self.headers, 1, HEADERS_MAX),
            ("fragments", self.fragments, 1, COUNT_MAX),
            ("channels_per_session", self.channels_per_session, 1, COUNT_MAX),
        ];
        let spans = [
            ("head_timeout", self.head_timeout, TIMEOUT_MIN),
            ("keep_alive_timeout", self.keep_alive_timeout, TIMEOUT_MIN),
            ("auth_timeout", self.auth_timeout, TIMEOUT_MIN),
            ("close_timeout", self.close_timeout, TIMEOUT_MIN),
            ("write_stall_timeout", self.write_stall_timeout, TIMEOUT_MIN),
            ("message_timeout", self.message_timeout, TIMEOUT_MIN),
            ("heartbeat_interval", self.heartbeat_interval, HEARTBEAT_INTERVAL_MIN),
            ("window", self.window, TIMEOUT_MIN),
        ];
        if let Some((name, value, min, max)) = sizes.into_iter().find(|(_, value, min, max)| value < min || value > max)
        {
            return Err(format!("Limits::{name} = {value}; allowed: {min} to {max}"));
        }
        if let Some((name, value, min)) = spans.into_iter().find(|(_, value, min)| value < min || *value > TIMEOUT_MAX)
        {
            return Err(format!("Limits::{name} = {value:?}; allowed: {min:?} to {TIMEOUT_MAX:?}"));
        }
        if let Some(least) = self.least_heartbeat_interval().filter(|least| self.heartbeat_interval < *least) {
            let (interval, frames) = (self.heartbeat_interval, self.control_frames_per_second);
            return Err(format!(
                "Limits::heartbeat_interval = {interval:?} with control_frames_per_second = {frames}; allowed: at least \
                 {least:?}, or the answers to our own pings are too many"
            ));
        }
        Ok(())
    }

    /// The shortest [`Limits::heartbeat_interval`] whose pongs are not more than [`Limits::control_frames_per_second`];
    /// `None` where these are not limited.
    pub fn least_heartbeat_interval(&self) -> Option<Duration> {
        let a_second = u32::try_from(self.control_frames_per_second).unwrap_or(u32::MAX);
        Duration::from_secs(1).checked_div(a_second)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: MESSAGE_BYTES_DEFAULT,
            send_queue_bytes: SEND_QUEUE_BYTES_DEFAULT,
            connections: CONNECTIONS_DEFAULT,
            connections_per_ip: CONNECTIONS_PER_IP_DEFAULT,
            pre_auth_connections: PRE_AUTH_CONNECTIONS_DEFAULT,
            auth_failures_per_minute: AUTH_FAILURES_PER_MINUTE_DEFAULT,
            messages_per_window: MESSAGES_PER_WINDOW_DEFAULT,
            window: WINDOW_DEFAULT,
            rate_algorithm: RateAlgorithm::Window,
            control_frames_per_second: CONTROL_FRAMES_PER_SECOND_DEFAULT,
            max_memory: MAX_MEMORY_DEFAULT,
            head_bytes: HEAD_BYTES_DEFAULT,
            headers: HEADERS_DEFAULT,
            head_timeout: HEAD_TIMEOUT_DEFAULT,
            keep_alive_timeout: KEEP_ALIVE_TIMEOUT_DEFAULT,
            auth_timeout: AUTH_TIMEOUT_DEFAULT,
            close_timeout: CLOSE_TIMEOUT_DEFAULT,
            write_stall_timeout: WRITE_STALL_TIMEOUT_DEFAULT,
            heartbeat_interval: HEARTBEAT_INTERVAL_DEFAULT,
            fragments: FRAGMENTS_DEFAULT,
            message_timeout: MESSAGE_TIMEOUT_DEFAULT,
            channels_per_session: CHANNELS_PER_SESSION_DEFAULT,
        }
    }
}
