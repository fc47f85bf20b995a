//! The configuration: [`load`] makes the typed [`Settings`] out of flags, environment, file and preset, or one
//! line that says what is wrong. The environment and the reading of files are passed in.
//!
//! Precedence: flags > environment > file > preset > defaults. Every layer is judged, also where a stronger
//! one overrides it.
//!
//! It stands on the library alone, and uses nothing of the rest of the program.
//!
//! Not here: the command line's own grammar (`daemon/cli.rs`), what the limits mean (`limits.rs`), reading the
//! certificate files and opening listeners.

mod auth_keys;
mod checks;
mod keys;
mod nearest;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod written;

pub use sources::{Flag, Flags};
pub use table::KEYS;
pub use written::written;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barewire::RefuseBy;
use barewire::auth::TokenAlgorithm;
use barewire::engine::Network;
use barewire::limits::{HASH_WORKERS_DEFAULT, Limits, SEND_BUFFER_BYTES_DEFAULT, TOKEN_LEEWAY_DEFAULT};
use barewire::wire::deflate::DeflateConfig;
use barewire::wire::http::Origins;
use barewire::wire::message::is_treacherous;

/// Certificate of the embedded development pair, PEM. For loopback addresses only: its key is public.
pub const DEVELOPMENT_CERT_PEM: &str = include_str!("../../../certs/dev-cert.pem");
/// Private key of the embedded development pair, PEM (PKCS#8).
pub const DEVELOPMENT_KEY_PEM: &str = include_str!("../../../certs/dev-key.pem");
/// Environment variables that begin so are the daemon's; one that names no key is an error.
pub const VARIABLE_PREFIX: &str = "BAREWIRE_";
/// The environment variable that names the file; `--config` is stronger.
pub const FILE_VARIABLE: &str = "BAREWIRE_CONFIG";
/// The environment variable with the credentials of `barewire connect`, `user:password`: no key.
pub const CONNECT_BASIC_VARIABLE: &str = "BAREWIRE_CONNECT_BASIC";
/// The environment variable with the token of `barewire connect`: no key.
pub const CONNECT_TOKEN_VARIABLE: &str = "BAREWIRE_CONNECT_TOKEN";
/// Exit code of the program after a [`ConfigError`].
pub const EXIT_CODE: u8 = 2;

/// Name and password of the default user. For loopback addresses only, however it came to be there.
const DEFAULT_USER: (&str, &str) = ("user", "pass");

/// What [`load`] made of all layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// What counts.
    pub settings: Settings,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Who set each key, the strongest of them: a flag, a variable, the preset, the path of the file. A key that is not
    /// in it has its default.
    pub origins: BTreeMap<&'static str, String>,
}

/// What the daemon runs with: every key's effective value, in range and free of contradictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Addresses of the TLS listeners. Default 127.0.0.1:8443.
    pub listen: Vec<SocketAddr>,
    /// Addresses of the plain listeners. Default none.
    pub plain_listen: Vec<SocketAddr>,
    /// Path of the WebSocket endpoint, empty for every path. Default `/ws`.
    pub path: String,
    /// Subprotocols that may be selected. Default `json`.
    pub subprotocols: Vec<String>,
    /// Whether the console and the browsers' client are served. Default true.
    pub page: bool,
    /// Addresses that no limit by address counts. Default none.
    pub trusted_proxies: Vec<Network>,
    /// Certificate chain, PEM; see [`Settings::certificate_files`]. Default none.
    pub tls_cert: Option<PathBuf>,
    /// Private key, PEM. Default none.
    pub tls_key: Option<PathBuf>,
    /// Enabled ways to authenticate; empty is `none`: nobody is asked. Default all of [`Method::ALL`].
    pub methods: Vec<Method>,
    /// Realm of the challenge, fit for a quoted string as it is. Default `barewire`.
    pub realm: String,
    /// Which origins may upgrade. Default `same`.
    pub origins: Origins,
    /// How missing or wrong credentials are told. Default by HTTP.
    pub refuse_by: RefuseBy,
    /// Status for a wrong password, 403 or 401. Default 403.
    pub wrong_password_status: u16,
    /// Whether credentials may travel over plain listeners beyond loopback. Default false.
    pub allow_plain: bool,
    /// File of users and the hashes of their passwords. Default none.
    pub users_file: Option<PathBuf>,
    /// Threads that hash, 1 to [`barewire::limits::HASH_WORKERS_MAX`]. Default [`HASH_WORKERS_DEFAULT`].
    pub hash_workers: usize,
    /// How tokens are signed. Default HS256.
    pub jwt_algorithm: TokenAlgorithm,
    /// File of the secret for HS256. Default none.
    pub jwt_secret_file: Option<PathBuf>,
    /// PEM file of the public key for the other algorithms. Default none. Without either no token is good.
    pub jwt_public_key_file: Option<PathBuf>,
    /// What a token's `aud` must be or hold. Default none: then it must have none.
    pub jwt_audience: Option<String>,
    /// What a token's `iss` must be. Default none: then it does not count.
    pub jwt_issuer: Option<String>,
    /// What a token's times may differ from this clock. Default [`TOKEN_LEEWAY_DEFAULT`].
    pub jwt_leeway: Duration,
    /// The least severe level that is logged. Default info.
    pub log_level: log::LevelFilter,
    /// How a line of the log looks. Default text.
    pub log_format: LogFormat,
    /// The limits, timeouts and the heartbeat's interval.
    pub limits: Limits,
    /// How messages are deflated.
    pub deflate: DeflateConfig,
    /// The span over which sessions are closed when the server stops. Default 0: all at once.
    pub drain_spread: Duration,
    /// `SO_SNDBUF` of accepted sockets, in bytes; 0 leaves the system's. Default [`SEND_BUFFER_BYTES_DEFAULT`].
    pub send_buffer_bytes: usize,
    /// Who may come in beside those of the file, names unique. Default one: `user` with the password `pass`; none where
    /// there is a file.
    pub users: Vec<User>,
}

/// A way to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `Authorization: Basic` with the upgrade request.
    Basic,
    /// A token with the upgrade request: `Authorization: Bearer`, or a subprotocol. It needs a key.
    Bearer,
    /// An `auth` message as the first of the session.
    Message,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, target, message.
    Text,
    /// A JSON object with the fields `time`, `level`, `target` and `message`.
    Json,
}

/// A user name and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Not empty, at most [`barewire::limits::USER_ID_BYTES`], without `:` and control characters.
    pub name: String,
    /// Not empty, without control characters.
    pub password: Secret,
}

impl User {
    /// Whether it is the one whose password everyone knows.
    pub fn is_default(&self) -> bool {
        (self.name.as_str(), self.password.expose()) == DEFAULT_USER
    }
}

/// Text that must not be seen: `Debug` prints a placeholder, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is wrong with the configuration: one line that names source, key, value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

/// Puts the layers on top of each other, the weakest first, and checks the result. `environment` holds all
/// variables of the process; `read` reads the configuration file.
pub fn load(
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Configuration, ConfigError> {
    let environment = sources::environment(environment)?;
    let mut layers = sources::preset(flags.preset.as_deref())?;
    let by_flag = flags.config.clone().map(|path| ("--config", path));
    let file = by_flag.or(environment.file.map(|path| (FILE_VARIABLE, path)));
    if let Some((name, path)) = &file {
        layers.extend(sources::file(name, path, read)?);
    }
    layers.extend(environment.assignments);
    layers.extend(sources::flags(flags)?);

    let mut settings = Settings::default();
    for assignment in &layers {
        assignment.apply(&mut settings)?;
    }
    let listen_given = layers.iter().any(|assignment| assignment.sets("server.listen"));
    if !settings.plain_listen.is_empty() && !listen_given {
        settings.listen.clear();
    }
    if settings.users_file.is_some() {
        settings.users.clear();
    }
    if !flags.users.is_empty() {
        settings.users = sources::users(&flags.users)?;
    }
    let origins = layers.iter().map(sources::Assignment::origin).map(|(key, source)| (key, source.into())).collect();
    checks::check(&settings).map_err(|error| error.with_source(&origins))?;
    Ok(Configuration { settings, file: file.map(|(_, path)| path), origins })
}

impl Settings {
    /// The files of certificate and key; `None` means the development pair.
    pub fn certificate_files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }

    /// Whether a TLS listener runs with the development certificate: worth a warning.
    pub fn uses_development_certificate(&self) -> bool {
        !self.listen.is_empty() && self.certificate_files().is_none()
    }

    /// Whether the default user can come in: worth a warning.
    pub fn uses_default_user(&self) -> bool {
        let takes_passwords = self.methods.iter().any(|method| matches!(method, Method::Basic | Method::Message));
        takes_passwords && self.users.iter().any(User::is_default)
    }

    /// The key that tokens are verified with, and the file that holds it; `None` means that no token is good.
    pub fn token_key_file(&self) -> Option<(&'static str, &Path)> {
        let secret = self.jwt_secret_file.as_deref().map(|path| ("auth.jwt_secret_file", path));
        secret.or(self.jwt_public_key_file.as_deref().map(|path| ("auth.jwt_public_key_file", path)))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        let (name, password) = DEFAULT_USER;
        Settings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8443))],
            plain_listen: Vec::new(),
            path: "/ws".into(),
            subprotocols: vec!["json".into()],
            page: true,
            trusted_proxies: Vec::new(),
            tls_cert: None,
            tls_key: None,
            methods: Method::ALL.into(),
            realm: "barewire".into(),
            origins: Origins::Same,
            refuse_by: RefuseBy::Http,
            wrong_password_status: 403,
            allow_plain: false,
            users_file: None,
            hash_workers: HASH_WORKERS_DEFAULT,
            jwt_algorithm: TokenAlgorithm::Hs256,
            jwt_secret_file: None,
            jwt_public_key_file: None,
            jwt_audience: None,
            jwt_issuer: None,
            jwt_leeway: TOKEN_LEEWAY_DEFAULT,
            log_level: log::LevelFilter::Info,
            log_format: LogFormat::Text,
            limits: Limits::default(),
            deflate: DeflateConfig::default(),
            drain_spread: Duration::ZERO,
            send_buffer_bytes: SEND_BUFFER_BYTES_DEFAULT,
            users: vec![User { name: name.into(), password: password.into() }],
        }
    }
}

impl Method {
    /// Every method, in the order in which they are printed.
    pub const ALL: [Method; 3] = [Method::Basic, Method::Bearer, Method::Message];
}

impl LogFormat {
    /// Both.
    pub const ALL: [LogFormat; 2] = [LogFormat::Text, LogFormat::Json];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Basic => "basic",
            Method::Bearer => "bearer",
            Method::Message => "message",
        })
    }
}

/// A duration as any key takes it: `500ms`, `10s`, `5m`, `1h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    value::Value::Text(text.into()).duration()
}

/// A size as any key takes it: `64KiB`, `1MiB`, or bytes.
#[cfg(feature = "tools")]
pub fn size(text: &str) -> Result<usize, String> {
    value::Value::Text(text.into()).size()
}

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl ConfigError {
    fn new(sentence: impl Into<String>) -> ConfigError {
        ConfigError(sentence.into())
    }

    /// Names first who has set the key that the sentence begins with; a default has nobody to name.
    fn with_source(self, origins: &BTreeMap<&'static str, String>) -> ConfigError {
        let key = self.0.split(' ').next().unwrap_or_default();
        match origins.get(key) {
            Some(source) => ConfigError(format!("{source}: {}", self.0)),
            None => self,
        }
    }
}

/// Exactly one line: see [`in_one_line`].
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_one_line(&self.0))
    }
}

impl std::error::Error for ConfigError {}

/// The text with what could break its line escaped.
pub fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_treacherous(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}
