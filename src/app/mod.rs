//! The daemon's policy: what a message means and what a request is answered. A host that wants another one
//! leaves this room out, and answers the engine's events itself.
//!
//! Not here: sessions, limits, authentication (`engine/`, `auth/`); sockets (`net/`, which knows nothing of this).

mod router;
mod routes;
mod web;

pub use router::Router;
