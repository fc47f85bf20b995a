//! User and password: [`Users`], and [`Methods`], the daemon's authenticator, which takes them from the
//! `Authorization` header (RFC 7617) or from an in-band `auth` message.
//!
//! What is kept of a user is a SHA-256 of name and password under a random key of the process. An attempt
//! is hashed once and compared with every entry in constant time, so its cost says nothing about which
//! users exist or how much of a password was right.
//!
//! Not here: when a peer is asked and what it is told (`engine/session/`), password files (not yet).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Attempt, Authenticate, Decision, Identity, Proof, Ticket, Verdict};
use crate::limits::USER_ID_BYTES;
use crate::wire::http::{Refusal, RequestHead};

/// Pairs of a user name and a password.
#[derive(Clone)]
pub struct Users {
    key: [u8; 32],
    digests: Vec<[u8; 32]>,
}

impl Users {
    /// No users yet. `key` should be random; it only lives as long as the process.
    pub fn new(key: [u8; 32]) -> Users {
        Users { key, digests: Vec::new() }
    }

    /// Adds a pair. A name that is empty, contains `:` or is longer than [`USER_ID_BYTES`] can never log in.
    pub fn add(&mut self, name: &str, password: &str) {
        let digest = self.digest(format!("{name}:{password}").as_bytes());
        self.digests.push(digest);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// The user that `name:password` belongs to, if it is right. The first colon ends the name (RFC 7617,
    /// section 2).
    pub fn verify(&self, credentials: &[u8]) -> Option<Identity> {
        let digest = self.digest(credentials);
        let found = self.digests.iter().fold(Choice::from(0), |found, entry| found | entry.ct_eq(&digest));
        if !bool::from(found) {
            return None;
        }
        let (name, _) = std::str::from_utf8(credentials).ok()?.split_once(':')?;
        let is_plausible = !name.is_empty() && name.len() <= USER_ID_BYTES && !name.contains(char::is_control);
        is_plausible.then(|| Identity::new(name))
    }

    fn digest(&self, credentials: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(self.key).chain_update(credentials).finalize().into()
    }
}

/// Shows how many there are, and no digest.
impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("count", &self.digests.len()).finish_non_exhaustive()
    }
}

/// Tries the enabled ways of saying who one is.
#[derive(Debug, Clone)]
pub struct Methods {
    /// `Authorization: Basic` at the upgrade.
    pub basic: bool,
    /// An `auth` message as the first one; an upgrade without credentials is then let in.
    pub message: bool,
    /// Who may come in.
    pub users: Users,
    /// The realm of the challenge. Printable ASCII without quotes and backslashes.
    pub realm: String,
    /// The status for a wrong password: 403 or 401.
    pub wrong_password_status: u16,
}

impl Methods {
    fn judge_upgrade(&self, head: &RequestHead) -> Verdict {
        let mut headers = head.values("authorization");
        let (first, further) = (headers.next(), headers.next());
        let credentials = match first {
            Some(value) if self.basic && further.is_none() => basic_credentials(value),
            Some(_) | None => None,
        };
        match credentials {
            Some(credentials) => match self.users.verify(&credentials) {
                Some(identity) => Verdict::Accept(identity),
                None if self.wrong_password_status == 401 => Verdict::Deny(self.challenge()),
                None => Verdict::Deny(Refusal::new(403, "Forbidden")),
            },
            // Wrong credentials are refused always; only none at all may be followed by a message.
            None if self.message && (first.is_none() || !self.basic) => Verdict::AskInBand,
            None => Verdict::Refuse(self.challenge()),
        }
    }

    fn judge_message(&self, token: &str) -> Verdict {
        let identity = match basic_credentials(token.as_bytes()) {
            Some(credentials) if self.message => self.users.verify(&credentials),
            Some(_) | None => None,
        };
        match identity {
            Some(identity) => Verdict::Accept(identity),
            None => Verdict::Deny(Refusal::new(401, "Authentication failed")),
        }
    }

    /// 401 with the challenge of RFC 7617, section 2 and 2.1.
    fn challenge(&self) -> Refusal {
        let refusal = Refusal::new(401, "Unauthorized");
        if !self.basic {
            return refusal;
        }
        refusal.with_header("WWW-Authenticate", format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm))
    }
}

impl Authenticate for Methods {
    fn begin(&mut self, attempt: &Attempt<'_>, _ticket: Ticket) -> Decision {
        Decision::Now(match attempt.proof {
            Proof::Upgrade { head, .. } => self.judge_upgrade(head),
            Proof::Message { token } => self.judge_message(token),
        })
    }
}

/// The decoded `name:password` of `Basic <base64>`, or `None` where the form is wrong. The scheme is
/// case-insensitive and followed by spaces (RFC 9110, section 11.4); no colon is a wrong form.
fn basic_credentials(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, token) = value.split_at_checked(5)?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let credentials = STANDARD.decode(token).ok()?;
    credentials.contains(&b':').then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn methods(basic: bool, message: bool) -> Methods {
        let mut users = Users::new([7; 32]);
        users.add("user", "pass");
        users.add("anna", "with:colon and ümlaut");
        users.add("empty", "");
        Methods { basic, message, users, realm: "barewire".into(), wrong_password_status: 403 }
    }

    fn judge(methods: &Methods, authorization: &[&str]) -> String {
        let mut head = "GET /ws HTTP/1.1\r\nHost: localhost\r\n".to_owned();
        for value in authorization {
            head += &format!("Authorization: {value}\r\n");
        }
        let head = RequestHead::parse((head + "\r\n").as_bytes(), &Limits::default()).unwrap();
        match methods.judge_upgrade(&head) {
            Verdict::Accept(identity) => identity.user().to_owned(),
            Verdict::AskInBand => "in-band".to_owned(),
            Verdict::Refuse(refusal) | Verdict::Deny(refusal) => refusal.status().to_string(),
        }
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn right_credentials_come_in_wrong_ones_are_forbidden() {
        let methods = methods(true, true);
        for (credentials, outcome) in [
            ("user:pass", "user"),
            ("anna:with:colon and ümlaut", "anna"),
            ("empty:", "empty"),
            ("user:pas", "403"),
            ("user:passs", "403"),
            ("user:", "403"),
            ("USER:pass", "403"),
            ("nobody:pass", "403"),
            (":pass", "403"),
            (":", "403"),
            ("user:pass\0", "403"),
        ] {
            assert_eq!(judge(&methods, &[&basic(credentials)]), outcome, "{credentials:?}");
        }
    }

    #[test]
    fn a_wrong_form_is_unauthorized_even_where_a_message_could_follow() {
        let methods = methods(true, true);
        let good = STANDARD.encode("user:pass");
        for value in [
            "Basic".to_owned(),
            "Basic ".to_owned(),
            format!("Basic{good}"),
            format!("Bearer {good}"),
            format!("Basic {good}x"),
            format!("Basic {}", STANDARD.encode("no colon")),
            "Basic ====".to_owned(),
            "Basic \u{fc}".to_owned(),
        ] {
            assert_eq!(judge(&methods, &[&value]), "401", "{value:?}");
        }
        assert_eq!(judge(&methods, &[&basic("user:pass"), &basic("user:pass")]), "401", "two headers");
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_may_be_followed_by_spaces() {
        let good = STANDARD.encode("user:pass");
        for value in [format!("basic {good}"), format!("BASIC {good}"), format!("bAsIc   {good}")] {
            assert_eq!(judge(&methods(true, false), &[&value]), "user", "{value:?}");
        }
    }

    #[test]
    fn no_credentials_are_refused_only_where_no_message_may_follow() {
        assert_eq!(judge(&methods(true, true), &[]), "in-band");
        assert_eq!(judge(&methods(false, true), &[]), "in-band");
        assert_eq!(judge(&methods(true, false), &[]), "401");
        assert_eq!(
            judge(&methods(false, true), &[&basic("user:pass")]),
            "in-band",
            "a way that is off is not looked at"
        );
    }

    #[test]
    fn the_challenge_names_the_realm_and_the_charset() {
        let Verdict::Deny(refusal) = methods(true, false).judge_message("x") else { panic!("accepted") };
        assert_eq!(refusal.status(), 401);
        let challenge = methods(true, false).challenge();
        let shown = format!("{challenge:?}");
        assert!(shown.contains(r#"Basic realm=\"barewire\", charset=\"UTF-8\""#), "{shown}");
    }

    #[test]
    fn a_wrong_password_can_be_told_as_unauthorized() {
        let methods = Methods { wrong_password_status: 401, ..methods(true, true) };
        assert_eq!(judge(&methods, &[&basic("user:wrong")]), "401");
    }

    #[test]
    fn a_message_is_judged_as_the_header_is() {
        let on = methods(false, true);
        let verdict = |methods: &Methods, token: &str| match methods.judge_message(token) {
            Verdict::Accept(identity) => Some(identity.user().to_owned()),
            Verdict::AskInBand | Verdict::Refuse(_) | Verdict::Deny(_) => None,
        };
        assert_eq!(verdict(&on, &basic("user:pass")), Some("user".into()));
        assert_eq!(verdict(&on, &basic("user:wrong")), None);
        assert_eq!(verdict(&on, "user:pass"), None);
        assert_eq!(verdict(&methods(true, false), &basic("user:pass")), None, "the way is off");
    }

    #[test]
    fn a_user_name_past_the_limit_cannot_log_in() {
        let mut users = Users::new([0; 32]);
        for bytes in [USER_ID_BYTES, USER_ID_BYTES + 1] {
            let name = "n".repeat(bytes);
            users.add(&name, "p");
            assert_eq!(users.verify(format!("{name}:p").as_bytes()).is_some(), bytes == USER_ID_BYTES);
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?}", methods(true, true));
        assert!(!shown.contains("pass\"") && !shown.contains("ümlaut"), "{shown}");
        assert!(shown.contains("count: 3"), "{shown}");
    }
}
