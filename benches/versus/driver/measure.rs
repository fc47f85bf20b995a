//! One figure: a server is started, `barewire bench` works on it, and tells what that has cost.
//!
//! Not here: what the row is (`rows.rs`), where the programs are (`ground.rs`), all figures together (`results.rs`).

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::ground::Ground;
use super::options::Options;
use super::peers::Peer;
use super::rows::{CONNECTIONS, FAN_OUT_BYTES, IDLE, Measure, Row, SUBSCRIBERS, Work};

/// Before anything is measured, in seconds: compilers at run time want it.
const WARM_UP: f64 = 0.5;
/// How long idle connections are looked at, in seconds.
const HOLD: f64 = 1.0;
/// Handshakes at a time.
const OPEN_AT_ONCE: usize = 32;

#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub cpu: f64,
    pub user: f64,
    pub bytes: f64,
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
}

impl Figure {
    pub fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Cpu => self.cpu,
            Measure::User => self.user,
            Measure::Bytes => self.bytes,
        }
    }
}

/// The server as a process.
struct Server {
    child: Child,
    /// Where it goes on to talk to.
    _output: BufReader<ChildStdout>,
    plain: u16,
    secure: u16,
}

impl Server {
    fn start(mut command: Command) -> Result<Server, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut port = || {
            let mut line = String::new();
            output.read_line(&mut line).ok()?;
            line.trim().rsplit(' ').next()?.parse().ok()
        };
        let ports = (port(), port());
        // From here on it is ended, whatever comes.
        let mut server = Server { child, _output: output, plain: 0, secure: 0 };
        let (Some(secure), Some(plain)) = ports else { return Err("it did not start".into()) };
        (server.secure, server.plain) = (secure, plain);
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one row's unit costs one server. An error says why there is no such figure.
pub fn measure(ground: &Ground, peer: Peer, row: &Row, options: &Options) -> Result<Figure, String> {
    let server = Server::start(peer.command(ground, row.work))?;
    let mut load = load(ground, row, options);
    let (scheme, port) = if row.is_secure { ("wss", server.secure) } else { ("ws", server.plain) };
    load.arg(format!("{scheme}://127.0.0.1:{port}/")).args(["--pid", &server.child.id().to_string()]);
    let output = load.stderr(Stdio::piped()).output().map_err(|error| format!("barewire bench: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let report = serde_json::from_slice(&output.stdout).map_err(|error| format!("barewire bench: {error}"))?;
    figure(&report, row)
}

/// All of the command but the address and the process.
fn load(ground: &Ground, row: &Row, options: &Options) -> Command {
    let mut load = ground.pinned(1, env!("CARGO_BIN_EXE_barewire").as_ref());
    load.arg("bench");
    // The kernel tells user space by looking at each tick: a small share of the time wants many of them.
    let is_of_user = row.bars.iter().any(|bar| bar.measure == Measure::User);
    let mut seconds = if is_of_user { 2.0 * options.seconds } else { options.seconds };
    let (mode, connections) = match row.work {
        Work::Echo { .. } | Work::EchoDeflated => ("echo", CONNECTIONS),
        Work::FanOut { .. } => ("fan-out", SUBSCRIBERS),
        Work::Connect => ("connect", CONNECTIONS),
        Work::Idle => ("idle", IDLE),
    };
    load.arg(mode).args(["--json", "--quiet", "--connections", &connections.to_string()]);
    match row.work {
        Work::Echo { size, depth } => {
            load.args(["--binary", "--size", &size.to_string(), "--depth", &depth.to_string()]);
        }
        Work::EchoDeflated => drop(load.arg("--deflate").arg("--message-file").arg(ground.json())),
        Work::FanOut { depth } => {
            load.args(["--binary", "--size", &FAN_OUT_BYTES.to_string(), "--depth", &depth.to_string()]);
        }
        Work::Connect => drop(load.arg("--no-resumption")),
        Work::Idle => {
            seconds = HOLD;
            load.args(["--on-open", "one echo each before"]);
        }
    }
    if row.work != Work::Connect {
        load.args(["--open-at-once", &OPEN_AT_ONCE.to_string()]);
    }
    let milliseconds = |seconds: f64| format!("{}ms", (seconds * 1e3).round());
    load.args(["--duration", &milliseconds(seconds), "--warm-up", &milliseconds(WARM_UP)]);
    if row.is_secure {
        load.arg("--ca").arg(ground.certificates().join("dev-cert.pem"));
    }
    load
}

fn figure(report: &Value, row: &Row) -> Result<Figure, String> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let errors = number(&report["errors"]);
    if errors > 0.0 {
        return Err(format!("{errors} errors"));
    }
    let server = &report["server"];
    let figure = Figure {
        cpu: number(&server["cpu_us_per_unit"]),
        user: number(&server["user_us_per_unit"]),
        bytes: number(&server["resident_bytes_per_connection"]),
        per_second: number(&report["units_per_second"]),
        p50: number(&report["latency_us"]["p50"]),
        p99: number(&report["latency_us"]["p99"]),
    };
    let measure = row.measure();
    if figure.of(measure).is_nan() { Err(format!("no {measure:?} in {report}")) } else { Ok(figure) }
}

/// 1 KiB of JSON, as programs say it to each other: names that come again, and numbers that do not.
pub fn json() -> String {
    let item =
        |n: u64| format!(r#"{{"id":{},"price":{}.{:02},"side":"buy"}},"#, n * 7919 % 10_007, n * 31, n * 17 % 100);
    let items: String = (0..).map(item).take(40).collect();
    let mut json = format!("[{}", &items[..1022]);
    json.push(']');
    json
}
