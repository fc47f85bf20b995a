//! What a client is told once: where to go, as whom, what it hears, and how it comes back.
//!
//! Not here: what it does with that (`reconnector.rs`), who it is (`credentials.rs`), how long it waits (`backoff.rs`).

use std::fmt;
use std::time::Duration;

use super::backoff::Backoff;
use super::credentials::{AuthenticateBy, Credentials};
use crate::error::Error;
use crate::limits::{CHANNEL_NAME_BYTES, TERMINAL_CODES_DEFAULT, TERMINAL_STATUSES_DEFAULT};
#[cfg(feature = "tls")]
use crate::net::ClientTls;
use crate::wire::http::UpgradeRequest;
use crate::wire::url::Url;

/// Something that is the same for every attempt, or asked for anew.
pub enum Source<T> {
    /// The same each time.
    Fixed(T),
    /// Asked for in each attempt, before anything is dialed, on the loop: it must not block. Its error is the attempt's.
    Fresh(Box<dyn FnMut() -> Result<T, String> + Send>),
}

impl<T: Clone> Source<T> {
    /// What it is now.
    pub(super) fn next(&mut self) -> Result<T, String> {
        match self {
            Source::Fixed(value) => Ok(value.clone()),
            Source::Fresh(ask) => ask(),
        }
    }
}

impl<T> Source<T> {
    /// Whether the next one may be another.
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self, Source::Fresh(_))
    }
}

impl From<&str> for Source<String> {
    fn from(text: &str) -> Source<String> {
        Source::Fixed(text.to_owned())
    }
}

impl From<String> for Source<String> {
    fn from(text: String) -> Source<String> {
        Source::Fixed(text)
    }
}

/// It may hold a secret.
impl<T> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_fresh() { "Fresh" } else { "Fixed" })
    }
}

/// What a client is told once. [`ClientConfig::new`] has the defaults.
#[derive(Debug)]
pub struct ClientConfig {
    /// Where to: `wss://host[:port]/path`, or `ws://`.
    pub url: Source<String>,
    /// Subprotocols to offer, the preferred first. Default none.
    pub protocols: Vec<String>,
    /// Further headers of the upgrade. Default none.
    pub headers: Vec<(String, String)>,
    /// Default [`Credentials::None`].
    pub credentials: Credentials,
    /// Default [`AuthenticateBy::Message`].
    pub authenticate_by: AuthenticateBy,
    /// Whether credentials may be sent over `ws://` to another machine, for everybody on the way to read. Default `false`.
    pub allow_plain: bool,
    /// Channels that are subscribed to on every open. Default none.
    pub channels: Vec<String>,
    /// How long to wait before each attempt to come back.
    pub backoff: Backoff,
    /// Attempts to come back before it gives up; `None` for any number. Default `None`.
    pub max_attempts: Option<u32>,
    /// How long a connection must have been open before the next one counts its attempts from 0. Default 0: at once.
    pub min_uptime: Duration,
    /// Close codes after which it does not come back. Default [`TERMINAL_CODES_DEFAULT`]. Where the token is a fresh one
    /// each time, 4401 does not count: the next may be good.
    pub terminal_codes: Vec<u16>,
    /// The same for the statuses of a refused upgrade. Default [`TERMINAL_STATUSES_DEFAULT`]; 401 as 4401 above.
    pub terminal_statuses: Vec<u16>,
    /// What may wait to be sent while it is not open, in bytes, each message counted with
    /// [`crate::limits::SEND_QUEUE_ENTRY_BYTES`] more, and never past [`crate::Limits::send_queue_bytes`]. Default 0:
    /// nothing; `send` fails.
    pub queue_bytes: usize,
    /// Which servers are trusted. Without one, `wss://` is a configuration error. Default none.
    #[cfg(feature = "tls")]
    pub tls: Option<ClientTls>,
}

impl ClientConfig {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<Source<String>>) -> ClientConfig {
        ClientConfig {
            url: url.into(),
            protocols: Vec::new(),
            headers: Vec::new(),
            credentials: Credentials::None,
            authenticate_by: AuthenticateBy::default(),
            allow_plain: false,
            channels: Vec::new(),
            backoff: Backoff::default(),
            max_attempts: None,
            min_uptime: Duration::ZERO,
            terminal_codes: TERMINAL_CODES_DEFAULT.to_vec(),
            terminal_statuses: TERMINAL_STATUSES_DEFAULT.to_vec(),
            queue_bytes: 0,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Whether all of it can be, as far as that is known before the first attempt; [`crate::Client::connect`] asks it.
    pub fn check(&self) -> Result<(), Error> {
        self.fault().map_or(Ok(()), |fault| Err(Error::Config(fault)))
    }

    fn fault(&self) -> Option<String> {
        if let Err(fault) = self.backoff.check() {
            return Some(fault);
        }
        if let Some(name) = self.channels.iter().find(|name| !is_channel(name)) {
            return Some(format!("channel {name:?} is not of 1 to {CHANNEL_NAME_BYTES} bytes"));
        }
        if let Credentials::Basic { user, .. } = &self.credentials
            && user.contains(':')
        {
            return Some("a user name with a colon cannot be told (RFC 7617, section 2)".to_owned());
        }
        match &self.url {
            Source::Fixed(text) => self.upgrade_for(text).err(),
            Source::Fresh(_) => None,
        }
    }

    /// Where an attempt goes and what it asks for, but for the credentials. An error is one sentence.
    pub(super) fn upgrade_for(&self, url: &str) -> Result<(Url, UpgradeRequest), String> {
        let url = Url::parse(url)?;
        if !url.is_secure() && !self.allow_plain && !url.is_loopback() {
            match self.credentials {
                Credentials::None => {}
                Credentials::Basic { .. } | Credentials::Token(_) => {
                    return Err(format!(
                        "ws:// to {:?} would tell everybody the credentials; allowed: wss://",
                        url.host()
                    ));
                }
            }
        }
        self.check_tls(&url)?;
        let (protocols, headers) = (self.protocols.clone(), self.headers.clone());
        let request = UpgradeRequest { protocols, headers, ..UpgradeRequest::to(&url) };
        request.check()?;
        Ok((url, request))
    }

    #[cfg(feature = "tls")]
    fn check_tls(&self, url: &Url) -> Result<(), String> {
        let is_missing = url.is_secure() && self.tls.is_none();
        if is_missing {
            Err("wss:// needs to know which servers are trusted: ClientConfig::tls".to_owned())
        } else {
            Ok(())
        }
    }

    #[cfg(not(feature = "tls"))]
    fn check_tls(&self, url: &Url) -> Result<(), String> {
        if url.is_secure() { Err("wss:// needs the feature `tls`".to_owned()) } else { Ok(()) }
    }
}

/// Whether a channel can have this name.
pub(super) fn is_channel(name: &str) -> bool {
    !name.is_empty() && name.len() <= CHANNEL_NAME_BYTES
}
