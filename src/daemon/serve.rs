//! `barewire serve`: from settings to a running server.
//!
//! Not here: the settings (`daemon/config`), reading the files they name (`daemon/prepare.rs`), the log (`daemon/logger/`), the loop (the library).

use std::env;

use barewire::Server;
use barewire::app::Router;
use barewire::limits::FILES_RESERVED;

use super::config::{KEYS, Method, Settings};
use super::credentials::Resolver;
use super::failure::Failure;
use super::prepare::{Prepared, prepare};
use super::{logger, reachable, say, signals};

/// Runs until a signal ends it.
pub fn serve(settings: &Settings) -> Result<(), Failure> {
    let Prepared { mut config, credentials } = prepare(settings)?;
    let resolver = Resolver::default();
    let authenticator = credentials.into_authenticator(settings, &resolver)?;
    logger::start(settings.log_level, settings.log_format)
        .map_err(|error| Failure::runtime(format!("cannot start the log: {error}")))?;
    let open_files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let room = usize::try_from(open_files).unwrap_or(usize::MAX).saturating_sub(FILES_RESERVED).max(1);
    config.engine.limits.connections = config.engine.limits.connections.min(room);
    let mut server = Server::bind(config, authenticator)?;
    resolver.connect(server.handle());
    signals::watch(server.handle()).map_err(|error| Failure::runtime(format!("cannot watch for signals: {error}")))?;
    announce(settings, &mut server, open_files);
    let router = if settings.page { Router::with_page(&settings.path) } else { Router::default() };
    Ok(server.run(|engine, event| router.handle(engine, event))?)
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
    if let Some((addr, is_secure)) = first {
        let addr = reachable(addr);
        let (page, scheme) = if is_secure { ("https", "wss") } else { ("http", "ws") };
        let page = settings.page.then(|| format!("{page}://{addr}/ in a browser"));
        let program = cfg!(feature = "tools").then(|| env::args().next().unwrap_or_default());
        let connect = program
            .map(|program| format!("{program} connect {scheme}://{addr}{}{}", settings.path, login_to_try(settings)));
        let ways: Vec<String> = page.into_iter().chain(connect).collect();
        if !ways.is_empty() {
            say(format_args!("Try it: {}", ways.join(", or ")));
        }
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

/// How `connect` says who one is. Only the password that everyone knows is shown.
fn login_to_try(settings: &Settings) -> String {
    let takes = |method| settings.methods.contains(&method);
    let pair = match settings.users.first() {
        Some(user) if user.is_default() => format!("{}:{}", user.name, user.password.expose()),
        Some(user) => format!("{}:PASSWORD", user.name),
        None => "NAME:PASSWORD".into(),
    };
    if takes(Method::Basic) {
        format!(" --basic {pair}")
    } else if takes(Method::Bearer) && settings.token_key_file().is_some() {
        " --token TOKEN".into()
    } else if takes(Method::Message) {
        format!(" --basic {pair} --auth-by message")
    } else {
        String::new()
    }
}
