//! Events in, engine calls out: the table of messages of the wire protocol (README), and the log lines of a
//! connection's life.
//!
//! Not here: the shape of messages (`wire/message.rs`), HTTP routes (`app/routes.rs`).

use log::{Level, debug, info, log_enabled, warn};
use serde_json::value::RawValue;

use super::web::Site;
use super::{routes, web};
use crate::auth::Identity;
use crate::engine::{ConnId, Engine, Event, SubscribeError};
use crate::error::{CloseReason, Initiator};
use crate::limits::{LOG_TEXT_CHARS, LOG_USER_CHARS};
use crate::wire::message::{ClientMessage, ServerMessage, check_channel, escape_for_log, holds_token, parse};
use crate::wire::websocket::{Message, PreparedMessage};

/// The daemon's rules. It holds no state: sessions, channels and rights are the engine's. By default it serves no files.
#[derive(Debug, Clone, Default)]
pub struct Router {
    site: Option<Site>,
}

impl Router {
    /// The same, and it serves the console at `/` and the client for browsers at `/client.js`. `endpoint` is the path where
    /// sessions are, as in [`crate::EngineConfig::path`]: an empty one means every path, and one where
    /// [`Router::serves_file`] hides that file.
    pub fn with_page(endpoint: &str) -> Router {
        Router { site: Some(Site::new(endpoint)) }
    }

    /// Whether a router with the page serves a file at this path.
    pub fn serves_file(path: &str) -> bool {
        web::is_file(path)
    }

    /// Answers one event. Give it every event that the engine has. What comes of a session in the client role it leaves
    /// alone: there the host is the one that asks.
    pub fn handle(&self, engine: &mut Engine, event: Event) {
        match event {
            Event::Accepted { peer, .. } => info!("New connection from {peer}"),
            Event::Request { id, head } => {
                engine.respond(id, routes::answer(&head, self.site.as_ref()));
            }
            Event::Open { id } => welcome(engine, id),
            // A server's answers are no commands: two servers that took them for some would refuse each other for ever.
            Event::Message { id, .. } if engine.is_outbound(id) => {}
            Event::Message { id, message } => take_message(engine, id, message),
            Event::RateLimited { id } => refuse(engine, id, ("Rate limit exceeded", "rate_limited"), None),
            Event::Renewed { id } => apply_rights(engine, id),
            Event::Closed { identity, reason, .. } => farewell(engine, identity, &reason),
            Event::Connected { .. } | Event::Refused { .. } => {}
        }
    }
}

fn welcome(engine: &mut Engine, id: ConnId) {
    let Some(identity) = engine.identity(id).cloned() else { return };
    let user = escape_for_log(identity.user(), LOG_USER_CHARS);
    info!("Client connected: {user} ({} total)", engine.open_sessions());
    let timestamp = engine.now().unix_ms;
    say(engine, id, &ServerMessage::Connected { user_id: identity.user(), timestamp });
    for channel in &identity.rights().channels {
        join(engine, id, channel, None);
    }
}

/// From a renewal on the new token's rights hold: what they do not cover ends.
fn apply_rights(engine: &mut Engine, id: ConnId) {
    let Some(identity) = engine.identity(id).cloned() else { return };
    let channels = engine.channels_of(id).filter(|channel| !identity.rights().may_subscribe(channel));
    let lost: Vec<_> = channels.map(str::to_owned).collect();
    for channel in &lost {
        engine.unsubscribe(id, channel);
        say(engine, id, &ServerMessage::Unsubscribed { channel });
    }
}

fn farewell(engine: &Engine, identity: Option<Identity>, reason: &CloseReason) {
    let Some(identity) = identity else {
        return debug!("a connection ended: {reason}");
    };
    let user = escape_for_log(identity.user(), LOG_USER_CHARS);
    match (reason, reason.initiator()) {
        (CloseReason::SlowConsumer, _) => warn!("Failed to send to client: {user}: {reason}"),
        (CloseReason::PeerVanished | CloseReason::Transport(_), _) | (_, Initiator::PeerFault) => {
            warn!("WebSocket error for {user}: {reason}");
        }
        (_, Initiator::Peer | Initiator::Server) => debug!("{user}: {reason}"),
    }
    info!("Client disconnected: {user} ({} remaining)", engine.open_sessions());
}

fn take_message(engine: &mut Engine, id: ConnId, message: Message) {
    let payload = message.into_payload();
    let Ok(text) = std::str::from_utf8(&payload) else {
        debug!("Invalid message format: a binary message that is not UTF-8");
        return refuse(engine, id, ("Invalid format", "bad_utf8"), None);
    };
    match parse(text) {
        Ok(message) => {
            // A token is never logged: not even that of a message of another type.
            if log_enabled!(Level::Debug) && !holds_token(text) {
                debug!("Received: {}", escape_for_log(text, LOG_TEXT_CHARS));
            }
            obey(engine, id, message);
        }
        Err(error) => {
            debug!("Invalid message format: {error}");
            refuse(engine, id, ("Invalid format", error.code()), None);
        }
    }
}

fn obey(engine: &mut Engine, id: ConnId, message: ClientMessage<'_>) {
    let timestamp = engine.now().unix_ms;
    match message {
        ClientMessage::Auth { token } => engine.renew(id, &token),
        ClientMessage::Ping { payload, id: echo } => {
            say(engine, id, &ServerMessage::Pong { payload, id: echo, timestamp });
        }
        ClientMessage::Subscribe { channel, id: echo } => subscribe(engine, id, &channel, echo),
        ClientMessage::Unsubscribe { channel, id: echo } => {
            if let Err(error) = check_channel(&channel) {
                return refuse(engine, id, ("Invalid channel", error.code()), echo);
            }
            engine.unsubscribe(id, &channel);
            say(engine, id, &ServerMessage::Unsubscribed { channel: &channel });
        }
        ClientMessage::Chat { channel, payload, id: ack, to_self } => {
            if let Some(Err(error)) = channel.as_deref().map(check_channel) {
                return refuse(engine, id, ("Invalid channel", error.code()), ack);
            }
            let Some(user) = engine.identity(id).cloned() else { return };
            let channel = channel.as_deref();
            if !user.rights().may_publish(channel) {
                return refuse(engine, id, ("Not allowed", "publish_not_allowed"), ack);
            }
            let chat = ServerMessage::Chat { channel, user_id: user.user(), payload, timestamp };
            let prepared = PreparedMessage::text(&chat.encode());
            let except = (!to_self).then_some(id);
            let published = match channel {
                Some(channel) => engine.publish(channel, &prepared, except),
                None => engine.publish_to_all(&prepared, except),
            };
            debug!("published to {} of {} sessions", published.queued, published.matched);
            if let Some(ack) = ack {
                say(engine, id, &ServerMessage::Ack { id: ack });
            }
        }
    }
}

fn subscribe(engine: &mut Engine, id: ConnId, channel: &str, echo: Option<&RawValue>) {
    if let Err(error) = check_channel(channel) {
        return refuse(engine, id, ("Invalid channel", error.code()), echo);
    }
    if !engine.identity(id).is_some_and(|identity| identity.rights().may_subscribe(channel)) {
        return refuse(engine, id, ("Not allowed", "subscribe_not_allowed"), echo);
    }
    join(engine, id, channel, echo);
}

/// Subscribes to a channel that is allowed, and tells so.
fn join(engine: &mut Engine, id: ConnId, channel: &str, echo: Option<&RawValue>) {
    match engine.subscribe(id, channel) {
        Ok(_) => say(engine, id, &ServerMessage::Subscribed { channel }),
        Err(SubscribeError::TooMany) => refuse(engine, id, ("Too many channels", "too_many_channels"), echo),
        Err(SubscribeError::BadName) => refuse(engine, id, ("Invalid channel", "channel_too_long"), echo),
        Err(SubscribeError::NotOpen) => {}
    }
}

/// Tells why a message was refused, in words and as a code, and which one it was, where it had an id.
fn refuse(engine: &mut Engine, id: ConnId, (message, code): (&str, &str), echo: Option<&RawValue>) {
    say(engine, id, &ServerMessage::Error { message, code: Some(code), id: echo });
}

fn say(engine: &mut Engine, id: ConnId, message: &ServerMessage<'_>) {
    engine.send(id, Message::Text(message.encode().into()));
}
