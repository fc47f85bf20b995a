//! Bytes to values and back: HTTP heads, WebSocket frames, permessage-deflate, JSON messages, URLs, dates. Pure functions and
//! small state machines; nothing here knows of sessions.
//!
//! Not here: who may do what, and when (`engine/`); sockets (`net/`).

pub mod date;
pub mod deflate;
pub mod http;
pub mod message;
pub mod url;
pub mod websocket;
