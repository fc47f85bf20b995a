//! Who a client is, and how it says so: by a header of the upgrade, or by a message.
//!
//! Not here: to whom it may be said (`config.rs`), what a server makes of it (`auth/`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::Source;
use super::say;

/// What credentials that are no token begin with.
const BASIC: &str = "Basic ";

/// Who the client is. Its `Debug` tells no secret.
#[derive(Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    Basic {
        /// The user's name, without a colon (RFC 7617, section 2).
        user: String,
        /// The password.
        password: String,
    },
    /// The bearer of a token.
    Token(Source<String>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Basic { .. } => "Basic",
            Credentials::Token(_) => "Token",
        })
    }
}

impl Credentials {
    /// What tells them in this way, for one attempt: `None` for [`Credentials::None`]. A fresh token is asked for; an error is
    /// that of asking. The upgrade's own `check` says whether a header can be sent.
    pub fn tell(&mut self, way: AuthenticateBy) -> Result<Option<Login>, String> {
        // As an `auth` message has them: a token, or `Basic` with what belongs to it (RFC 7617, section 2, in UTF-8).
        let (is_whole, text) = match self {
            Credentials::None => return Ok(None),
            Credentials::Basic { user, password } => {
                (true, format!("{BASIC}{}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Credentials::Token(token) => {
                let token = token.next()?;
                (token.starts_with(BASIC), token)
            }
        };
        Ok(Some(match way {
            AuthenticateBy::Message => Login::Message(say::auth(&text)),
            AuthenticateBy::Upgrade => {
                let value = if is_whole { text } else { format!("Bearer {text}") };
                Login::Header { name: "Authorization".to_owned(), value }
            }
        }))
    }
}

/// What tells credentials: [`Credentials::tell`]. Its `Debug` tells no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A header of the upgrade.
    Header {
        /// `Authorization`.
        name: String,
        /// Its value.
        value: String,
    },
    /// A text message, to be the first once the WebSocket is open.
    Message(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::Header { .. } => "Header",
            Login::Message(_) => "Message",
        })
    }
}

/// How the credentials are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AuthenticateBy {
    /// By an `auth` message, the first that is sent once the WebSocket is open.
    #[default]
    Message,
    /// By the `Authorization` header of the upgrade.
    Upgrade,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_by_a_header_or_by_a_message() {
        let basic = || Credentials::Basic { user: "user".into(), password: "pass".into() };
        let token = |text: &str| Credentials::Token(text.into());
        for (mut credentials, header, auth) in [
            (basic(), "Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
            (token("abc"), "Bearer abc", "abc"),
            (token("Basic abc"), "Basic abc", "Basic abc"),
        ] {
            let told = Login::Header { name: "Authorization".into(), value: header.into() };
            assert_eq!(credentials.tell(AuthenticateBy::Upgrade).unwrap(), Some(told));
            let told = Login::Message(format!(r#"{{"token":"{auth}","type":"auth"}}"#));
            assert_eq!(credentials.tell(AuthenticateBy::Message).unwrap(), Some(told));
        }
        for way in [AuthenticateBy::Upgrade, AuthenticateBy::Message] {
            assert_eq!(Credentials::None.tell(way), Ok(None));
        }
    }

    #[test]
    fn a_token_that_is_asked_for_is_another_each_time_or_an_error() {
        let mut answers = vec![Err("no more".to_owned()), Ok("b".to_owned()), Ok("a".to_owned())];
        let ask = move || answers.pop().unwrap();
        let mut credentials = Credentials::Token(Source::Fresh(Box::new(ask)));
        let mut tell = || credentials.tell(AuthenticateBy::Upgrade);
        let header = |value: &str| Login::Header { name: "Authorization".into(), value: value.into() };
        let told = [tell(), tell(), tell()];
        assert_eq!(told, [Ok(Some(header("Bearer a"))), Ok(Some(header("Bearer b"))), Err("no more".into())]);
        assert!(!format!("{told:?}").contains("Bearer"), "no secret is shown");
    }
}
