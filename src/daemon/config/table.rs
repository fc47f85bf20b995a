//! The one table of configuration keys, section by section. Parsing, errors, `--help`, `print-config` and the README's table
//! are all fed from it.
//!
//! Not here: what a row is made of (`keys.rs`), the values of `auth.*` (`auth_keys.rs`).

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::LogFormat;
use super::auth_keys::{methods, origins, realm, refuse_by, show_refuse_by, token_algorithm, wrong_password_status};
use super::keys::{Field, Key, Kind, given};
use barewire::limits::{
    COUNT_MAX, DEFLATE_LEVELS, DRAIN_SPREAD_MAX, HASH_WORKERS_MAX, HEAD_BYTES_MAX, HEAD_BYTES_MIN, HEADERS_MAX,
    HEARTBEAT_INTERVAL_MIN, MAX_MEMORY_MAX, MAX_MEMORY_MIN, MESSAGE_BYTES_MAX, RateAlgorithm, SEND_QUEUE_BYTES_MIN,
    TIMEOUT_MAX, TIMEOUT_MIN, TOKEN_LEEWAY_MAX,
};
use barewire::wire::deflate::WINDOW_BITS;
use barewire::wire::http::{is_path, is_token};

macro_rules! field {
    ($($path:ident).+) => { Field { read: |s| &s.$($path).+, write: |s| &mut s.$($path).+ } };
}

const TIMEOUT: RangeInclusive<Duration> = TIMEOUT_MIN..=TIMEOUT_MAX;
const HEARTBEAT: RangeInclusive<Duration> = HEARTBEAT_INTERVAL_MIN..=TIMEOUT_MAX;
const COUNT: RangeInclusive<usize> = 1..=COUNT_MAX;
const COUNT_OR_OFF: RangeInclusive<usize> = 0..=COUNT_MAX;

/// Every key there is, section by section.
pub const KEYS: &[Key] = &[
    Key {
        name: "server.listen",
        default: "127.0.0.1:8443",
        doc: "Addresses of the TLS listeners; empty: none. Giving only the other kind drops this default",
        kind: Kind::Custom {
            allowed: ADDRESSES,
            set: |s, v| v.list(address).map(|list| s.listen = list),
            show: |s| join(&s.listen),
        },
    },
    Key {
        name: "server.plain_listen",
        default: "",
        doc: "Addresses of the listeners without TLS, for use behind a proxy",
        kind: Kind::Custom {
            allowed: ADDRESSES,
            set: |s, v| v.list(address).map(|list| s.plain_listen = list),
            show: |s| join(&s.plain_listen),
        },
    },
    Key {
        name: "server.path",
        default: "/ws",
        doc: "Path of the WebSocket endpoint, compared byte by byte; empty: every path upgrades",
        kind: Kind::Custom {
            allowed: "nothing, or the path of a URL, percent-encoded where it must be, such as /ws; not /health",
            set: |s, v| path(v.text()?).map(|path| s.path = path),
            show: |s| s.path.clone(),
        },
    },
    Key {
        name: "server.subprotocols",
        default: "json",
        doc: "Subprotocols that may be selected, the preferred one first",
        kind: Kind::Custom {
            allowed: "tokens (RFC 9110, section 5.6.2), such as json",
            set: |s, v| v.list(token).map(|list| s.subprotocols = list),
            show: |s| join(&s.subprotocols),
        },
    },
    Key {
        name: "server.page",
        default: "true",
        doc: "Whether the console is served at /, and the client for browsers at /client.js; false: 404 there",
        kind: Kind::Boolean(field!(page)),
    },
    Key {
        name: "server.trusted_proxies",
        default: "",
        doc: "Addresses that the limits by address leave out, since many peers stand behind each",
        kind: Kind::Custom {
            allowed: "addresses or networks, such as 10.0.0.0/8 or fd00::/8",
            set: |s, v| v.list(str::parse).map(|list| s.trusted_proxies = list),
            show: |s| join(&s.trusted_proxies),
        },
    },
    Key {
        name: "tls.cert",
        default: "",
        doc: "PEM file of the certificate chain, the server's own first; empty: the development pair",
        kind: Kind::File(field!(tls_cert)),
    },
    Key {
        name: "tls.key",
        default: "",
        doc: "PEM file of the private key to tls.cert; empty: the development pair",
        kind: Kind::File(field!(tls_key)),
    },
    Key {
        name: "auth.methods",
        default: "basic,bearer,message",
        doc: "Ways in which a peer may say who it is; none: nobody is asked, everyone is `anonymous`",
        kind: Kind::Custom {
            allowed: "basic, bearer, message, or none alone",
            set: |s, v| methods(v).map(|list| s.methods = list),
            show: |s| if s.methods.is_empty() { "none".into() } else { join(&s.methods) },
        },
    },
    Key {
        name: "auth.timeout",
        default: "10s",
        doc: "From the upgrade to a successful `auth` message; then 1008",
        kind: Kind::Duration(TIMEOUT, field!(limits.auth_timeout)),
    },
    Key {
        name: "auth.realm",
        default: "barewire",
        doc: "Realm of the Basic challenge",
        kind: Kind::Custom {
            allowed: "printable ASCII without \" and \\, at least one character",
            set: |s, v| realm(v.text()?).map(|realm| s.realm = realm),
            show: |s| s.realm.clone(),
        },
    },
    Key {
        name: "auth.origins",
        default: "same",
        doc: "Origins a browser may come from; same: none, or that of the Host header; any: all",
        kind: Kind::Custom {
            allowed: "same, any, or a list such as https://example.com",
            set: |s, v| origins(v).map(|origins| s.origins = origins),
            show: |s| s.origins.to_string(),
        },
    },
    Key {
        name: "auth.refuse",
        default: "http",
        doc: "How wrong or missing credentials are told; close: the upgrade succeeds, then 4401 or 4403, which a page can see",
        kind: Kind::Custom {
            allowed: "http or close",
            set: |s, v| refuse_by(v.text()?).map(|way| s.refuse_by = way),
            show: |s| show_refuse_by(s.refuse_by).into(),
        },
    },
    Key {
        name: "auth.wrong_password_status",
        default: "403",
        doc: "Status of the answer to a wrong Basic credential",
        kind: Kind::Custom {
            allowed: "403 or 401",
            set: |s, v| wrong_password_status(v).map(|status| s.wrong_password_status = status),
            show: |s| s.wrong_password_status.to_string(),
        },
    },
    Key {
        name: "auth.allow_plain",
        default: "false",
        doc: "Whether credentials may travel over a plain listener that is not loopback",
        kind: Kind::Boolean(field!(allow_plain)),
    },
    Key {
        name: "auth.users_file",
        default: "",
        doc: "File of the users, a line name:hash for each, as barewire hash-password prints it",
        kind: Kind::File(field!(users_file)),
    },
    Key {
        name: "auth.hash_workers",
        default: "1",
        doc: "Threads that hash the passwords of the users in the file",
        kind: Kind::Count(1..=HASH_WORKERS_MAX, field!(hash_workers)),
    },
    Key {
        name: "auth.jwt_algorithm",
        default: "HS256",
        doc: "How tokens are signed; a token of another algorithm is refused",
        kind: Kind::Custom {
            allowed: "HS256, RS256, ES256 or EdDSA",
            set: |s, v| token_algorithm(v.text()?).map(|algorithm| s.jwt_algorithm = algorithm),
            show: |s| s.jwt_algorithm.to_string(),
        },
    },
    Key {
        name: "auth.jwt_secret_file",
        default: "",
        doc: "File of the secret for HS256, its bytes as they are but for one newline at the end",
        kind: Kind::File(field!(jwt_secret_file)),
    },
    Key {
        name: "auth.jwt_public_key_file",
        default: "",
        doc: "PEM file of the public key for the other algorithms",
        kind: Kind::File(field!(jwt_public_key_file)),
    },
    Key {
        name: "auth.jwt_audience",
        default: "",
        doc: "What a token's `aud` must be or hold; empty: tokens must not have one",
        kind: Kind::Custom {
            allowed: "any text",
            set: |s, v| v.text().map(|text| s.jwt_audience = given(text)),
            show: |s| s.jwt_audience.clone().unwrap_or_default(),
        },
    },
    Key {
        name: "auth.jwt_issuer",
        default: "",
        doc: "What a token's `iss` must be; empty: it does not count",
        kind: Kind::Custom {
            allowed: "any text",
            set: |s, v| v.text().map(|text| s.jwt_issuer = given(text)),
            show: |s| s.jwt_issuer.clone().unwrap_or_default(),
        },
    },
    Key {
        name: "auth.jwt_leeway",
        default: "30s",
        doc: "What a token's times may differ from this clock: it is good until `exp` and this, then 4401",
        kind: Kind::Duration(Duration::ZERO..=TOKEN_LEEWAY_MAX, field!(jwt_leeway)),
    },
    Key {
        name: "heartbeat.interval",
        default: "30s",
        doc: "Between two pings of a session; one silent for a whole interval is cut",
        kind: Kind::Duration(HEARTBEAT, field!(limits.heartbeat_interval)),
    },
    Key {
        name: "log.level",
        default: "info",
        doc: "The least severe level that is logged",
        kind: Kind::Custom {
            allowed: "off, error, warn, info, debug or trace",
            set: |s, v| log_level(v.text()?).map(|level| s.log_level = level),
            show: |s| s.log_level.as_str().to_ascii_lowercase(),
        },
    },
    Key {
        name: "log.format",
        default: "text",
        doc: "A line of the log as text, or as a JSON object",
        kind: Kind::Custom {
            allowed: "text or json",
            set: |s, v| log_format(v.text()?).map(|format| s.log_format = format),
            show: |s| s.log_format.to_string(),
        },
    },
    Key {
        name: "limits.message_bytes",
        default: "1MiB",
        doc: "Largest message, in bytes after inflating; past it 1009",
        kind: Kind::Size(1..=MESSAGE_BYTES_MAX, field!(limits.message_bytes)),
    },
    Key {
        name: "limits.send_queue_bytes",
        default: "1MiB",
        doc: "What may wait for one session to read, in bytes; a broadcast past it cuts the session with 1013",
        kind: Kind::Size(SEND_QUEUE_BYTES_MIN..=MESSAGE_BYTES_MAX, field!(limits.send_queue_bytes)),
    },
    Key {
        name: "limits.connections",
        default: "10000",
        doc: "Connections at once, HTTP ones too, and never past the open-file limit; past it 503",
        kind: Kind::Count(COUNT, field!(limits.connections)),
    },
    Key {
        name: "limits.connections_per_ip",
        default: "0",
        doc: "Connections from one address, or one IPv6 network of 64 bits; past it 429; 0: no limit",
        kind: Kind::Count(COUNT_OR_OFF, field!(limits.connections_per_ip)),
    },
    Key {
        name: "limits.pre_auth_connections",
        default: "2000",
        doc: "Connections that have not said who they are; past it the oldest of them is dropped",
        kind: Kind::Count(COUNT, field!(limits.pre_auth_connections)),
    },
    Key {
        name: "limits.auth_failures_per_minute",
        default: "30",
        doc: "Wrong credentials from one address; past it 429 until the minute is over; 0: no limit",
        kind: Kind::Count(COUNT_OR_OFF, field!(limits.auth_failures_per_minute)),
    },
    Key {
        name: "limits.messages_per_window",
        default: "100",
        doc: "Messages of one session within limits.window; past it each is an error, after 100 errors 1008; 0: no limit",
        kind: Kind::Count(COUNT_OR_OFF, field!(limits.messages_per_window)),
    },
    Key {
        name: "limits.window",
        default: "60s",
        doc: "The span in which messages are counted",
        kind: Kind::Duration(TIMEOUT, field!(limits.window)),
    },
    Key {
        name: "limits.rate_algorithm",
        default: "window",
        doc: "window: counted afresh with the first message after its end; bucket: what was used comes back evenly",
        kind: Kind::Custom {
            allowed: "window or bucket",
            set: |s, v| rate_algorithm(v.text()?).map(|algorithm| s.limits.rate_algorithm = algorithm),
            show: |s| show_rate_algorithm(s.limits.rate_algorithm).into(),
        },
    },
    Key {
        name: "limits.control_frames_per_second",
        default: "10",
        doc: "Pings and pongs of one session, five times as many at once; past it 1008; 0: no limit",
        kind: Kind::Count(COUNT_OR_OFF, field!(limits.control_frames_per_second)),
    },
    Key {
        name: "limits.max_memory",
        default: "512MiB",
        doc: "What all peers together can make the process hold; near it 503, at it the heaviest session gets 1013",
        kind: Kind::Size(MAX_MEMORY_MIN..=MAX_MEMORY_MAX, field!(limits.max_memory)),
    },
    Key {
        name: "limits.head_bytes",
        default: "8KiB",
        doc: "Request head, in bytes with its blank line; past it 431 or 414",
        kind: Kind::Size(HEAD_BYTES_MIN..=HEAD_BYTES_MAX, field!(limits.head_bytes)),
    },
    Key {
        name: "limits.headers",
        default: "64",
        doc: "Header lines of a request head; past it 431",
        kind: Kind::Count(1..=HEADERS_MAX, field!(limits.headers)),
    },
    Key {
        name: "limits.head_timeout",
        default: "10s",
        doc: "For the TLS handshake and the request head together; then 408",
        kind: Kind::Duration(TIMEOUT, field!(limits.head_timeout)),
    },
    Key {
        name: "limits.keep_alive_timeout",
        default: "60s",
        doc: "Between two requests of one connection; then it is closed",
        kind: Kind::Duration(TIMEOUT, field!(limits.keep_alive_timeout)),
    },
    Key {
        name: "limits.close_timeout",
        default: "5s",
        doc: "For the close handshake; then the socket is dropped",
        kind: Kind::Duration(TIMEOUT, field!(limits.close_timeout)),
    },
    Key {
        name: "limits.write_stall_timeout",
        default: "30s",
        doc: "Queued bytes without any progress; then the socket is dropped",
        kind: Kind::Duration(TIMEOUT, field!(limits.write_stall_timeout)),
    },
    Key {
        name: "limits.fragments",
        default: "1024",
        doc: "Fragments of one message; past it 1008",
        kind: Kind::Count(COUNT, field!(limits.fragments)),
    },
    Key {
        name: "limits.message_timeout",
        default: "30s",
        doc: "From the first byte of a message to its last; then 1008",
        kind: Kind::Duration(TIMEOUT, field!(limits.message_timeout)),
    },
    Key {
        name: "limits.channels_per_session",
        default: "128",
        doc: "Channels of one session; past it an error, the session stays",
        kind: Kind::Count(COUNT, field!(limits.channels_per_session)),
    },
    Key {
        name: "deflate.enabled",
        default: "true",
        doc: "Whether messages may be deflated (RFC 7692); false: offers are declined",
        kind: Kind::Boolean(field!(deflate.enabled)),
    },
    Key {
        name: "deflate.level",
        default: "6",
        doc: "How hard to deflate messages up to 16 KiB, 1 least and 9 most; larger ones are deflated at 1",
        kind: Kind::Small(DEFLATE_LEVELS, field!(deflate.level)),
    },
    Key {
        name: "deflate.min_bytes",
        default: "512",
        doc: "Smaller messages are sent as they are",
        kind: Kind::Size(0..=MESSAGE_BYTES_MAX, field!(deflate.min_bytes)),
    },
    Key {
        name: "deflate.server_max_window_bits",
        default: "15",
        doc: "Largest window of what is sent, as a power of two",
        kind: Kind::Small(WINDOW_BITS, field!(deflate.server_max_window_bits)),
    },
    Key {
        name: "deflate.server_context_takeover",
        default: "false",
        doc: "Whether what is sent may refer to earlier messages; 254 to 380 KiB for each session",
        kind: Kind::Boolean(field!(deflate.server_context_takeover)),
    },
    Key {
        name: "deflate.client_context_takeover",
        default: "false",
        doc: "Whether what clients send may refer to earlier messages; 48 KiB for each session",
        kind: Kind::Boolean(field!(deflate.client_context_takeover)),
    },
    Key {
        name: "deflate.takeover_sessions",
        default: "64",
        doc: "Sessions at once with a takeover of either kind; past it without",
        kind: Kind::Count(COUNT_OR_OFF, field!(deflate.takeover_sessions)),
    },
    Key {
        name: "drain.spread",
        default: "0s",
        doc: "Over which sessions are closed with 1012 when the server stops; 0s: all at once, with 1001",
        kind: Kind::Duration(Duration::ZERO..=DRAIN_SPREAD_MAX, field!(drain_spread)),
    },
    Key {
        name: "net.send_buffer_bytes",
        default: "64KiB",
        doc: "SO_SNDBUF of an accepted socket, in bytes; 0: the system's",
        kind: Kind::Size(0..=MESSAGE_BYTES_MAX, field!(send_buffer_bytes)),
    },
];

impl Key {
    /// The key of this name.
    pub fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }
}

const ADDRESSES: &str = "addresses with a port, such as 127.0.0.1:8443 or [::1]:8443";

fn join(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an address with a port"))
}

fn path(text: &str) -> Result<String, String> {
    match text {
        "/health" => Err("the path of the health check".into()),
        _ if text.is_empty() || is_path(text) => Ok(text.into()),
        _ => Err("not a path".into()),
    }
}

fn token(text: &str) -> Result<String, String> {
    if is_token(text.as_bytes()) { Ok(text.into()) } else { Err(format!("{text:?} is not a token")) }
}

fn rate_algorithm(text: &str) -> Result<RateAlgorithm, String> {
    let known = [RateAlgorithm::Window, RateAlgorithm::Bucket];
    let named = known.into_iter().find(|algorithm| show_rate_algorithm(*algorithm) == text);
    named.ok_or_else(|| "not an algorithm".into())
}

fn show_rate_algorithm(algorithm: RateAlgorithm) -> &'static str {
    match algorithm {
        RateAlgorithm::Window => "window",
        RateAlgorithm::Bucket => "bucket",
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    LogFormat::ALL.into_iter().find(|format| format.to_string() == text).ok_or_else(|| "not a format".into())
}

fn log_level(text: &str) -> Result<log::LevelFilter, String> {
    let level = log::LevelFilter::iter().find(|level| level.as_str().eq_ignore_ascii_case(text));
    level.ok_or_else(|| "not a level".into())
}
