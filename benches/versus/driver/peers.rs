//! The servers: how each is started, and what it can.
//!
//! Not here: what they are made of (`../src/bin/`, `../js/`, `../../../examples/echo.rs`).

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::ground::Ground;
use super::rows::{Row, Work};

/// Set for the process that is barewire's server.
pub const SERVE: &str = "BAREWIRE_VERSUS_SERVE";
/// The largest message that every server takes, in bytes.
pub const MESSAGE_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Barewire,
    Fastwebsockets,
    TokioTungstenite,
    /// With the sizes of buffers that are its default.
    TokioTungsteniteAsItIs,
    /// With a runtime of two threads.
    TokioTungsteniteThreads,
    Axum,
    Bun,
    Ws,
}

impl Peer {
    pub const ALL: [Peer; 8] = [
        Peer::Barewire,
        Peer::Fastwebsockets,
        Peer::TokioTungstenite,
        Peer::TokioTungsteniteAsItIs,
        Peer::TokioTungsteniteThreads,
        Peer::Axum,
        Peer::Bun,
        Peer::Ws,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Peer::Barewire => "barewire",
            Peer::Fastwebsockets => "fastwebsockets",
            Peer::TokioTungstenite => "tokio-tungstenite",
            Peer::TokioTungsteniteAsItIs => "tokio-tungstenite, 128 KiB buffers",
            Peer::TokioTungsteniteThreads => "tokio-tungstenite, 2 threads",
            Peer::Axum => "axum",
            Peer::Bun => "Bun",
            Peer::Ws => "ws",
        }
    }

    /// Whether it is another way to run one that is there already.
    pub fn is_variant(self) -> bool {
        matches!(self, Peer::TokioTungsteniteAsItIs | Peer::TokioTungsteniteThreads)
    }

    /// Whether it runs on tokio.
    pub fn is_async(self) -> bool {
        !matches!(self, Peer::Barewire | Peer::Bun | Peer::Ws)
    }

    /// Whether npm brings it.
    pub fn is_of_npm(self) -> bool {
        matches!(self, Peer::Bun | Peer::Ws)
    }

    /// Whether it can do the work of the row, and something is to be learnt from it.
    pub fn takes_part(self, row: &Row) -> bool {
        let work = row.work;
        match self {
            Peer::Barewire | Peer::Bun | Peer::Ws => true,
            Peer::Fastwebsockets | Peer::TokioTungstenite | Peer::Axum => work != Work::EchoDeflated,
            // Buffers matter to large messages and to memory, threads where there is little to do for each message.
            Peer::TokioTungsteniteAsItIs => match work {
                Work::Echo { size, .. } => size >= 64 << 10,
                Work::Idle => true,
                Work::EchoDeflated | Work::FanOut { .. } | Work::Connect => false,
            },
            Peer::TokioTungsteniteThreads => {
                work == Work::Echo { size: 20, depth: 1 } || work == Work::FanOut { depth: 1 }
            }
        }
    }

    /// The program and its arguments; it takes any free ports, and tells them.
    pub fn command(self, ground: &Ground, work: Work) -> Command {
        let is_broadcast = matches!(work, Work::FanOut { .. });
        let of_crate = |name: &str, arguments: &[&str]| {
            let mut command = ground.pinned(0, &ground.built(name));
            command.args(arguments);
            command
        };
        let of_npm = |program: &Path, script: &str| {
            let mut command = ground.pinned(0, program);
            command.arg(ground.npm_file(script)).arg("--certs").arg(ground.certificates());
            command
        };
        let mut command = match self {
            Peer::Barewire => return barewire(ground, is_broadcast),
            Peer::Fastwebsockets => of_crate("fastwebsockets", &[]),
            Peer::TokioTungstenite => of_crate("tokio-tungstenite", &["--buffer", "4096"]),
            Peer::TokioTungsteniteAsItIs => of_crate("tokio-tungstenite", &[]),
            Peer::TokioTungsteniteThreads => of_crate("tokio-tungstenite", &["--buffer", "4096", "--workers", "2"]),
            Peer::Axum => of_crate("axum", &["--buffer", "4096"]),
            Peer::Bun => of_npm(&ground.npm_file("node_modules/bun/bin/bun.exe"), "bun.mjs"),
            Peer::Ws => of_npm("node".as_ref(), "ws.mjs"),
        };
        command.args(["--mode", if is_broadcast { "broadcast" } else { "echo" }]);
        command
    }
}

/// This program, as the echo example.
fn barewire(ground: &Ground, is_broadcast: bool) -> Command {
    let mut command = ground.pinned(0, &std::env::current_exe().unwrap());
    command.env(SERVE, "1").args(["--listen", "127.0.0.1:0", "--plain-listen", "127.0.0.1:0"]);
    command.args(["--message-bytes", &MESSAGE_BYTES.to_string()]);
    command.args(is_broadcast.then_some("--broadcast"));
    command
}

/// The versions of all of them, as a sentence's part.
pub fn versions(ground: &Ground) -> String {
    let mut text = format!("barewire {}", env!("CARGO_PKG_VERSION"));
    for name in ["fastwebsockets", "tokio-tungstenite", "axum", "tokio", "rustls"] {
        let _ = write!(text, ", {name} {}", ground.version_of_crate(name));
    }
    for name in ["bun", "ws", "bufferutil"] {
        if let Some(version) = ground.version_of_npm(name) {
            let _ = write!(text, ", {name} {version}");
        }
    }
    text
}
