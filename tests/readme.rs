//! README.md tells the truth: its tables of the wire protocol hold what the sources hold, no row more and none less;
//! its numbers are the constants; its example is the compiled one; its links lead somewhere.
//!
//! Not here: the tables of keys and flags, which the program compares itself (`daemon/config`, `daemon/cli.rs`); the
//! lines to try, which are run against the program (`tests/interop/`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::Path;

use barewire::client::{Backoff, ClientConfig};
use barewire::limits;

const README: &str = include_str!("../README.md");
const LIB: &str = include_str!("../src/lib.rs");
const ERRORS: &str = include_str!("../src/error.rs");
const MESSAGES: &str = include_str!("../src/wire/message.rs");
const INCOMING: &str = include_str!("../src/wire/message/incoming.rs");
const OUTGOING: &str = include_str!("../src/wire/message/outgoing.rs");
const ROUTER: &str = include_str!("../src/app/router.rs");
const BROWSER_CLIENT: &str = include_str!("../src/app/web/barewire-client.js");
const BROWSER_TYPES: &str = include_str!("../src/app/web/barewire-client.d.ts");
const ANSWERS: &[&str] = &[
    include_str!("../src/app/routes.rs"),
    include_str!("../src/app/web.rs"),
    include_str!("../src/auth/methods.rs"),
    include_str!("../src/engine/session/head.rs"),
    include_str!("../src/wire/http/head.rs"),
    include_str!("../src/wire/http/origin.rs"),
    include_str!("../src/wire/http/response.rs"),
    include_str!("../src/wire/http/scanner.rs"),
    include_str!("../src/wire/http/upgrade.rs"),
];

/// The rows of the one table below a heading, cell by cell, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let below = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}")).1;
    let table = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> =
        table.skip(2).map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
    assert!(!rows.is_empty(), "no table below {heading:?}");
    rows
}

/// The first column, each word once.
fn first_cells(heading: &str) -> BTreeSet<&'static str> {
    let rows = rows(heading);
    let cells: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(cells.len(), rows.len(), "a row of {heading:?} stands there twice");
    cells
}

/// The first fenced block of this kind, without its fences.
fn block(kind: &str) -> &'static str {
    README.split_once(&format!("```{kind}\n")).unwrap().1.split_once("\n```").unwrap().0
}

/// What is not there for tests alone.
fn shipped(source: &'static str) -> &'static str {
    source.split("#[cfg(test)]").next().unwrap_or_default()
}

/// What stands in quotes, in turn.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// Every `"type":"…"` of a text.
fn types(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(r#""type":""#).skip(1).map(|rest| rest.split('"').next().unwrap_or_default())
}

/// Compares the lines with what stands around them left out.
fn trimmed(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_close_code_and_reason_has_a_row() {
    let told: BTreeSet<(String, &str)> = rows("### Close codes").iter().map(|row| (row[0].into(), row[1])).collect();
    let sent = shipped(ERRORS).lines().filter_map(|line| {
        let (code, rest) = line.split_once("=> (")?.1.split_once(", \"")?;
        Some((code.to_string(), rest.split('"').next()?))
    });
    assert_eq!(told, sent.collect());
}

#[test]
fn every_code_of_an_error_has_a_row() {
    let told: BTreeSet<&str> =
        first_cells("### Errors").iter().filter_map(|cell| cell.strip_prefix('`')?.strip_suffix('`')).collect();
    let is_code =
        |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
    let of_texts = shipped(MESSAGES).lines().filter(|line| line.contains("=> \"")).flat_map(literals);
    let of_rules = ROUTER.lines().filter(|line| line.contains("refuse(engine")).flat_map(literals);
    assert_eq!(told, of_texts.chain(of_rules).filter(is_code).collect());
}

#[test]
fn every_type_of_message_has_a_row() {
    let told = |heading: &str| -> BTreeSet<&str> { rows(heading).iter().flat_map(|row| types(row[0])).collect() };
    let parse = shipped(INCOMING).split_once("match &*kind {").unwrap().1.split_once("unknown =>").unwrap().0;
    let arms = parse.lines().filter_map(|line| Some(line.split_once("=>")?.0)).flat_map(literals);
    assert_eq!(told("### From the client"), arms.collect());
    assert_eq!(told("### From the server"), types(shipped(OUTGOING)).collect());
}

/// The names before the first of `ends` on each line that is indented by two, from the line `from` to the next `}`.
fn fields<'a>(text: &'a str, from: &str, ends: &[char]) -> BTreeSet<&'a str> {
    let block = text.split_once(from).unwrap().1.split_once("\n}").unwrap().0;
    let names = block.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(ends)).map(|(name, _)| name);
    names.filter(|name| !name.is_empty() && name.chars().all(char::is_alphanumeric)).collect()
}

#[test]
fn every_option_and_event_of_the_browser_client_has_a_row_and_a_type() {
    let told = |heading: &str| -> BTreeSet<&str> {
        rows(heading).iter().flat_map(|row| row[0].split(", ").map(|name| name.trim_matches('`'))).collect()
    };
    let options = fields(BROWSER_CLIENT, "const KEYS = {", &[':']);
    assert_eq!(told("### Options"), options);
    assert_eq!(fields(BROWSER_TYPES, "export interface Config {", &['?']), options);
    let fired = BROWSER_CLIENT.split("eventOf('").skip(1).filter_map(|rest| Some(rest.split_once('\'')?.0));
    let fired: BTreeSet<&str> = fired.chain(["message"]).collect();
    assert_eq!(told("### Events"), fired);
    assert_eq!(fields(BROWSER_TYPES, "export interface Events {", &[':']), fired);
}

#[test]
fn every_status_has_a_row() {
    let mut sent = BTreeSet::new();
    for source in ANSWERS {
        for before in
            ["Refusal::new(", "Response::new(", "Response::text(", "Response::json(", "HTTP/1.1 ", "{ (", "else { ("]
        {
            let after = shipped(source).split(before).skip(1);
            sent.extend(after.filter_map(|rest| rest.get(..3)).filter(|status| status.parse::<u16>().is_ok()));
        }
    }
    assert_eq!(first_cells("## HTTP"), sent);
}

#[test]
fn the_fixed_limits_are_the_constants() {
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    assert_eq!(limits::CHANNEL_NAME_BYTES, limits::USER_ID_BYTES, "they share a row");
    let expected = [
        kib(limits::MESSAGE_BYTES_UNAUTHENTICATED),
        format!("{} B", limits::CHANNEL_NAME_BYTES),
        limits::JSON_DEPTH.to_string(),
        kib(limits::TOKEN_BYTES),
        format!("{}; {} B", kib(limits::PASSWORD_BYTES), limits::BCRYPT_PASSWORD_BYTES),
        format!("{}; {}", limits::HASHES_WAITING_PER_WORKER, limits::HASHES_WAITING_PER_ADDRESS),
        kib(limits::BODY_BYTES),
        limits::LIST_ITEMS.to_string(),
        format!(
            "{}, {} frames; {} inside one large frame",
            kib(limits::READ_BYTES_PER_TURN),
            limits::FRAMES_PER_TURN,
            kib(limits::READ_BYTES_PER_TURN_BULK)
        ),
        format!("{} sessions", limits::BULK_READS_PER_TURN),
        format!(
            "{}, or {} of input; of a larger message {} of input or {} of output",
            kib(limits::READ_BYTES_PER_TURN),
            kib(limits::INFLATE_INPUT_PER_STEP),
            kib(limits::INFLATE_INPUT_PER_STEP),
            kib(limits::READ_BYTES_PER_TURN_BULK)
        ),
        format!("{} sessions", limits::INFLATIONS_PER_TURN),
        format!(
            "{}; of messages above {} an {}th counts",
            kib(limits::DEFLATE_BYTES_PER_TURN),
            kib(limits::DEFLATE_LARGE_BYTES),
            limits::DEFLATE_LARGE_PART
        ),
        format!("{} connections", limits::ACCEPTS_PER_TURN),
        limits::REFUSALS_PER_WINDOW.to_string(),
        format!("`limits.message_bytes` and {}", kib(limits::LINGER_BYTES)),
        format!("{} of an address ({})", limits::CONNECTIONS_PER_IP_OVERFLOW, limits::CONNECTIONS_OVERFLOW),
        limits::FAILING_ADDRESSES.to_string(),
        kib(limits::FLUSH_BYTES),
        kib(limits::SEND_QUEUE_PAUSE_BYTES),
    ];
    let told: Vec<&str> = rows("## Limits").iter().map(|row| row[1]).collect();
    assert_eq!(told, expected);
    let hardened = format!("messages up to {}", kib(limits::MESSAGE_BYTES_HARDENED));
    assert!(README.contains(&hardened), "{hardened}");
    let log =
        format!("at most {} lines of {} wait to be written", limits::LOG_LINES_WAITING, kib(limits::LOG_LINE_BYTES));
    assert!(README.contains(&log), "{log}");
    let own = format!("A message up to {} is then deflated for that session", kib(limits::DEFLATE_OWN_BYTES));
    assert!(README.contains(&own), "{own}");
    let compressor = |bits: u8| (limits::COMPRESSOR_BYTES + (4 << bits)) / 1024;
    let kept = format!(
        "each window in use ({} to {} KiB) and one decompressor ({})",
        compressor(9),
        compressor(15),
        kib(limits::DECOMPRESSOR_BYTES)
    );
    assert!(README.contains(&kept), "{kept}");
    let health = format!("gives up after {} seconds", limits::HEALTH_TIMEOUT.as_secs());
    assert!(README.contains(&health), "{health}");
}

#[test]
fn what_is_said_of_the_client_is_what_it_does_by_default() {
    let config = ClientConfig::new("wss://example.org/ws");
    let list = |codes: &[u16]| codes.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let Backoff { initial_delay, max_delay, factor, jitter } = config.backoff;
    let expected = [
        ("`allow_plain`", format!("`{}`", config.allow_plain)),
        ("`authenticate_by`", format!("`{:?}`", config.authenticate_by)),
        ("`backoff`", format!("{initial_delay:?}, {max_delay:?}, {factor}, {jitter:?}")),
        ("`min_uptime`", config.min_uptime.as_secs().to_string()),
        ("`queue_bytes`", config.queue_bytes.to_string()),
        ("`terminal_codes`", list(&config.terminal_codes)),
        ("`terminal_statuses`", list(&config.terminal_statuses)),
    ];
    let plain = |text: &str| text.replace(' ', "").to_lowercase();
    let rows = rows("## The client half");
    for (field, default) in expected {
        let row = rows.iter().find(|row| row[0] == field).unwrap_or_else(|| panic!("no row of {field}"));
        assert_eq!(plain(row[1]), plain(&default), "{field}");
    }
    let none = rows.iter().filter(|row| row[1] == "none").map(|row| row[0]).collect::<Vec<_>>();
    assert_eq!(none, ["`protocols`, `headers`", "`credentials`", "`channels`", "`tls`"]);
    let text = README.replace('\n', " ");
    for told in [
        format!("up to {} % on top", limits::BACKOFF_JITTER * 100.0),
        format!("the first {} KiB of its body", limits::REFUSAL_BODY_BYTES / 1024),
        format!("each message with {} B more", limits::SEND_QUEUE_ENTRY_BYTES),
        format!("on up to {} threads", limits::RESOLVER_THREADS),
        format!("the first {} are tried", limits::ADDRESSES_TRIED),
        format!("each but the last for {} s.", limits::CONNECT_ADDRESS_TIMEOUT.as_secs()),
    ] {
        assert!(text.contains(&told), "{told}");
    }
}

#[test]
fn what_is_said_of_the_console_is_what_its_scripts_do() {
    let number = |script: &str, name: &str| -> usize {
        let rest = script.split_once(&format!("const {name} = ")).unwrap().1;
        rest.split(';').next().unwrap().parse().unwrap()
    };
    let entries = number(include_str!("../src/app/web/console-messages.js"), "ENTRIES");
    let interval = number(include_str!("../src/app/web/console.js"), "PING_INTERVAL");
    let (each_minute, of_all) = (60_000 / interval, limits::Limits::default().messages_per_window);
    assert_eq!(interval, 2000);
    for told in
        [format!("the last {entries} messages"), format!("A ping every two seconds ({each_minute} of the {of_all}")]
    {
        assert!(README.contains(&told), "{told}");
    }
}

#[test]
fn the_example_is_the_one_that_is_compiled() {
    let compiled = LIB.split_once("```no_run\n").unwrap().1.split_once("//! ```").unwrap().0;
    let lines: Vec<&str> = trimmed(compiled).iter().map(|line| line.trim_start_matches("//!").trim()).collect();
    let shown: Vec<&str> = lines.iter().map(|line| line.trim_start_matches("# ")).filter(|l| !l.is_empty()).collect();
    assert_eq!(trimmed(block("rust")), shown);
}

#[test]
fn the_turn_of_a_bridge_is_the_one_that_is_compiled() {
    let compiled = LIB.split("```no_run\n").nth(2).unwrap().split_once("//! ```").unwrap().0;
    let lines = trimmed(compiled).into_iter().map(|line| line.trim_start_matches("//!").trim());
    let turn: Vec<&str> =
        lines.skip_while(|line| !line.starts_with("dial(")).filter(|line| !line.starts_with('#')).collect();
    let shown = README.split_once("```rust\ndial(").unwrap().1.split_once("\n```").unwrap().0;
    assert_eq!(trimmed(&format!("dial({shown}")), turn);
}

#[test]
fn the_drawing_is_that_of_the_library() {
    let drawn: Vec<&str> = trimmed(LIB).iter().map(|line| line.trim_start_matches("//!").trim()).collect();
    let drawn: Vec<&str> = drawn.into_iter().filter(|line| !line.is_empty()).collect();
    let shown = trimmed(block("text"));
    assert!(drawn.windows(shown.len()).any(|lines| lines == shown), "src/lib.rs draws another way of a byte");
}

#[test]
fn every_link_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links: Vec<&str> = README.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(root.join(link).is_file(), "{link}");
    }
}

#[test]
fn the_version_of_rust_and_the_licence_are_those_of_the_package() {
    let (rust, licence) = (env!("CARGO_PKG_RUST_VERSION"), env!("CARGO_PKG_LICENSE"));
    assert!(README.contains(&format!("Rust {rust} or newer")), "{rust}");
    assert!(README.contains(licence), "{licence}");
    for command in ["cargo run --release", "cargo test"] {
        assert!(block("sh").lines().any(|line| line == command), "{command}");
    }
}
