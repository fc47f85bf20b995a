//! When a listener may accept: readiness is an edge that is told once, and after the process has run out of
//! descriptors or memory no new edge comes for those that wait, so it is tried again by time.
//!
//! Not here: the call itself (`net/io.rs`), what becomes of a connection (`net/server.rs`).

use std::io;

use crate::limits::{ACCEPT_LOG_INTERVAL, ACCEPT_RETRY};
use crate::time::micros;

/// One listener.
#[derive(Debug)]
pub(super) struct Listener {
    /// Whether its connections speak TLS.
    pub is_secure: bool,
    /// There may be more to accept.
    is_ready: bool,
    /// It could not accept: not before this moment again, in microseconds.
    retry_us: Option<u64>,
    /// When its trouble was last told.
    logged_us: Option<u64>,
}

impl Listener {
    pub fn new(is_secure: bool) -> Listener {
        Listener { is_secure, is_ready: false, retry_us: None, logged_us: None }
    }

    /// The poller has seen somebody.
    pub fn mark_ready(&mut self) {
        self.is_ready = true;
    }

    /// Whether to accept now.
    pub fn may_accept(&self) -> bool {
        self.is_ready && self.retry_us.is_none()
    }

    /// When to try again after trouble.
    pub fn retry_us(&self) -> Option<u64> {
        self.retry_us
    }

    /// A turn begins.
    pub fn handle_now(&mut self, now_us: u64) {
        self.retry_us.take_if(|due| *due <= now_us);
    }

    /// What a failed accept means.
    pub fn handle_error(&mut self, error: &io::Error, now_us: u64) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.is_ready = false;
        } else if is_of_one_connection(error) {
            log::debug!("a connection was lost before it was accepted: {error}");
        } else {
            self.retry_us = Some(now_us + micros(ACCEPT_RETRY));
            if self.logged_us.is_none_or(|at| now_us - at >= micros(ACCEPT_LOG_INTERVAL)) {
                self.logged_us = Some(now_us);
                log::error!("WebSocket Server Error: cannot accept connections for now: {error}");
            }
        }
    }
}

/// Errors of `accept` that concern only the connection that was about to be accepted (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::Interrupted
            | Kind::PermissionDenied
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_descriptors_it_is_tried_again_by_time_without_a_new_edge() {
        let mut listener = Listener::new(true);
        listener.mark_ready();
        listener.handle_error(&io::Error::from_raw_os_error(24), 1_000);
        assert!(!listener.may_accept());
        let due = listener.retry_us().unwrap();
        listener.handle_now(due - 1);
        assert!(!listener.may_accept());
        listener.handle_now(due);
        assert!(listener.may_accept());
    }

    #[test]
    fn an_error_of_one_connection_stops_nobody() {
        let mut listener = Listener::new(false);
        listener.mark_ready();
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::Interrupted, io::ErrorKind::HostUnreachable] {
            listener.handle_error(&kind.into(), 0);
            assert!(listener.may_accept(), "{kind}");
        }
        listener.handle_error(&io::ErrorKind::WouldBlock.into(), 0);
        assert!(!listener.may_accept());
        assert_eq!(listener.retry_us(), None, "the next edge will come");
    }
}
