//! The rules of the house that no compiler and no lint knows: what a file's head must say, who may use whom, which
//! things have one home, which words are banned. Each offence names file, line, rule, and what to do instead.
//!
//! Rules are looked for in code alone: comments and the contents of literals are blanked first.
//!
//! Not here: what the lints of `Cargo.toml` and `clippy.toml` see (panics, casts, long functions, missing docs).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// The table of arrows: each room of `src` and what it may use beside itself. Nothing points up.
const ARROWS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("error", &[]),
    ("time", &[]),
    ("wire", &["limits", "error", "time"]),
    ("auth", &["limits", "error", "time", "wire"]),
    ("engine", &["limits", "error", "time", "wire", "auth"]),
    ("app", &["limits", "error", "time", "wire", "auth", "engine"]),
    ("net", &["limits", "error", "time", "wire", "auth", "engine"]),
    ("client", &["limits", "error", "time", "wire", "auth", "engine", "net"]),
    // The program is a crate of its own: it reaches the library as `barewire::`.
    ("daemon", &[]),
];

/// Things that have one home in `src`.
struct Fence {
    /// As whole words of code.
    words: &'static [&'static str],
    /// Files, or folders ending in `/`.
    homes: &'static [&'static str],
    instead: &'static str,
}

const FENCES: &[Fence] = &[
    Fence {
        words: &["Instant", "SystemTime", "UNIX_EPOCH"],
        homes: &["src/net/io.rs", "src/daemon/"],
        instead: "take `Now` as an argument: the clock is read once a turn",
    },
    Fence {
        words: &["mio", "socket2", "TcpListener", "UdpSocket", "UnixStream", "UnixListener"],
        homes: &["src/net/"],
        instead: "sockets and the poller stay in net/; take and return bytes",
    },
    // `barewire health` is a process of its own that asks one question and ends: it has no loop to put a socket into.
    Fence {
        words: &["TcpStream"],
        homes: &["src/net/", "src/daemon/health.rs"],
        instead: "sockets stay in net/; take and return bytes",
    },
    Fence {
        words: &["fs"],
        homes: &["src/daemon/"],
        instead: "let the daemon read the file and pass on what it holds",
    },
    // A generator with a seed is as good as an argument.
    Fence {
        words: &["rand"],
        homes: &["src/daemon/", "src/wire/websocket/mask.rs", "src/client/reconnector.rs"],
        instead: "take the seed as an argument: the same seed gives the same run",
    },
    // A client's masking keys must be such that nobody can guess them (RFC 6455, section 10.3): the operating system is asked
    // for the seed of each session's, behind `Io` like every call, so that a test has its own.
    Fence {
        words: &["getrandom", "fastrand", "RandomState"],
        homes: &["src/daemon/", "src/net/io.rs"],
        instead: "take the seed as an argument: the same seed gives the same run",
    },
    Fence {
        words: &["sleep"],
        homes: &["src/daemon/"],
        instead: "set a timer: a thread that sleeps holds up every session of the loop",
    },
];

/// What no code holds, here or in the tests.
const BANNED: &[(&str, &str)] = &[
    ("unsafe", "write it safely: there is no exception"),
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "log it, or assert it"),
    ("#[ignore", "mend the test, or delete it"),
];

/// Names that say nothing of what is in a room.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "manager", "inner"];

const LINES_MAX: usize = 600;

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "examples", "benches", "fuzz/src", "fuzz/fuzz_targets"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.iter().any(|file| file.ends_with("src/lib.rs")), "no sources under {}", root.display());
    let exists = |path: &str| root.join(path).exists();
    let mut offences = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        offences.extend(inspect(&path, &fs::read_to_string(&file).unwrap(), &exists));
    }
    assert!(offences.is_empty(), "{} offences:\n{}\n", offences.len(), offences.join("\n"));
}

/// Every `.rs` file below `folder`, in the order of their names.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// All offences of one file. `exists` says whether a path from the root of the package is there.
fn inspect(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    let mut report = |line: usize, rule: &str, instead: &str| {
        offences.push(format!("{path}:{}: {rule}: {instead}", line + 1));
    };
    check_head(path, text, exists, &mut report);
    let lines = text.lines().count();
    if lines > LINES_MAX {
        report(
            lines - 1,
            &format!("{lines} lines, at most {LINES_MAX}"),
            "find the second concern in it, and give it a file",
        );
    }
    let is_source = path.starts_with("src/");
    for (number, line) in code(text).lines().enumerate() {
        for (banned, instead) in BANNED {
            if holds(line, banned) {
                report(number, &format!("`{banned}` is banned"), instead);
            }
        }
        if is_source {
            check_names(number, line, &mut report);
            check_fences(path, number, line, &mut report);
            check_arrows(path, number, line, &mut report);
        }
    }
    if let Some(name) = path.split(['/', '.']).find(|name| is_source && EMPTY_NAMES.contains(name)) {
        report(0, &format!("a file or folder named `{name}`"), "name it after what is in it");
    }
    offences
}

/// Habit 1: a head that says what is in the room, and where its neighbours are.
fn check_head(path: &str, text: &str, exists: &dyn Fn(&str) -> bool, report: &mut dyn FnMut(usize, &str, &str)) {
    let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    if head.is_empty() {
        return report(0, "no `//!` on the first line", "say what is in the room");
    }
    if !path.starts_with("src/") {
        return;
    }
    if !head.iter().any(|line| line.contains("Not here:")) {
        report(0, "no `Not here:` in the head", "name the neighbour who has what one might look for in here");
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    let places = [String::new(), "src/".into(), format!("{folder}/"), format!("{parent}/")];
    for (number, line) in head.iter().enumerate().skip_while(|(_, line)| !line.contains("Not here:")) {
        for named in line.split('`').skip(1).step_by(2).filter(|text| is_path(text)) {
            if !places.iter().any(|place| exists(&format!("{place}{named}"))) {
                report(number, &format!("no neighbour `{named}`"), "name the file that is meant");
            }
        }
    }
}

fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.".contains(c));
    plain && (text.ends_with('/') || text.ends_with(".rs"))
}

/// Habit 9: names say what a thing is.
fn check_names(number: usize, line: &str, report: &mut dyn FnMut(usize, &str, &str)) {
    let words: Vec<&str> = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        match pair {
            ["mod", name] if EMPTY_NAMES.contains(name) => {
                report(number, &format!("a module named `{name}`"), "name it after what is in it");
            }
            ["fn", name] if name.starts_with("get_") => {
                report(number, &format!("`{name}`"), "a getter has the name of what it gets");
            }
            _ => {}
        }
    }
}

/// Habit 2: what has one home is used nowhere else.
fn check_fences(path: &str, number: usize, line: &str, report: &mut dyn FnMut(usize, &str, &str)) {
    for fence in FENCES {
        let is_home = fence.homes.iter().any(|home| path == *home || (home.ends_with('/') && path.starts_with(home)));
        for word in fence.words.iter().filter(|word| !is_home && holds(line, word)) {
            let homes = fence.homes.join(" or ");
            report(number, &format!("`{word}` outside {homes}"), fence.instead);
        }
    }
}

/// The table of arrows.
fn check_arrows(path: &str, number: usize, line: &str, report: &mut dyn FnMut(usize, &str, &str)) {
    let Some(room) = room_of(path) else { return };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        return report(number, &format!("the room `{room}` is not in the table of arrows"), "decide whom it may use");
    };
    let after_crate = line
        .match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with(['$', '_']))
        .map(|(at, found)| at + found.len());
    for target in after_crate.map(|at| leading_word(&line[at..])) {
        let is_room = ARROWS.iter().any(|(name, _)| *name == target);
        if !is_room {
            report(
                number,
                &format!("`crate::{target}` is no room"),
                "name the room a thing comes from, one `use` each",
            );
        } else if target != room && !allowed.contains(&target) {
            let rule = format!("`{room}` uses `{target}`");
            report(number, &rule, &format!("it may use {allowed:?} only; move what is needed down, or pass it in"));
        }
    }
    if line.contains("super::super") {
        report(number, "`super::super`", "write it from `crate::`, so that the arrow can be seen");
    }
    // Right at the door of a room `super` is the house.
    let is_door = path.matches('/').count() == 1 || path == format!("src/{room}/mod.rs");
    for (at, found) in line.match_indices("super::").filter(|_| is_door) {
        let target = leading_word(&line[at + found.len()..]);
        if ARROWS.iter().any(|(name, _)| *name == target) {
            report(number, &format!("`super::{target}`"), "write it from `crate::`, so that the arrow can be seen");
        }
    }
}

/// The first part of the path below `src`; none for the two roots, which hold no logic.
fn room_of(path: &str) -> Option<&str> {
    let room = path.strip_prefix("src/")?.split(['/', '.']).next()?;
    (!matches!(room, "lib" | "main")).then_some(room)
}

fn leading_word(text: &str) -> &str {
    text.split(|c: char| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `line` holds `text` with no word running on at an end of it that is a word's.
fn holds(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let runs_on = |end: Option<char>, next: Option<char>| end.is_some_and(is_word) && next.is_some_and(is_word);
        let before = line[..at].chars().next_back();
        let after = line[at + text.len()..].chars().next();
        !runs_on(text.chars().next(), before) && !runs_on(text.chars().next_back(), after)
    })
}

/// The text with comments and the contents of literals blanked, line for line.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let follows_word = out.chars().next_back().is_some_and(is_word);
        let (length, is_code) = match literal_or_comment(rest, follows_word) {
            Some(length) => (length, false),
            None => (first.len_utf8(), true),
        };
        let (taken, behind) = rest.split_at(length);
        if is_code {
            out.push_str(taken);
        } else {
            out.extend(taken.chars().map(|c| if c == '\n' { c } else { ' ' }));
        }
        rest = behind;
    }
    out
}

/// The length of the comment or literal that `text` begins with, if it does.
fn literal_or_comment(text: &str, follows_word: bool) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    let is_prefixed = !follows_word && text.starts_with(['r', 'b', 'c']);
    let body = if is_prefixed { text.trim_start_matches(['r', 'b', 'c']) } else { text };
    let prefix = text.len() - body.len();
    if prefix > 2 {
        return None;
    }
    let hashes = body.len() - body.trim_start_matches('#').len();
    if text[..prefix].contains('r') && body[hashes..].starts_with('"') {
        let end = format!("\"{}", &body[..hashes]);
        let inside = &body[hashes + 1..];
        let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
        return Some(prefix + hashes + 1 + length);
    }
    let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = &body[1..];
    // A quote that nothing closes right behind its character begins a lifetime.
    let is_character = inside.starts_with('\\') || inside.chars().nth(1) == Some('\'');
    if quote == '\'' && !is_character {
        return None;
    }
    Some(prefix + 1 + quoted(inside, quote))
}

/// The length up to and with the closing quote.
fn quoted(inside: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in inside.char_indices() {
        if c == quote && !is_escaped && (quote == '"' || at > 0) {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    inside.len()
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(next) = text[at..].find(['/', '*']) {
        at += next;
        match &text.as_bytes()[at..text.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

#[test]
fn each_rule_catches_its_offence() {
    const HEAD: &str = "//! A room. Not here: another.\n";
    let offences = [
        ("src/wire/x.rs", "fn f() {}", "src/wire/x.rs:1: no `//!`"),
        ("tests/x.rs", "fn f() {}", "tests/x.rs:1: no `//!`"),
        ("examples/x.rs", "// x", "examples/x.rs:1: no `//!`"),
        ("src/wire/x.rs", "//! A room.", "src/wire/x.rs:1: no `Not here:`"),
        ("src/wire/x.rs", "//! A room.\n//! Not here: x (`y.rs`).", "src/wire/x.rs:2: no neighbour `y.rs`"),
        ("src/engine/x.rs", "HEAD\nlet t = Instant::now();", "src/engine/x.rs:3: `Instant` outside"),
        ("src/net/server.rs", "HEAD use std::time::SystemTime;", "`SystemTime` outside src/net/io.rs or src/daemon/"),
        ("src/engine/x.rs", "HEAD use mio::Poll;", "`mio` outside src/net/"),
        ("src/daemon/x.rs", "HEAD use std::net::TcpStream;", "`TcpStream` outside src/net/ or src/daemon/health.rs"),
        ("src/daemon/health.rs", "HEAD use std::net::TcpListener;", "`TcpListener` outside src/net/"),
        ("src/net/x.rs", "HEAD std::fs::read(path)", "`fs` outside src/daemon/"),
        ("src/net/x.rs", "HEAD use getrandom::fill;", "`getrandom` outside src/daemon/"),
        ("src/net/x.rs", "HEAD thread::sleep(t)", "`sleep` outside src/daemon/"),
        ("src/wire/x.rs", "HEAD use crate::auth::Identity;", "`wire` uses `auth`"),
        ("src/limits.rs", "HEAD use crate::error::Error;", "`limits` uses `error`"),
        ("src/engine/x/y.rs", "HEAD use crate::app::Router;", "`engine` uses `app`"),
        ("src/net/x.rs", "HEAD let x = crate::app::Router;", "`net` uses `app`"),
        ("src/app/x.rs", "HEAD use crate::net::Server;", "`app` uses `net`"),
        ("src/auth/x.rs", "HEAD use crate::Engine;", "`crate::Engine` is no room"),
        ("src/app/x.rs", "HEAD use crate::{net, wire};", "`crate::` is no room"),
        ("src/auth/x.rs", "HEAD use super::super::engine::Engine;", "`super::super`"),
        ("src/auth/mod.rs", "HEAD use super::engine::Engine;", "`super::engine`"),
        ("src/error.rs", "HEAD use super::wire::Engine;", "`super::wire`"),
        ("src/cellar/x.rs", "HEAD", "the room `cellar` is not in the table of arrows"),
        ("src/wire/utils.rs", "HEAD", "a file or folder named `utils`"),
        ("src/wire/common/x.rs", "HEAD", "a file or folder named `common`"),
        ("src/wire/x.rs", "HEAD mod inner {}", "a module named `inner`"),
        ("src/wire/x.rs", "HEAD pub fn get_it() {}", "`get_it`"),
        ("src/wire/x.rs", "HEAD unsafe { }", "`unsafe` is banned"),
        ("tests/x.rs", "HEAD todo!()", "`todo!` is banned"),
        ("tests/x.rs", "HEAD unimplemented!()", "`unimplemented!` is banned"),
        ("examples/x.rs", "HEAD dbg!(1)", "`dbg!` is banned"),
        ("tests/x.rs", "HEAD #[ignore = \"slow\"]", "`#[ignore` is banned"),
    ];
    for (path, text, expected) in offences {
        let found = inspect(path, &text.replace("HEAD", HEAD), &|_| false);
        assert!(found.len() == 1 && found[0].contains(expected), "{path}: {text}: {found:?}");
    }
}

#[test]
fn a_file_has_600_lines_and_not_one_more() {
    let file = |lines: usize| format!("//! Not here: x.\n{}", "\n".repeat(lines - 1));
    assert_eq!(inspect("src/wire/x.rs", &file(LINES_MAX), &|_| true), [""; 0]);
    assert_eq!(inspect("src/wire/x.rs", &file(LINES_MAX + 1), &|_| true).len(), 1);
}

#[test]
fn what_is_allowed_is_no_offence() {
    const HEAD: &str = "//! A room. Not here: another (`net/`, `y.rs`, `z.rs`).\n";
    let exists = |path: &str| ["src/net/", "src/wire/y.rs", "z.rs"].contains(&path);
    for (path, text) in [
        ("src/net/io.rs", "use std::time::{Instant, SystemTime}; use mio::Poll;"),
        ("src/daemon/x.rs", "std::fs::read(p); getrandom::fill(&mut b); use crate::daemon::say;"),
        ("src/net/x.rs", "use crate::engine::Engine; use crate::wire::http::Response; use crate::net::y;"),
        ("src/auth/x.rs", "use crate::wire::http::RequestHead; use super::Attempt;"),
        ("src/lib.rs", "pub use net::Server;"),
        ("tests/x.rs", "use std::time::Instant; mod common;"),
        ("src/app/x.rs", "// crate::net::Server, unsafe, todo!, Instant"),
        ("src/app/x.rs", "/* unsafe /* dbg!() */ unsafe */ let unsafely = 1;"),
        ("src/app/x.rs", r##"let x = ("unsafe \" mio", r#"todo!() " rand"#, b"fs", 'f', '\'', '"', "mio");"##),
        ("src/app/x.rs", "fn x<'a>(a: &'a str) {} macro_rules! y { () => { $crate::net } }"),
        ("src/wire/x.rs", "let operands = 1; let dfs = 2; fn target() {} fn timer_instant() {}"),
    ] {
        // Another folder's head may point to what is not there.
        let head = if path.starts_with("src/wire/") { HEAD } else { "//! A room. Not here: another.\n" };
        assert_eq!(inspect(path, &format!("{head}{text}"), &exists), [""; 0], "{text}");
    }
}

#[test]
fn literals_and_comments_are_blanked_line_for_line() {
    let table = [
        ("a // b\nc", "a     \nc"),
        ("a /* b\nc */ d", "a     \n     d"),
        ("(\"a\nb\\\"\", c)", "(  \n    , c)"),
        ("r\"\\\" a", "     a"),
        ("r##\"a\"# b\"## c", "             c"),
        ("b'x' br\"y\" c", "           c"),
        ("'\\\\' 'a 'b' x: 'static", "     'a     x: 'static"),
        ("bar\"x\"", "bar   "),
        ("\"never closed", "             "),
    ];
    for (text, blanked) in table {
        assert_eq!(code(text), blanked, "{text:?}");
    }
}
