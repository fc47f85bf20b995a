//! Commands from other threads: a [`Handle`] puts them into a bounded queue and wakes the loop, which
//! carries out a bounded number of them each turn.
//!
//! Not here: what they do (`engine/mod.rs`).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use mio::Waker;

use crate::auth::{Ticket, Verdict};
use crate::engine::ConnId;
use crate::wire::http::Response;
use crate::wire::websocket::{Message, PreparedMessage};

/// What a handle asks the loop to do.
#[derive(Debug)]
pub(super) enum Command {
    Send { id: ConnId, message: Message },
    Publish { channel: Option<String>, message: PreparedMessage },
    Close { id: ConnId, code: u16, reason: Cow<'static, str> },
    Respond { id: ConnId, response: Response },
    Resolve { ticket: Ticket, verdict: Verdict },
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleError {
    /// [`crate::limits::COMMANDS_WAITING`] commands wait already. Try again later.
    Full,
    /// The server has gone.
    Gone,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandleError::Full => "too many commands wait for the server",
            HandleError::Gone => "the server has gone",
        })
    }
}

impl std::error::Error for HandleError {}

/// Reaches a running server from any thread. Cheap to clone; never blocks. Commands of one handle are
/// carried out in order; a command for a session that has gone does nothing.
#[derive(Clone)]
pub struct Handle {
    pub(super) commands: SyncSender<Command>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) waker: Option<Arc<Waker>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// As [`crate::Engine::send`].
    pub fn send(&self, id: ConnId, message: Message) -> Result<(), HandleError> {
        self.command(Command::Send { id, message })
    }

    /// As [`crate::Engine::publish`], or `publish_to_all` where no channel is given.
    pub fn publish(&self, channel: Option<&str>, message: PreparedMessage) -> Result<(), HandleError> {
        self.command(Command::Publish { channel: channel.map(str::to_owned), message })
    }

    /// As [`crate::Engine::close`].
    pub fn close(&self, id: ConnId, code: u16, reason: impl Into<Cow<'static, str>>) -> Result<(), HandleError> {
        self.command(Command::Close { id, code, reason: reason.into() })
    }

    /// As [`crate::Engine::respond`].
    pub fn respond(&self, id: ConnId, response: Response) -> Result<(), HandleError> {
        self.command(Command::Respond { id, response })
    }

    /// As [`crate::Engine::resolve`].
    pub fn resolve(&self, ticket: Ticket, verdict: Verdict) -> Result<(), HandleError> {
        self.command(Command::Resolve { ticket, verdict })
    }

    /// As [`crate::Server::shut_down`]. Taken however many commands wait.
    pub fn shut_down(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    fn command(&self, command: Command) -> Result<(), HandleError> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => HandleError::Full,
            TrySendError::Disconnected(_) => HandleError::Gone,
        })?;
        self.wake();
        Ok(())
    }

    /// Ends the sleep of the loop: [`crate::Server::poll`] returns.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            // Where this fails, the loop wakes at the latest for its next deadline, and finds the command then.
            let _ = waker.wake();
        }
    }
}
