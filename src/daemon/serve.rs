//! `barewire serve`: from settings to a running server.
//!
//! Not here: the settings (`daemon/config`), the log (`daemon/logger.rs`), the loop (the library).

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use barewire::app::Router;
use barewire::limits::FILES_RESERVED;
use barewire::{EngineConfig, Error, Limits, Server, ServerConfig, TlsConfig};

use super::config::{DEVELOPMENT_CERT_PEM, DEVELOPMENT_KEY_PEM, EXIT_CODE, KEYS, Method, Settings};
use super::credentials::{self, Resolver};
use super::{logger, say, signals};

/// Why the program ends, and with which code.
#[derive(Debug)]
pub struct Failure {
    pub sentence: String,
    pub exit_code: u8,
}

impl Failure {
    /// What was asked for cannot be: exit code 2.
    pub fn usage(sentence: String) -> Failure {
        Failure { sentence, exit_code: EXIT_CODE }
    }

    /// The system would not, or something broke: exit code 1.
    pub fn runtime(sentence: String) -> Failure {
        Failure { sentence, exit_code: 1 }
    }
}

/// Runs until a signal ends it.
pub fn serve(settings: &Settings) -> Result<(), Failure> {
    let tls = if settings.listen.is_empty() { None } else { Some(certificate(settings)?) };
    let resolver = Resolver::default();
    let authenticator = credentials::load(settings)?.into_authenticator(settings, &resolver)?;
    logger::start(settings.log_level).map_err(|error| Failure::runtime(format!("cannot start the log: {error}")))?;
    let open_files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let room = usize::try_from(open_files).unwrap_or(usize::MAX).saturating_sub(FILES_RESERVED).max(1);
    let limits = Limits { connections: settings.limits.connections.min(room), ..settings.limits.clone() };
    let config = ServerConfig {
        listen: settings.listen.clone(),
        plain_listen: settings.plain_listen.clone(),
        tls,
        send_buffer_bytes: settings.send_buffer_bytes,
        seed: u64::from_ne_bytes(random()?),
        engine: EngineConfig {
            limits,
            path: settings.path.clone(),
            subprotocols: settings.subprotocols.clone(),
            origins: settings.origins.clone(),
        },
    };
    let mut server = Server::bind(config, authenticator).map_err(|error| match error {
        Error::Tls(_) | Error::Config(_) => Failure::usage(error.to_string()),
        _ => Failure::runtime(error.to_string()),
    })?;
    resolver.connect(server.handle());
    signals::watch(server.handle()).map_err(|error| Failure::runtime(format!("cannot watch for signals: {error}")))?;
    announce(settings, &mut server, open_files);
    server.run(|engine, event| Router.handle(engine, event)).map_err(|error| Failure::runtime(error.to_string()))
}

/// What a person who has just started it wants to know. Shown at every log level.
fn announce(settings: &Settings, server: &mut Server, open_files: u64) {
    let mut first = None;
    let addrs: Vec<_> = server.local_addrs().collect();
    for &(addr, is_secure) in &addrs {
        let what = if is_secure { "HTTPS + WSS" } else { "HTTP + WS" };
        say(format_args!("{what} server running on port {}", addr.port()));
        first.get_or_insert((addr, is_secure));
    }
    let connections = server.engine().config().limits.connections;
    let shown = ["limits.message_bytes", "limits.send_queue_bytes", "heartbeat.interval", "auth.timeout"];
    let values: Vec<_> = KEYS.iter().filter(|key| shown.contains(&key.name)).collect();
    let values: Vec<_> = values.iter().map(|key| format!("{} {}", key.name, key.show(settings))).collect();
    say(format_args!("Limits: limits.connections {connections}, open files {open_files}, {}", values.join(", ")));
    if let Some((mut addr, is_secure)) = first {
        if addr.ip().is_unspecified() {
            addr.set_ip(if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let (scheme, insecure) = match (is_secure, settings.uses_development_certificate()) {
            (true, true) => ("wss", " --no-check"),
            (true, false) => ("wss", ""),
            (false, _) => ("ws", ""),
        };
        let user = match settings.users.first() {
            _ if !settings.methods.contains(&Method::Basic) => String::new(),
            Some(user) if user.is_default() => format!(" --auth {}:{}", user.name, user.password.expose()),
            Some(user) => format!(" --auth {}:PASSWORD", user.name),
            None => String::new(),
        };
        say(format_args!("Try it: npx wscat{insecure}{user} -c {scheme}://{addr}{}", settings.path));
    }
    if connections < settings.limits.connections {
        log::warn!(
            "limits.connections = {} is above the open-file limit of {open_files}: {connections} it is",
            settings.limits.connections
        );
    }
    if !settings.listen.is_empty() && settings.uses_development_certificate() {
        log::warn!("the development certificate is in use: its key is public; set tls.cert and tls.key");
    }
    if !settings.methods.is_empty() && settings.uses_default_user() {
        log::warn!(
            "the default user `user` with the password `pass` is in use: set --user name:password, or --users-file"
        );
    }
}

fn certificate(settings: &Settings) -> Result<TlsConfig, Failure> {
    let Some((cert, key)) = settings.certificate_files() else {
        let pair = TlsConfig::from_pem(DEVELOPMENT_CERT_PEM.as_bytes(), DEVELOPMENT_KEY_PEM.as_bytes());
        return pair.map_err(|error| Failure::runtime(format!("the development pair: {error}")));
    };
    let read = |name: &str, path: &Path| {
        fs::read(path).map_err(|error| Failure::usage(format!("{name} = {}: {error}", path.display())))
    };
    TlsConfig::from_pem(&read("tls.cert", cert)?, &read("tls.key", key)?)
        .map_err(|error| Failure::usage(format!("tls.cert = {}, tls.key = {}: {error}", cert.display(), key.display())))
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::runtime(format!("no random numbers: {error}")))?;
    Ok(bytes)
}
