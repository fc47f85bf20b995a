//! From what was asked for to what a client is told: credentials, trust, the request, limits. All files are read here,
//! once, before anything is opened.
//!
//! Not here: the flags' own grammar (`daemon/cli/connect.rs`), what the configuration means (the library's `client`).

use std::ffi::OsString;
use std::path::Path;

use barewire::EngineConfig;
use barewire::client::{AuthenticateBy, ClientConfig, Credentials};
use barewire::limits::Limits;
use barewire::net::ClientTls;
use barewire::wire::http::UpgradeRequest;
use barewire::wire::message::check_channel;
use barewire::wire::url::Url;

use super::{Connect, Who};
use crate::daemon::config::{CONNECT_BASIC_VARIABLE, CONNECT_TOKEN_VARIABLE, DEVELOPMENT_CERT_PEM};
use crate::daemon::failure::Failure;
use crate::daemon::prepare::read;

/// All that a client needs.
#[derive(Debug)]
pub struct Prepared {
    pub client: ClientConfig,
    pub engine: EngineConfig,
    /// Where it goes, fit to be shown.
    pub place: String,
    /// What the person must know before.
    pub notices: Vec<Notice>,
}

/// See [`Prepared::notices`].
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: &'static str,
    /// Not to be silenced.
    pub is_loud: bool,
}

/// Checks and reads. `variable` is the environment. An error names flag or variable, and shows nothing secret.
pub fn prepare(asked: &Connect, variable: impl Fn(&str) -> Option<OsString>) -> Result<Prepared, Failure> {
    let url = Url::parse(asked.url.expose()).map_err(Failure::usage)?;
    let channels = asked.subscribe.iter().map(|name| ("--subscribe", name));
    for (flag, name) in channels.chain(asked.publish.iter().map(|name| ("--publish", name))) {
        check_channel(name).map_err(|reason| Failure::usage(format!("{flag} = {name:?}: {reason}")))?;
    }
    let credentials = credentials(&asked.who, variable)?;
    let is_told = !matches!(credentials, Credentials::None);
    if is_told && !url.is_secure() && !url.is_loopback() && !asked.allow_plain {
        let allowed = "allowed: wss://, or --allow-plain";
        return Err(Failure::usage(format!("{url} would show everybody on the way the credentials; {allowed}")));
    }
    let by_header = is_told && asked.authenticate_by == AuthenticateBy::Upgrade;
    let UpgradeRequest { protocols, headers, .. } = request(asked, &url, by_header)?;
    let (tls, notices) = trust(asked, &url)?;
    let client = ClientConfig {
        protocols,
        headers,
        credentials,
        authenticate_by: asked.authenticate_by,
        allow_plain: asked.allow_plain,
        channels: asked.subscribe.clone(),
        max_attempts: asked.max_attempts,
        tls,
        ..ClientConfig::new(asked.url.expose())
    };
    client.check()?;
    let limits =
        Limits { message_bytes: asked.message_bytes, heartbeat_interval: asked.heartbeat, ..Limits::default() };
    let engine = EngineConfig { limits, ..EngineConfig::default() };
    Ok(Prepared { client, engine, place: url.to_string(), notices })
}

/// Flags are stronger than the environment.
fn credentials(who: &Who, variable: impl Fn(&str) -> Option<OsString>) -> Result<Credentials, Failure> {
    match who {
        Who::Basic(pair) => basic("--basic", pair.expose()),
        Who::BasicFile(path) => basic("--basic-file", &one_line("--basic-file", path)?),
        Who::Token(text) => token("--token", text.expose()),
        Who::TokenFile(path) => token("--token-file", &one_line("--token-file", path)?),
        Who::Environment => {
            // One that is set and empty is as good as none.
            let of = |name| match variable(name).filter(|value| !value.is_empty()).map(OsString::into_string) {
                Some(Ok(text)) => Ok(Some(text)),
                Some(Err(_)) => Err(Failure::usage(format!("{name}: not UTF-8"))),
                None => Ok(None),
            };
            match (of(CONNECT_BASIC_VARIABLE)?, of(CONNECT_TOKEN_VARIABLE)?) {
                (None, None) => Ok(Credentials::None),
                (Some(pair), None) => basic(CONNECT_BASIC_VARIABLE, &pair),
                (None, Some(text)) => token(CONNECT_TOKEN_VARIABLE, &text),
                (Some(_), Some(_)) => Err(Failure::usage(format!(
                    "both {CONNECT_BASIC_VARIABLE} and {CONNECT_TOKEN_VARIABLE} are set; allowed: one of them"
                ))),
            }
        }
    }
}

fn basic(name: &str, pair: &str) -> Result<Credentials, Failure> {
    let wrong = |reason: &str| Failure::usage(format!("{name}: {reason}; allowed: USER:PASSWORD"));
    let (user, password) = pair.split_once(':').ok_or_else(|| wrong("no : between user and password"))?;
    if user.is_empty() {
        return Err(wrong("an empty user"));
    }
    if pair.contains(char::is_control) {
        return Err(wrong("a control character"));
    }
    Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

fn token(name: &str, text: &str) -> Result<Credentials, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!(
            "{name}: not a token; allowed: letters, digits and signs in ASCII, no spaces"
        )));
    }
    Ok(Credentials::Token(text.into()))
}

/// What the file holds, without the newline at its end.
fn one_line(name: &str, path: &Path) -> Result<String, Failure> {
    let wrong = |reason: &str| Failure::usage(format!("{name} = {}: {reason}", path.display()));
    let text = String::from_utf8(read(name, path)?).map_err(|_| wrong("not text; allowed: UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.contains('\n') {
        return Err(wrong("more than one line"));
    }
    Ok(text.to_owned())
}

/// The request, but for the credentials: with them it can be made.
fn request(asked: &Connect, url: &Url, by_header: bool) -> Result<UpgradeRequest, Failure> {
    let mut headers = Vec::new();
    for line in &asked.headers {
        let Some((name, value)) = line.expose().split_once(':') else {
            return Err(Failure::usage("--header: no : between name and value; allowed: 'Name: value'"));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    headers.extend(asked.origin.iter().map(|origin| ("Origin".to_owned(), origin.clone())));
    let protocols = asked.protocols.iter().map(|name| name.expose().to_owned()).collect();
    let request = UpgradeRequest { authority: url.authority(), target: url.target().to_owned(), protocols, headers };
    let mut whole = request.clone();
    if by_header {
        whole.headers.push(("Authorization".to_owned(), "the credentials".to_owned()));
    }
    whole.check().map_err(|sentence| {
        let sentence = sentence.replace("UpgradeRequest::protocols", "--protocol");
        Failure::usage(sentence.replace("UpgradeRequest::headers", "--header"))
    })?;
    Ok(request)
}

/// Whom to trust: the file's authorities, or those of the system. On this machine, where nobody gets a certificate signed by
/// one of them, the development certificate is good too.
fn trust(asked: &Connect, url: &Url) -> Result<(Option<ClientTls>, Vec<Notice>), Failure> {
    let is_asked = [("--ca", asked.ca.is_some()), ("--insecure", asked.insecure)].into_iter().find(|(_, given)| *given);
    if let (Some((flag, _)), false) = (is_asked, url.is_secure()) {
        return Err(Failure::usage(format!("{flag} is of no use to {url}; allowed: with wss://")));
    }
    if !url.is_secure() {
        return Ok((None, Vec::new()));
    }
    let mut notices = Vec::new();
    let tls = if asked.insecure {
        let text = "WARNING: --insecure: the server's certificate is not looked at, and whoever answers is trusted";
        notices.push(Notice { text, is_loud: true });
        ClientTls::dangerous_without_verification()?
    } else if let Some(path) = &asked.ca {
        ClientTls::with_roots(&read("--ca", path)?)
            .map_err(|error| Failure::usage(format!("--ca = {}: {error}", path.display())))?
    } else if url.is_loopback() {
        let text = "the development certificate is trusted too, since this machine is meant: its key is public";
        notices.push(Notice { text, is_loud: false });
        ClientTls::system_and(DEVELOPMENT_CERT_PEM.as_bytes())?
    } else {
        ClientTls::system()?
    };
    Ok((Some(tls), notices))
}
