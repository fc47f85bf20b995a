//! What the turn that is under way may still do at the socket, for all connections together: a share for everyone, however
//! many there are of one kind.
//!
//! Not here: what one session may be read (`limits.rs`), who waits for the next turn (`server.rs`).

use crate::limits::{HANDSHAKE_READS_PER_TURN, HANDSHAKES_PER_TURN};

/// What is left. A turn begins with all of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// TLS handshakes that may be gone on with.
    pub handshakes: usize,
    /// Reads that may be tried for it.
    pub handshake_reads: usize,
}

impl Budget {
    pub const WHOLE: Budget = Budget { handshakes: HANDSHAKES_PER_TURN, handshake_reads: HANDSHAKE_READS_PER_TURN };
}
