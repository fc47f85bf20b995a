//! What was asked of `barewire bench`, and what becomes of it before anything is opened: a [`Plan`].
//!
//! Not here: the flags' own grammar (`daemon/cli/tools/bench.rs`), how a server is reached (`daemon/tools/reach.rs`), what is done
//! (`load.rs`).

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use barewire::client::Login;
use barewire::limits::{BACKOFF_INITIAL_DEFAULT, MESSAGE_BYTES_MAX};
use barewire::wire::message::check_channel;
use barewire::{Dial, Message};

use super::crowd::QUEUED_BYTES;
use super::mode::{Jitter, Mode};
use super::template::Template;
use crate::daemon::config::Secret;
use crate::daemon::failure::Failure;
use crate::daemon::prepare::{random, read};
use crate::daemon::tools::reach::{self, Notice, Reach, Reached};

/// Messages in flight, on all connections together.
const IN_FLIGHT_MAX: usize = 10_000_000;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where to, and as whom.
    pub reach: Reach,
    /// What is measured.
    pub mode: Mode,
    /// Connections that are measured, at least 1.
    pub connections: usize,
    /// How long is measured; what it bounds in each mode, [`Mode`] says.
    pub duration: Duration,
    /// How long it goes on before that.
    pub warm_up: Duration,
    /// What is said.
    pub content: Content,
    /// Whether it is said in binary messages.
    pub is_binary: bool,
    /// Said by each connection when it is open, before anything is measured; a token may be in it.
    pub on_open: Vec<Secret>,
    /// Whether permessage-deflate is offered.
    pub deflate: bool,
    /// Addresses to come from, which the connections take in turn; none for the system's choice.
    pub sources: Vec<IpAddr>,
    /// Processes of the server, on this machine.
    pub pids: Vec<u32>,
    /// Whether the report is JSON.
    pub json: bool,
    /// Whether nothing but the report is shown.
    pub quiet: bool,
    /// For all that is random; `None` for another each time.
    pub seed: Option<u64>,
    /// Handshakes under way at a time, while it opens; at least 1.
    pub open_at_once: usize,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Printable text of so many bytes.
    Size(usize),
    /// A template.
    Message(Secret),
    /// A template, in this file.
    File(PathBuf),
}

/// All that the load needs, in good order. It has no `Debug`: what is said may be a credential.
pub struct Plan {
    pub mode: Mode,
    pub connections: usize,
    pub duration: Duration,
    pub warm_up: Duration,
    /// What each connection dials, credentials in the upgrade among it.
    pub dial: Dial,
    /// What each connection says once it is open, before anything is measured; the `auth` message is the first of it.
    pub on_open: Vec<Message>,
    pub template: Template,
    pub deflate: bool,
    pub sources: Vec<IpAddr>,
    pub seed: u64,
    pub open_at_once: usize,
    /// Where it goes, fit to be shown.
    pub place: String,
    /// What the person must know before.
    pub notices: Vec<Notice>,
}

/// Checks and reads. `variable` is the environment. An error names flag or variable, and shows nothing secret.
pub fn plan(asked: &Asked, variable: impl Fn(&str) -> Option<OsString>) -> Result<Plan, Failure> {
    let Reached { url, mut credentials, upgrade, tls, notices } = reach::reach(&asked.reach, variable)?;
    let mut dial = Dial { tls, upgrade, ..Dial::plain(&url) };
    let mut first = None;
    match credentials.tell(asked.reach.authenticate_by).map_err(Failure::runtime)? {
        None => {}
        Some(Login::Header { name, value }) => dial.upgrade.headers.push((name, value)),
        Some(Login::Message(text)) => first = Some(text),
    }
    dial.upgrade.check().map_err(Failure::usage)?;
    if let Mode::FanOut { channel: Some(channel), .. } = &asked.mode {
        check_channel(channel).map_err(|reason| Failure::usage(format!("--channel = {channel:?}: {reason}")))?;
    }
    check_round(asked)?;
    let seed = match asked.seed {
        Some(seed) => seed,
        None => u64::from_ne_bytes(random()?),
    };
    let template = template(&asked.content, asked.is_binary, seed)?;
    check_in_flight(asked, template.bytes())?;
    let on_open = asked.on_open.iter().map(|text| text.expose().to_owned());
    Ok(Plan {
        mode: asked.mode.clone(),
        connections: asked.connections,
        duration: asked.duration,
        warm_up: asked.warm_up,
        dial,
        on_open: first.into_iter().chain(on_open).map(|text| Message::Text(text.into())).collect(),
        template,
        deflate: asked.deflate,
        sources: asked.sources.clone(),
        seed,
        open_at_once: asked.open_at_once,
        place: url.to_string(),
        notices,
    })
}

/// Whether anybody can be back in time: who is cut waits before the first attempt, and with full jitter alone that may be less.
fn check_round(asked: &Asked) -> Result<(), Failure> {
    if let Mode::Storm { jitter: Jitter::None | Jitter::Proportional, .. } = asked.mode
        && asked.duration <= BACKOFF_INITIAL_DEFAULT
    {
        return Err(Failure::usage(format!(
            "--duration = {:?}: the first wait of those who are cut is {BACKOFF_INITIAL_DEFAULT:?}; \
             allowed: more, or --jitter full",
            asked.duration
        )));
    }
    Ok(())
}

/// Whether so many messages can be in flight: what waits for a server that does not read is kept.
fn check_in_flight(asked: &Asked, message_bytes: usize) -> Result<(), Failure> {
    let (connections, depth) = match asked.mode {
        Mode::Echo { depth } => (asked.connections, depth),
        Mode::FanOut { depth, .. } => (1, depth),
        Mode::Rate { .. } | Mode::Idle { .. } | Mode::Connect { .. } | Mode::Slow { .. } | Mode::Storm { .. } => {
            return Ok(());
        }
    };
    let wrong = |reason: String| Err(Failure::usage(format!("--depth = {depth}: {reason}")));
    let all = connections.saturating_mul(depth);
    if all > IN_FLIGHT_MAX {
        return wrong(format!("{all} messages in flight on all connections; allowed: up to {IN_FLIGHT_MAX}"));
    }
    let bytes = depth.saturating_mul(message_bytes.saturating_add(QUEUED_BYTES));
    if depth > 1 && bytes > MESSAGE_BYTES_MAX {
        return wrong(format!("{bytes} bytes in flight on a connection; allowed: up to {MESSAGE_BYTES_MAX}"));
    }
    Ok(())
}

fn template(content: &Content, is_binary: bool, seed: u64) -> Result<Template, Failure> {
    match content {
        Content::Size(bytes) => Ok(Template::of_size(*bytes, is_binary, seed)),
        Content::Message(text) => Template::parse(text.expose().as_bytes(), is_binary, seed)
            .map_err(|reason| Failure::usage(format!("--message: {reason}"))),
        Content::File(path) => Template::parse(&read("--message-file", path)?, is_binary, seed)
            .map_err(|reason| Failure::usage(format!("--message-file = {}: {reason}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use barewire::client::AuthenticateBy;

    use super::*;
    use crate::daemon::config::CONNECT_TOKEN_VARIABLE;
    use crate::daemon::tools::reach::Who;

    fn echo(who: Who, authenticate_by: AuthenticateBy) -> Asked {
        let reach = Reach {
            url: "ws://localhost:81/ws?key=1".into(),
            who,
            authenticate_by,
            allow_plain: false,
            ca: None,
            insecure: false,
            protocols: vec!["json".into()],
            headers: vec!["X: 1".into()],
            origin: Some("http://localhost".into()),
        };
        Asked {
            reach,
            mode: Mode::Echo { depth: 1 },
            connections: 1,
            duration: Duration::from_secs(1),
            warm_up: Duration::ZERO,
            content: Content::Size(20),
            is_binary: false,
            on_open: vec!["hello".into()],
            deflate: false,
            sources: Vec::new(),
            pids: Vec::new(),
            json: false,
            quiet: false,
            seed: None,
            open_at_once: 1,
        }
    }

    fn planned(asked: &Asked) -> Plan {
        match plan(asked, |_| None) {
            Ok(plan) => plan,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    fn refused(asked: &Asked) -> String {
        match plan(asked, |_| None) {
            Ok(plan) => panic!("{}", plan.place),
            Err(failure) => {
                assert_eq!(failure.exit_code, 2);
                failure.sentence
            }
        }
    }

    fn texts(plan: &Plan) -> Vec<&str> {
        let text = |message: &'_ Message| matches!(message, Message::Text(_));
        assert!(plan.on_open.iter().all(text));
        plan.on_open
            .iter()
            .filter_map(|message| if let Message::Text(text) = message { Some(text.as_str()) } else { None })
            .collect()
    }

    #[test]
    fn credentials_are_told_by_a_header_or_by_the_first_message() {
        let basic = || Who::Basic("user:pass".into());
        let token = || Who::Token("abc".into());
        for (who, way, header, message) in [
            (Who::Environment, AuthenticateBy::Upgrade, None, None),
            (basic(), AuthenticateBy::Upgrade, Some("Basic dXNlcjpwYXNz"), None),
            (token(), AuthenticateBy::Upgrade, Some("Bearer abc"), None),
            (basic(), AuthenticateBy::Message, None, Some(r#"{"token":"Basic dXNlcjpwYXNz","type":"auth"}"#)),
            (token(), AuthenticateBy::Message, None, Some(r#"{"token":"abc","type":"auth"}"#)),
        ] {
            let plan = planned(&echo(who, way));
            let headers = &plan.dial.upgrade.headers;
            let told = headers.iter().find(|(name, _)| name == "Authorization").map(|(_, value)| value.as_str());
            assert_eq!(told, header);
            assert_eq!(texts(&plan), message.into_iter().chain(["hello"]).collect::<Vec<_>>());
            let others: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).take(2).collect();
            assert_eq!((others, &plan.dial.upgrade.protocols), (vec!["X", "Origin"], &vec!["json".to_owned()]));
        }
    }

    #[test]
    fn credentials_of_the_environment_are_those_of_connect() {
        let token = |name: &str| (name == CONNECT_TOKEN_VARIABLE).then(|| "abc".into());
        let Ok(plan) = plan(&echo(Who::Environment, AuthenticateBy::Upgrade), token) else { panic!("refused") };
        assert!(plan.dial.upgrade.headers.contains(&("Authorization".to_owned(), "Bearer abc".to_owned())));
    }

    #[test]
    fn where_it_goes_is_dialed_whole_and_shown_without_its_query() {
        let plan = planned(&echo(Who::Environment, AuthenticateBy::Upgrade));
        assert_eq!((plan.dial.host.as_str(), plan.dial.port), ("localhost", 81));
        assert_eq!(plan.dial.upgrade.target, "/ws?key=1");
        assert_eq!(plan.place, "ws://localhost:81/ws?…");
    }

    #[test]
    fn a_seed_that_is_given_is_taken_and_otherwise_each_has_its_own() {
        let asked = echo(Who::Environment, AuthenticateBy::Upgrade);
        assert_eq!(planned(&Asked { seed: Some(7), ..asked.clone() }).seed, 7);
        assert_ne!(planned(&asked).seed, planned(&asked).seed);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_flag() {
        let asked = echo(Who::Environment, AuthenticateBy::Upgrade);
        let fan_out = |channel: &str| Mode::FanOut { depth: 1, channel: Some(channel.into()) };
        let remote = |url: &str| Reach { url: url.into(), who: Who::Token("hush".into()), ..asked.reach.clone() };
        let file = std::env::temp_dir().join(format!("barewire-bench-{}", std::process::id()));
        fs::write(&file, b"\xff").unwrap();
        for (asked, told) in [
            (Asked { mode: fan_out(""), ..asked.clone() }, "--channel = \"\": "),
            (Asked { mode: fan_out(&"a".repeat(256)), ..asked.clone() }, "--channel = \"aaa"),
            (Asked { reach: remote("ws://example.org"), ..asked.clone() }, "ws://example.org/ would show everybody"),
            (Asked { reach: remote("ftp://example.org"), ..asked.clone() }, "the URL \"ftp://example.org\""),
            (Asked { content: Content::File("/nowhere".into()), ..asked.clone() }, "--message-file = /nowhere: "),
            (
                Asked { content: Content::File(file.clone()), ..asked.clone() },
                &format!("--message-file = {}: not UTF-8", file.display()),
            ),
        ] {
            let sentence = refused(&asked);
            assert!(sentence.starts_with(told) && !sentence.contains("hush"), "{sentence}");
        }
        let binary = Asked { content: Content::File(file.clone()), is_binary: true, ..asked };
        assert_eq!(planned(&binary).template.constant(), Some(Message::Binary(b"\xff".to_vec().into())));
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn what_is_in_flight_is_bounded_in_messages_and_on_a_connection_in_bytes() {
        let asked = |mode, connections, bytes| {
            let content = Content::Size(bytes);
            Asked { mode, connections, content, ..echo(Who::Environment, AuthenticateBy::Upgrade) }
        };
        let echo = |depth| Mode::Echo { depth };
        let fan_out = |depth| Mode::FanOut { depth, channel: None };
        planned(&asked(echo(10), 1_000_000, 20));
        planned(&asked(fan_out(65_536), 1_000_000, 20));
        assert_eq!(
            refused(&asked(echo(11), 1_000_000, 20)),
            "--depth = 11: 11000000 messages in flight on all connections; allowed: up to 10000000"
        );
        let largest = (1 << 20) - QUEUED_BYTES;
        for mode in [echo, fan_out] {
            planned(&asked(mode(1024), 1, largest));
            let refused = refused(&asked(mode(1024), 1, largest + 1));
            assert_eq!(
                refused,
                "--depth = 1024: 1073742848 bytes in flight on a connection; allowed: up to 1073741824"
            );
        }
    }

    #[test]
    fn a_round_is_longer_than_the_first_wait_of_those_who_are_cut() {
        let asked = |jitter, duration| {
            let mode = Mode::Storm { jitter, rounds: 1 };
            Asked { mode, duration, ..echo(Who::Environment, AuthenticateBy::Upgrade) }
        };
        let wait = BACKOFF_INITIAL_DEFAULT;
        for jitter in [Jitter::None, Jitter::Proportional] {
            let told = "--duration = 1s: the first wait of those who are cut is 1s; allowed: more, or --jitter full";
            assert_eq!(refused(&asked(jitter, wait)), told);
            planned(&asked(jitter, wait + Duration::from_nanos(1)));
        }
        planned(&asked(Jitter::Full, wait));
    }

    #[test]
    fn a_channel_has_at_most_255_bytes() {
        let mode = Mode::FanOut { depth: 1, channel: Some("a".repeat(255)) };
        planned(&Asked { mode, ..echo(Who::Environment, AuthenticateBy::Upgrade) });
    }
}
