//! An open WebSocket: frames in, messages out, heartbeats.
//!
//! Not here: authentication by message (`in_band.rs`), what a message means (`app/router.rs`), how frames are
//! checked (`wire/websocket/`).

use std::time::Duration;

use super::heartbeat::Heartbeat;
use super::weight::weight_of_frames;
use super::{Phase, Session};
use crate::auth::Identity;
use crate::engine::Event;
use crate::engine::compression::{Deflate, Lent};
use crate::engine::rate::{Admission, Pace};
use crate::engine::shared::{Share, Shared};
use crate::engine::timer::Timer;
use crate::error::CloseReason;
use crate::limits::{MESSAGE_BYTES_UNAUTHENTICATED, SEND_QUEUE_COPY_BYTES, SEND_QUEUE_ENTRY_BYTES};
use crate::time::micros;
use crate::wire::websocket::{
    Bytes, Context, FrameWalker, Input, Kind, Mask, Masks, Message, MessageHeader, MessageLimits, Received, apply_mask,
    encode_ping, frame_length,
};

/// The state of an open session.
#[derive(Debug)]
pub struct Open {
    walker: FrameWalker,
    /// Its own context, only while it is not clean.
    context: Option<Box<Context>>,
    pub(super) who: Who,
    /// What is to be done before anything more of the peer counts.
    pub(super) pending: Option<Box<Pending>>,
    /// Where messages may be deflated.
    pub(super) deflate: Option<Deflate>,
    heartbeat: Heartbeat,
    pace: Pace,
}

/// See [`Open::pending`].
#[derive(Debug)]
pub(super) enum Pending {
    /// It broke the protocol behind messages that are still to be answered.
    Doom(CloseReason),
    /// Its last message is large, and being inflated.
    Inflating(Lent),
}

/// What is known of a peer, and what is being asked.
#[derive(Debug)]
pub(super) enum Who {
    /// Its first message must be `auth`.
    Unknown,
    /// Its token is being verified.
    Verifying,
    Known(Identity),
    /// It is a server that we have connected to, and we mask what we send.
    Server(Box<Masks>),
    /// Known, and a new token is being verified.
    Renewing(Box<Renewal>),
}

/// A renewal under way.
#[derive(Debug)]
pub(super) struct Renewal {
    pub identity: Identity,
    /// Messages that the host has not seen, and refusals of messages between them: they wait for the verdict.
    pub held: Vec<Event>,
    /// What they weigh, in bytes.
    pub weight: usize,
}

impl Renewal {
    pub fn new(identity: Identity, held: Vec<Event>) -> Renewal {
        let settle = |event| match event {
            Event::Message { id, message } => Event::Message { id, message: message.settled() },
            other @ (Event::Accepted { .. }
            | Event::Request { .. }
            | Event::Connected { .. }
            | Event::Refused { .. }
            | Event::Open { .. }
            | Event::RateLimited { .. }
            | Event::Renewed { .. }
            | Event::Closed { .. }) => other,
        };
        let held: Vec<Event> = held.into_iter().map(settle).collect();
        let bytes = |event: &Event| if let Event::Message { message, .. } = event { message.len() } else { 0 };
        let weight = held.iter().map(|event| bytes(event) + SEND_QUEUE_ENTRY_BYTES).sum();
        Renewal { identity, held, weight }
    }
}

impl Open {
    /// A session whose upgrade has just been accepted.
    pub(super) fn new(who: Who, deflate: Option<Deflate>) -> Open {
        Open {
            walker: FrameWalker::default(),
            context: None,
            who,
            pending: None,
            deflate,
            heartbeat: Heartbeat::new(),
            pace: Pace::default(),
        }
    }

    /// Whether the peer broke the protocol, so that nothing more of it counts.
    pub fn is_doomed(&self) -> bool {
        matches!(self.pending.as_deref(), Some(Pending::Doom(_)))
    }

    /// Whether a message of the peer is still being inflated.
    pub fn is_inflating(&self) -> bool {
        matches!(self.pending.as_deref(), Some(Pending::Inflating(_)))
    }

    pub fn is_verifying(&self) -> bool {
        matches!(self.who, Who::Verifying | Who::Renewing(_))
    }

    /// Payload still to come of the frame under way.
    pub fn remaining(&self) -> u64 {
        self.walker.remaining()
    }

    pub fn identity(&self) -> Option<&Identity> {
        match &self.who {
            Who::Known(identity) => Some(identity),
            Who::Renewing(renewal) => Some(&renewal.identity),
            Who::Unknown | Who::Verifying | Who::Server(_) => None,
        }
    }

    /// Whether it has not to say who it is: it has, or it is a server.
    pub fn is_known(&self) -> bool {
        match self.who {
            Who::Known(_) | Who::Renewing(_) | Who::Server(_) => true,
            Who::Unknown | Who::Verifying => false,
        }
    }

    /// What is known of its heartbeats.
    pub fn heart(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Who it was, for telling its end.
    pub fn take_identity(&mut self) -> Option<Identity> {
        match std::mem::replace(&mut self.who, Who::Unknown) {
            Who::Known(identity) => Some(identity),
            Who::Renewing(renewal) => Some(renewal.identity),
            Who::Unknown | Who::Verifying | Who::Server(_) => None,
        }
    }

    /// The peer took some of what waited for it: it is alive, though a ping may stand behind the rest and its
    /// pong may not be read.
    pub fn took_backlog(&mut self) {
        self.heartbeat.hear();
    }

    /// It is not the peer's fault that nothing of it is heard: no silence so far is held against it.
    pub fn excuse_silence(&mut self) {
        self.heartbeat.hear();
    }

    pub fn take_framing(&mut self) -> (FrameWalker, Option<Box<Context>>) {
        (std::mem::take(&mut self.walker), self.context.take())
    }

    /// What it holds of frames under way, of messages that wait for a verdict, and for deflating.
    pub fn weight(&self) -> usize {
        let held = match &self.who {
            Who::Renewing(renewal) => renewal.weight,
            Who::Unknown | Who::Verifying | Who::Known(_) | Who::Server(_) => 0,
        };
        let inflating = match self.pending.as_deref() {
            Some(Pending::Inflating(lent)) => lent.weight(),
            Some(Pending::Doom(_)) | None => 0,
        };
        let contexts = self.deflate.map_or(0, Deflate::weight);
        weight_of_frames(&self.walker, self.context.as_deref()) + held + inflating + contexts
    }

    pub(super) fn message_limits(&self, shared: &Shared) -> MessageLimits {
        let limits = &shared.config.limits;
        let (bytes, messages) = match self.who {
            Who::Known(_) | Who::Renewing(_) | Who::Server(_) => (limits.message_bytes, usize::MAX),
            // One at a time: what stands behind an `auth` is judged after it.
            Who::Unknown | Who::Verifying => (limits.message_bytes.min(MESSAGE_BYTES_UNAUTHENTICATED), 1),
        };
        let (frames, deflate) = (shared.share.frames, self.deflate.is_some());
        MessageLimits { bytes, fragments: limits.fragments, messages, frames, deflate }
    }
}

impl Session {
    /// Takes frames, as many as one turn may serve; returns how much that is, and whether to go on.
    pub(super) fn take_frames(&mut self, shared: &mut Shared, input: &[u8]) -> (usize, bool) {
        let role = self.role();
        let Phase::Open(open) = &mut self.phase else { return (0, false) };
        let was_clean = open.context.is_none();
        let walk = open.walker.walk(input, open.message_limits(shared));
        if walk.frames > 0 {
            open.heartbeat.hear();
        }
        shared.share.frames -= walk.frames;
        let mut context = open.context.take().unwrap_or_else(|| shared.lend_context(role));
        let mut rest = Input::new(input, &walk);
        // Where nothing but whole messages comes, the context has no more to say behind the last of them.
        let is_whole = walk.frames == walk.messages && open.walker.is_clean();
        let mut messages = 0;
        let mut replies = std::mem::take(&mut shared.replies);
        let violation = loop {
            let received = context.receive(&mut rest, &mut replies);
            self.queue_replies(shared, &mut replies);
            match received {
                Received::Pending => break walk.violation,
                Received::Violation(reason) => break Some(reason),
                Received::Close { code, reason } => {
                    let reason = reason.as_str().to_owned();
                    break Some(CloseReason::PeerClosed { code, reason });
                }
                Received::Message(message) => {
                    messages += 1;
                    let taken = match walk.deflated {
                        Some(kind) => self.inflate(shared, kind, message.into_payload()),
                        None => self.take_message(shared, message),
                    };
                    if let Err(reason) = taken {
                        break Some(reason);
                    }
                }
                Received::Ping if self.may_send_control_frame(shared) => {}
                Received::Pong(payload) if self.may_send_control_frame(shared) => {
                    if let Phase::Open(open) = &mut self.phase {
                        open.heartbeat.take_pong(shared.now, &payload);
                    }
                }
                Received::Ping | Received::Pong(_) => break Some(CloseReason::TooManyControlFrames),
            }
            if !matches!(self.phase, Phase::Open(_)) {
                break None;
            }
            if is_whole && messages == walk.messages {
                break walk.violation;
            }
        };
        shared.replies = replies;
        if let Some(reason) = violation {
            let answers_due = shared.events.len() > shared.share.events_before;
            self.fail_after_answers(shared, reason, answers_due);
            return (input.len(), false);
        }
        self.check_pause();
        let Phase::Open(open) = &mut self.phase else { return (walk.end, true) };
        if open.walker.is_clean() {
            shared.return_context(context);
            self.timers.stop(Timer::Message);
        } else {
            open.context = Some(context);
            if was_clean || walk.was_clean {
                self.set_timer(shared, Timer::Message, shared.config.limits.message_timeout);
            }
        }
        let Share { frames, inflated, .. } = shared.share;
        (walk.end, walk.may_go_on && frames > 0 && inflated > 0 && self.takes_input())
    }

    /// Fails the connection: at once, or when the host has seen the messages before the fault.
    pub(super) fn fail_after_answers(&mut self, shared: &mut Shared, reason: CloseReason, answers_due: bool) {
        match &mut self.phase {
            Phase::Open(open) if answers_due => {
                open.pending = Some(Box::new(Pending::Doom(reason)));
                self.mark_ready(shared);
            }
            Phase::Open(_) => self.fail(shared, reason),
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => self.fail(shared, reason),
            Phase::Closing(..) | Phase::Ending | Phase::Gone => {}
        }
    }

    /// Fails a connection whose last messages have been seen by the host. Says whether it was due.
    pub(super) fn fail_if_doomed(&mut self, shared: &mut Shared) -> bool {
        let Phase::Open(open) = &mut self.phase else { return false };
        // What came before the fault may wait for a verdict: it is answered first.
        if open.is_doomed() && open.is_verifying() {
            return true;
        }
        let doom = open.pending.take_if(|pending| matches!(**pending, Pending::Doom(_)));
        let Some(Pending::Doom(reason)) = doom.map(|doom| *doom) else { return false };
        self.fail(shared, reason);
        true
    }

    /// Moves what the context wrote, which is pongs, to the queue.
    fn queue_replies(&mut self, shared: &mut Shared, replies: &mut Vec<u8>) {
        let mut rest = replies.as_slice();
        while let Some((frame, behind)) = frame_length(rest).and_then(|length| rest.split_at_checked(length)) {
            let behind_backlog = self.behind;
            self.queue(shared).push_pong(frame, behind_backlog);
            rest = behind;
        }
        replies.clear();
    }

    /// Hands a message on, or refuses it; an error is that of a peer that goes on and on.
    pub(super) fn take_message(&mut self, shared: &mut Shared, message: Message) -> Result<(), CloseReason> {
        let Phase::Open(open) = &mut self.phase else { return Ok(()) };
        if !open.is_known() {
            self.take_first_message(shared, message);
            return Ok(());
        }
        let limits = &shared.config.limits;
        let admission = match limits.messages_per_window {
            0 => Admission::Taken,
            // A server says as much as it likes to those who came to hear it.
            _ if matches!(open.who, Who::Server(_)) => Admission::Taken,
            _ => open.pace.take_message(shared.now.mono_us, limits),
        };
        shared.events.push_back(match admission {
            Admission::Taken => Event::Message { id: self.id, message },
            Admission::Refused | Admission::Exhausted => Event::RateLimited { id: self.id },
        });
        if admission == Admission::Exhausted { Err(CloseReason::RateLimited) } else { Ok(()) }
    }

    /// Counts a ping or a pong. Each that the peer sends comes by here, those between fragments and before
    /// authentication too.
    fn may_send_control_frame(&mut self, shared: &Shared) -> bool {
        let Phase::Open(open) = &mut self.phase else { return true };
        let limits = &shared.config.limits;
        limits.control_frames_per_second == 0 || open.pace.take_control_frame(shared.now.mono_us, limits)
    }

    /// Queues a message of the host. Says whether the session took it.
    pub fn send(&mut self, shared: &mut Shared, message: Message) -> bool {
        if !matches!(self.phase, Phase::Open(_)) {
            return false;
        }
        if !self.has_room(shared, 0) {
            // A host that sends too fast to a server is told so, and may wait.
            if !self.is_outbound() {
                self.cut(shared, CloseReason::SlowConsumer);
            }
            return false;
        }
        let bytes = message.payload().len();
        self.push(shared, message);
        self.check_pause();
        shared.count_sent(bytes);
        true
    }

    /// Queues a message, be there room or not.
    pub fn push(&mut self, shared: &mut Shared, message: Message) {
        if !self.push_deflated(shared, message.kind(), message.payload()) {
            let (kind, payload) = (message.kind(), message.into_payload());
            self.push_message(shared, (kind, false), &payload, || payload.clone());
        }
    }

    /// Queues a message deflated, if that is agreed on and worth it. Says whether it was.
    pub fn push_deflated(&mut self, shared: &mut Shared, kind: Kind, payload: &[u8]) -> bool {
        let Some(deflate) = self.deflate() else { return false };
        let Some(buffer) = shared.compression.deflate(deflate, payload) else { return false };
        self.push_message(shared, (kind, true), &buffer, || Bytes::copy_from_slice(&buffer));
        shared.compression.return_buffer(buffer);
        true
    }

    /// Queues the frame of a message, of a kind and deflated or not: a small payload is copied behind its header, a large
    /// one shared, unless it must be masked.
    fn push_message(
        &mut self,
        shared: &mut Shared,
        (kind, is_deflated): (Kind, bool),
        payload: &[u8],
        share: impl FnOnce() -> Bytes,
    ) {
        let mask = self.next_mask();
        let header = MessageHeader { kind, is_deflated, bytes: payload.len(), mask };
        let queue = self.queue(shared);
        if payload.len() < SEND_QUEUE_COPY_BYTES {
            queue.push_frame(|out| {
                header.encode(out);
                let start = out.len();
                out.extend_from_slice(payload);
                if let (Some(mask), Some(payload)) = (mask, out.get_mut(start..)) {
                    apply_mask(payload, mask);
                }
            });
        } else {
            let payload = match mask {
                None => share(),
                Some(mask) => {
                    let mut masked = payload.to_vec();
                    apply_mask(&mut masked, mask);
                    masked.into()
                }
            };
            queue.push_header_and_payload(|out| header.encode(out), payload);
        }
    }

    /// The key for the next frame that is sent: only those to a server are masked (RFC 6455, section 5.1).
    pub(super) fn next_mask(&mut self) -> Option<Mask> {
        match &mut self.phase {
            Phase::Open(Open { who: Who::Server(masks), .. }) => Some(masks.key()),
            Phase::Open(_) | Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => None,
            Phase::Closing(..) | Phase::Ending | Phase::Gone => None,
        }
    }

    // --- time ---

    /// The first heartbeat comes at a random moment of an interval, so that those of all sessions are spread.
    pub(super) fn start_heartbeat(&mut self, shared: &mut Shared) {
        let interval = micros(shared.config.limits.heartbeat_interval);
        let first = Duration::from_micros(shared.chance(interval));
        self.set_timer(shared, Timer::Heartbeat, first);
    }

    pub(super) fn heartbeat(&mut self, shared: &mut Shared) {
        if self.has_expired(shared) {
            // The wall clock was set forward past the timer's moment.
            return self.close(shared, CloseReason::TokenExpired);
        }
        let Phase::Open(open) = &self.phase else { return };
        if !open.heartbeat.is_alive() {
            return self.vanish(shared, CloseReason::HeartbeatLost);
        }
        self.send_ping(shared);
    }

    /// A heartbeat now, the next one an interval later; `false` where there is no open WebSocket, or the last ping is not
    /// answered yet.
    pub fn ping(&mut self, shared: &mut Shared) -> bool {
        let is_due = matches!(&self.phase, Phase::Open(open) if !open.heartbeat.awaits_pong());
        if is_due {
            self.send_ping(shared);
        }
        is_due
    }

    fn send_ping(&mut self, shared: &mut Shared) {
        let is_read = self.takes_input() && !self.is_starved;
        let Phase::Open(open) = &mut self.phase else { return };
        let payload = open.heartbeat.ping(shared.now, is_read);
        let mask = self.next_mask();
        self.queue(shared).push_frame(|out| encode_ping(&payload, mask, out));
        self.set_timer(shared, Timer::Heartbeat, shared.config.limits.heartbeat_interval);
    }
}
