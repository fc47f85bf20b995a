//! [`Methods`], the daemon's authenticator: it finds the credentials of an attempt and asks whoever knows them.
//!
//! ```text
//!   upgrade:  Authorization: Basic --> Users (--> Hashing)    where `basic` is on
//!             Authorization: Bearer --> Tokens                where `bearer` is on
//!             a token among the subprotocols --> Tokens       likewise, if the header above said nothing
//!             none of these --> in-band, where `message` is on; else 401
//!   message:  the string `Basic …` --> Users, anything else --> Tokens, where `message` is on
//! ```
//!
//! A way that is off is not looked at. Wrong credentials are refused, also where an `auth` message could follow.
//!
//! Not here: when a peer is asked and what it is told of an `auth` message (`engine/session/`), which subprotocol offer
//! is a token (`wire/http/upgrade.rs`).

use log::debug;

use super::basic::{after_scheme, basic_credentials};
use super::hashing::Asked;
use super::users::Check;
use super::{Attempt, Authenticate, Decision, Hashing, Proof, Ticket, Tokens, Users, Verdict, unavailable};
use crate::time::Now;
use crate::wire::http::{Refusal, RequestHead};

/// Tries the enabled ways of saying who one is.
#[derive(Debug)]
pub struct Methods {
    /// `Authorization: Basic` at the upgrade.
    pub basic: bool,
    /// A token at the upgrade: `Authorization: Bearer`, or among the subprotocols. It needs `tokens`.
    pub bearer: bool,
    /// An `auth` message as the first one; an upgrade without credentials is then let in.
    pub message: bool,
    /// Who may come in with a password.
    pub users: Users,
    /// Who hashes. Where users have hashes and this is `None`, their attempts are answered 503.
    pub hashing: Option<Hashing>,
    /// Who verifies tokens. Without it none is good.
    pub tokens: Option<Tokens>,
    /// The realm of the challenges. Printable ASCII without quotes and backslashes.
    pub realm: String,
    /// The status for a wrong password: 403 or 401.
    pub wrong_password_status: u16,
}

/// What an upgrade request shows.
enum Shown<'a> {
    Password(Vec<u8>),
    Token(&'a str),
    /// A header that no enabled way can read.
    Unusable,
    Nothing,
}

impl Authenticate for Methods {
    fn begin(&mut self, attempt: &Attempt<'_>, ticket: Ticket) -> Decision {
        match attempt.proof {
            Proof::Upgrade { head, token, .. } => match self.shown(head, token) {
                Shown::Password(credentials) => self.judge_password(&credentials, attempt.now, ticket),
                Shown::Token(token) => Decision::Now(self.judge_token(token, attempt)),
                Shown::Nothing if self.message => Decision::Now(Verdict::AskInBand),
                Shown::Nothing | Shown::Unusable => Decision::Now(Verdict::Refuse(self.challenge())),
            },
            Proof::Message { .. } if !self.message => Decision::Now(Verdict::Deny(invalid_message())),
            Proof::Message { token } => {
                if after_scheme(token.as_bytes(), "basic").is_none() {
                    return Decision::Now(self.judge_token(token, attempt));
                }
                match basic_credentials(token.as_bytes()) {
                    Some(credentials) => self.judge_password(&credentials, attempt.now, ticket),
                    None => Decision::Now(Verdict::Deny(invalid_message())),
                }
            }
        }
    }
}

impl Methods {
    fn takes_bearer(&self) -> bool {
        self.bearer && self.tokens.is_some()
    }

    fn shown<'a>(&self, head: &'a RequestHead, offered: Option<&'a str>) -> Shown<'a> {
        let mut headers = head.values("authorization");
        let header = headers.next().filter(|_| self.basic || self.takes_bearer());
        let is_only = headers.next().is_none();
        if let Some(value) = header {
            if !is_only {
                return Shown::Unusable;
            }
            if let Some(credentials) = basic_credentials(value).filter(|_| self.basic) {
                return Shown::Password(credentials);
            }
            if let Some(token) = after_scheme(value, "bearer").filter(|_| self.takes_bearer()) {
                // What is not text is no token either; an empty one is refused as such.
                return Shown::Token(std::str::from_utf8(token).unwrap_or_default());
            }
        }
        // A browser may send a header that it remembers from elsewhere: the token beside it is what is meant.
        match (header, offered.filter(|_| self.takes_bearer())) {
            (_, Some(token)) => Shown::Token(token),
            (Some(_), None) => Shown::Unusable,
            (None, None) => Shown::Nothing,
        }
    }

    fn judge_password(&self, credentials: &[u8], now: Now, ticket: Ticket) -> Decision {
        let question = match self.users.check(credentials) {
            Check::Right(identity) => return Decision::Now(Verdict::Accept(identity)),
            Check::Wrong => return Decision::Now(Verdict::Deny(self.wrong_password())),
            Check::Open(question) => question,
        };
        let asked = match &self.hashing {
            Some(hashing) => hashing.ask(question, &self.wrong_password(), ticket, now),
            None => Asked::Busy,
        };
        match asked {
            Asked::Known(identity) => Decision::Now(Verdict::Accept(identity)),
            Asked::Busy => Decision::Now(Verdict::Refuse(unavailable())),
            Asked::Later => Decision::Later,
        }
    }

    fn judge_token(&self, token: &str, attempt: &Attempt<'_>) -> Verdict {
        let Some(tokens) = &self.tokens else { return Verdict::Deny(self.invalid_token()) };
        match tokens.verify(token, attempt.now) {
            Ok(identity) => Verdict::Accept(identity),
            Err(reason) => {
                debug!("a token from {} is refused: {reason}", attempt.peer);
                Verdict::Deny(self.invalid_token())
            }
        }
    }

    fn wrong_password(&self) -> Refusal {
        match self.wrong_password_status {
            401 => self.challenge(),
            _ => Refusal::new(403, "Forbidden"),
        }
    }

    /// 401 with what would be right (RFC 7617, sections 2 and 2.1; RFC 6750, section 3).
    fn challenge(&self) -> Refusal {
        let mut refusal =
            Refusal::new(401, if self.basic || !self.takes_bearer() { "Unauthorized" } else { "Invalid token" });
        if self.basic {
            let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm);
            refusal = refusal.with_header("WWW-Authenticate", challenge);
        }
        if self.takes_bearer() {
            refusal = refusal.with_header("WWW-Authenticate", format!("Bearer realm=\"{}\"", self.realm));
        }
        refusal
    }

    fn invalid_token(&self) -> Refusal {
        let challenge = format!("Bearer realm=\"{}\", error=\"invalid_token\"", self.realm);
        Refusal::new(401, "Invalid token").with_header("WWW-Authenticate", challenge)
    }
}

/// To an `auth` message only the verdict counts.
fn invalid_message() -> Refusal {
    Refusal::new(401, "Authentication failed")
}
