//! The way out: this side is the client. Its upgrade is asked for, and the server's answer judged.
//!
//! Not here: how the transport comes to stand (`net/`), what an answer must look like (`wire/http/`), what is done when
//! none is good (`client/`).

use super::open::Who;
use super::{Open, Phase, Session};
use crate::engine::compression::Compression;
use crate::engine::shared::Shared;
use crate::engine::timer::Timer;
use crate::engine::{EngineConfig, Event};
use crate::error::CloseReason;
use crate::limits::REFUSAL_BODY_BYTES;
use crate::wire::deflate::{Agreement, client_offer};
use crate::wire::http::{
    BodyReader, ResponseHead, ResponseScanner, Switched, UpgradeKey, UpgradeRequest, check_switch,
};
use crate::wire::websocket::Masks;

/// An upgrade that is to be asked for, or is.
#[derive(Debug)]
pub struct HeadOut {
    upgrade: UpgradeRequest,
    key: UpgradeKey,
    masks: Box<Masks>,
    answer: Answer,
}

/// What has come of the answer.
#[derive(Debug)]
enum Answer {
    Head {
        received: Vec<u8>,
        scanner: ResponseScanner,
    },
    /// It is a refusal: what the server says about it.
    Refusal {
        head: Box<ResponseHead>,
        reader: BodyReader,
        body: Vec<u8>,
    },
}

/// What some bytes of a head came to; `taken` of them belong to it.
enum Heard {
    Part,
    Interim { taken: usize },
    Refusal { taken: usize },
    Switch { taken: usize, switch: Box<Switch> },
}

/// An answer that takes the upgrade.
struct Switch {
    head: ResponseHead,
    switched: Switched,
    agreement: Option<Agreement>,
}

impl HeadOut {
    /// Nothing is asked yet. The nonce and all masks come from `entropy`.
    pub fn new(upgrade: UpgradeRequest, entropy: [u8; 32]) -> HeadOut {
        let mut masks = Box::new(Masks::new(entropy));
        let key = UpgradeKey::new(masks.nonce());
        let answer = Answer::Head { received: Vec::new(), scanner: ResponseScanner::default() };
        HeadOut { upgrade, key, masks, answer }
    }

    /// What it holds of the answer, in bytes. The request is the host's.
    pub fn weight(&self) -> usize {
        match &self.answer {
            Answer::Head { received, .. } => received.capacity(),
            Answer::Refusal { head, body, .. } => head.weight() + body.capacity(),
        }
    }

    /// Looks at more of the head.
    fn hear(&mut self, input: &[u8], config: &EngineConfig) -> Result<Heard, String> {
        let Answer::Head { received, scanner } = &mut self.answer else { return Ok(Heard::Part) };
        let before = received.len();
        received.extend_from_slice(input);
        let Some(length) = scanner.scan(received, &config.limits)? else { return Ok(Heard::Part) };
        let taken = length - before;
        let head = ResponseHead::parse(received.get(..length).unwrap_or(received), &config.limits)?;
        if head.is_interim() {
            // Another comes (RFC 9110, section 15.2); the scanner counts them.
            received.clear();
            return Ok(Heard::Interim { taken });
        }
        if head.status() == 101 {
            let switch = Box::new(self.judge(head, config.deflate.enabled)?);
            return Ok(Heard::Switch { taken, switch });
        }
        let reader = BodyReader::new(head.body_framing());
        self.answer = Answer::Refusal { head: Box::new(head), reader, body: Vec::new() };
        Ok(Heard::Refusal { taken })
    }

    /// Whether a 101 is what was asked for.
    fn judge(&self, head: ResponseHead, has_offered: bool) -> Result<Switch, String> {
        let switched = check_switch(&head, &self.key, &self.upgrade.protocols)?;
        if !has_offered && !switched.extensions.is_empty() {
            return Err("the server wants an extension that was not offered".to_owned());
        }
        let agreement = Agreement::of_response(&switched.extensions)?;
        Ok(Switch { head, switched, agreement })
    }
}

impl Session {
    /// The transport stands: the upgrade is asked for.
    pub fn ask_for_upgrade(&mut self, shared: &mut Shared) {
        if !matches!(self.phase, Phase::HeadOut(_)) {
            return;
        }
        let offer = client_offer(&shared.config.deflate);
        let mut request = Vec::new();
        if let Phase::HeadOut(asked) = &self.phase {
            asked.upgrade.encode(&asked.key, offer.as_deref(), &mut request);
        }
        self.queue(shared).push_http(|out| out.extend_from_slice(&request));
    }

    /// Takes what belongs to the answer; returns how much that is, and whether the rest can be looked at.
    pub(super) fn take_answer(&mut self, shared: &mut Shared, input: &[u8]) -> (usize, bool) {
        let Phase::HeadOut(asked) = &mut self.phase else { return (0, false) };
        if matches!(asked.answer, Answer::Refusal { .. }) {
            self.take_refusal(shared, input);
            return (input.len(), false);
        }
        match asked.hear(input, &shared.config) {
            Ok(Heard::Part) => (input.len(), false),
            Ok(Heard::Interim { taken }) => (taken, true),
            // It may have no body at all: that is found without another byte.
            Ok(Heard::Refusal { taken }) => {
                self.take_refusal(shared, input.get(taken..).unwrap_or_default());
                (input.len(), false)
            }
            // The host is told of the session before its frames are looked at.
            Ok(Heard::Switch { taken, switch }) => {
                self.switch_as_client(shared, *switch);
                (taken, false)
            }
            Err(fault) => {
                self.end(shared, CloseReason::Handshake(fault));
                (input.len(), false)
            }
        }
    }

    /// Takes what belongs to the body of a refusal.
    fn take_refusal(&mut self, shared: &mut Shared, input: &[u8]) {
        let Phase::HeadOut(asked) = &mut self.phase else { return };
        let Answer::Refusal { reader, body, .. } = &mut asked.answer else { return };
        match reader.take(input, body, REFUSAL_BODY_BYTES) {
            Ok(false) if body.len() < REFUSAL_BODY_BYTES => {}
            // One that is framed badly has been said as far as it can be read.
            Ok(_) | Err(_) => self.tell_refused(shared),
        }
    }

    fn switch_as_client(&mut self, shared: &mut Shared, switch: Switch) {
        let Phase::HeadOut(asked) = std::mem::replace(&mut self.phase, Phase::Gone) else { return };
        let Switch { head, switched, agreement } = switch;
        self.timers.stop(Timer::Head);
        self.phase = Phase::Open(Open::new(Who::Server(asked.masks), agreement.map(Compression::join)));
        self.start_heartbeat(shared);
        shared.events.push_back(Event::Connected {
            id: self.id,
            protocol: switched.protocol,
            response: Box::new(head),
        });
    }

    /// The server has refused, and said what it has to say.
    fn tell_refused(&mut self, shared: &mut Shared) {
        let Phase::HeadOut(asked) = &mut self.phase else { return };
        let fresh = Answer::Head { received: Vec::new(), scanner: ResponseScanner::default() };
        let Answer::Refusal { head, mut body, .. } = std::mem::replace(&mut asked.answer, fresh) else { return };
        body.truncate(REFUSAL_BODY_BYTES);
        let status = head.status();
        shared.events.push_back(Event::Refused { id: self.id, response: head, body });
        self.end(shared, CloseReason::HttpRefused(status));
    }

    /// No answer in time. What a refusal has said so far is told.
    pub(super) fn answer_is_due(&mut self, shared: &mut Shared) {
        self.tell_refused(shared);
        if matches!(self.phase, Phase::HeadOut(_)) {
            self.vanish(shared, CloseReason::HeadTimeout);
        }
    }

    /// The server has ended the stream: where it was refusing, that is all that it says.
    pub(super) fn end_of_answer(&mut self, shared: &mut Shared) {
        self.tell_refused(shared);
        if matches!(self.phase, Phase::HeadOut(_)) {
            self.end(shared, CloseReason::PeerVanished);
        }
    }
}
