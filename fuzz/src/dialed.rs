//! A session in the client role, and whatever a server sends behind its 101. The input is that of `frames.rs`.
//!
//! Not here: the session (`frames.rs`), what should come of it (`model.rs`), the server's answer (`answer.rs`).

use super::frames::{Peer, run_against};

/// See the module.
pub fn run(input: &[u8]) {
    run_against(Peer::Server, input);
}
