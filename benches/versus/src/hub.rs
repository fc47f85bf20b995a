//! Who hears what others say: a `tokio::sync::broadcast` channel, as axum's `chat` example has it, that leaves out the sender.
//!
//! Not here: how it is written to a socket (`bin/`).

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Messages that may wait for a member that is slow; it loses what is older.
const WAITING: usize = 1024;

static MEMBERS: AtomicU64 = AtomicU64::new(0);

/// All who hear each other.
#[derive(Debug, Clone)]
pub struct Hub<M> {
    all: Sender<(u64, M)>,
}

/// What one of them says.
#[derive(Debug)]
pub struct Voice<M> {
    id: u64,
    all: Sender<(u64, M)>,
}

/// What one of them hears.
#[derive(Debug)]
pub struct Ear<M> {
    id: u64,
    heard: Receiver<(u64, M)>,
}

impl<M: Clone> Hub<M> {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Hub<M> {
        Hub { all: channel(WAITING).0 }
    }

    /// One more.
    pub fn join(&self) -> (Voice<M>, Ear<M>) {
        let id = MEMBERS.fetch_add(1, Ordering::Relaxed);
        (Voice { id, all: self.all.clone() }, Ear { id, heard: self.all.subscribe() })
    }
}

impl<M: Clone> Voice<M> {
    /// Says it to all others.
    pub fn say(&self, message: M) {
        // Nobody else being there is no error.
        let _ = self.all.send((self.id, message));
    }
}

impl<M: Clone> Ear<M> {
    /// The next that another has said. A future that is dropped has lost nothing.
    pub async fn hear(&mut self) -> Option<M> {
        loop {
            match self.heard.recv().await {
                Ok((id, message)) if id != self.id => return Some(message),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The same, of what waits already.
    pub fn waiting(&mut self) -> Option<M> {
        loop {
            match self.heard.try_recv() {
                Ok((id, message)) if id != self.id => return Some(message),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}
