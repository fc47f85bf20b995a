//! How a server of others is reached: who one is there, whom one trusts, and what the upgrade asks for. It is checked, and the
//! files that it names are read, once, before anything is opened.
//!
//! Not here: the flags' own grammar (`daemon/cli/tools/reach.rs`), who goes there (`connect/`, `bench/`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use barewire::client::{AuthenticateBy, Credentials};
use barewire::net::ClientTls;
use barewire::wire::http::UpgradeRequest;
use barewire::wire::url::Url;

use crate::daemon::config::{CONNECT_BASIC_VARIABLE, CONNECT_TOKEN_VARIABLE, DEVELOPMENT_CERT_PEM, Secret};
use crate::daemon::failure::Failure;
use crate::daemon::prepare::read;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Where to. Its query may hold a secret.
    pub url: Secret,
    /// Where the credentials are.
    pub who: Who,
    /// How they are told.
    pub authenticate_by: AuthenticateBy,
    /// Whether they may be told over `ws://` to another machine.
    pub allow_plain: bool,
    /// PEM file of the authorities to trust.
    pub ca: Option<PathBuf>,
    /// Whether whoever answers is trusted.
    pub insecure: bool,
    /// Subprotocols to offer; a token may be among them.
    pub protocols: Vec<Secret>,
    /// Further headers, each `Name: value`.
    pub headers: Vec<Secret>,
    /// The `Origin` header.
    pub origin: Option<String>,
}

/// Where the credentials are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// In the environment, if anywhere: `BAREWIRE_CONNECT_BASIC`, `BAREWIRE_CONNECT_TOKEN`.
    Environment,
    /// `--basic`.
    Basic(Secret),
    /// `--basic-file`.
    BasicFile(PathBuf),
    /// `--token`.
    Token(Secret),
    /// `--token-file`.
    TokenFile(PathBuf),
}

/// What came of that: read and checked.
#[derive(Debug)]
pub struct Reached {
    pub url: Url,
    pub credentials: Credentials,
    /// Subprotocols and headers, the credentials not among them.
    pub upgrade: UpgradeRequest,
    /// `None` without TLS.
    pub tls: Option<ClientTls>,
    /// What the person must know before.
    pub notices: Vec<Notice>,
}

/// See [`Reached::notices`].
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: &'static str,
    /// Not to be silenced.
    pub is_loud: bool,
}

/// Checks and reads. `variable` is the environment. An error names flag or variable, and shows nothing secret.
pub fn reach(reach: &Reach, variable: impl Fn(&str) -> Option<OsString>) -> Result<Reached, Failure> {
    let url = Url::parse(reach.url.expose()).map_err(Failure::usage)?;
    let credentials = credentials(&reach.who, variable)?;
    let is_told = !matches!(credentials, Credentials::None);
    if is_told && !url.is_secure() && !url.is_loopback() && !reach.allow_plain {
        let allowed = "allowed: wss://, or --allow-plain";
        return Err(Failure::usage(format!("{url} would show everybody on the way the credentials; {allowed}")));
    }
    let by_header = is_told && reach.authenticate_by == AuthenticateBy::Upgrade;
    let upgrade = request(reach, &url, by_header)?;
    let (tls, notices) = trust(reach, &url)?;
    Ok(Reached { url, credentials, upgrade, tls, notices })
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
fn request(reach: &Reach, url: &Url, by_header: bool) -> Result<UpgradeRequest, Failure> {
    let mut headers = Vec::new();
    for line in &reach.headers {
        let Some((name, value)) = line.expose().split_once(':') else {
            return Err(Failure::usage("--header: no : between name and value; allowed: 'Name: value'"));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    headers.extend(reach.origin.iter().map(|origin| ("Origin".to_owned(), origin.clone())));
    let protocols = reach.protocols.iter().map(|name| name.expose().to_owned()).collect();
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
fn trust(reach: &Reach, url: &Url) -> Result<(Option<ClientTls>, Vec<Notice>), Failure> {
    let is_asked = [("--ca", reach.ca.is_some()), ("--insecure", reach.insecure)].into_iter().find(|(_, given)| *given);
    if let (Some((flag, _)), false) = (is_asked, url.is_secure()) {
        return Err(Failure::usage(format!("{flag} is of no use to {url}; allowed: with wss://")));
    }
    if !url.is_secure() {
        return Ok((None, Vec::new()));
    }
    let mut notices = Vec::new();
    let tls = if reach.insecure {
        let text = "WARNING: --insecure: the server's certificate is not looked at, and whoever answers is trusted";
        notices.push(Notice { text, is_loud: true });
        ClientTls::dangerous_without_verification()?
    } else if let Some(path) = &reach.ca {
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
