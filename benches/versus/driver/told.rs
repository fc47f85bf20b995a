//! What a run prints: on what it was measured, each row as it is done, and the tables that the README shows.
//!
//! Not here: the picture (`plot.rs`).

use std::fmt::Write as _;
use std::fs;

use super::ground::{self, Ground};
use super::options::Options;
use super::peers::{self, Peer};
use super::results::{self, Cell, Results};
use super::rows::{Against, CONNECTIONS, IDLE, Measure, Most, Row, SUBSCRIBERS, Work};

/// Those with a column of their own in the tables.
fn columns() -> impl Iterator<Item = Peer> {
    Peer::ALL.into_iter().filter(|peer| !peer.is_variant())
}

/// The machine and the versions, in one paragraph.
pub fn machine(ground: &Ground) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processors", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = ground::says("rustc", &["--version"]).unwrap_or_default();
    let rustc = rustc.split('(').next().unwrap_or_default().trim();
    let node = if ground.has_npm() { ground::says("node", &["--version"]) } else { None };
    let node = node.map(|version| format!(", Node {}", version.trim_start_matches('v'))).unwrap_or_default();
    format!(
        "{}{node}; {rustc}; {cores} cores ({model}), Linux {}",
        peers::versions(ground),
        kernel.trim().split('-').next().unwrap_or_default()
    )
}

/// What one has to know to read the figures.
pub fn circumstances(ground: &Ground, options: &Options) -> String {
    let mut text = format!("{}\n", machine(ground));
    let pinned = if ground.has_taskset { "server on core 0, load on core 1" } else { "nothing pinned: no taskset" };
    let _ = writeln!(
        text,
        "{pinned}; {} rounds of {} s; load average {}; {} descriptors; messages up to {} KiB, TCP_NODELAY, TLS 1.3 with \
         AES-128-GCM",
        options.rounds,
        options.seconds,
        ground.load_average,
        ground.descriptors,
        peers::MESSAGE_BYTES >> 10
    );
    if !ground.has_npm() {
        text.push_str("without ws and Bun, which need npm (or were not asked for)\n");
    }
    text
}

/// One row, with all that is known of it.
pub fn row(row: &Row, cells: &[Cell]) -> String {
    let measure = row.measure();
    let what = match measure {
        Measure::Bytes => format!("resident bytes per connection, {IDLE} open"),
        Measure::Cpu | Measure::User => format!("us of processor time per {}", row.unit()),
    };
    let mut text = format!("\n{}: {}: {what}\n", row.key, row.title());
    let _ = writeln!(
        text,
        "  {:36} {:>9} {:>19} {:>7} {:>9} {:>11} {:>9} {:>9}",
        "", "median", "least to most", "ratio", "user us", "a second", "p50 us", "p99 us"
    );
    let ours = results::of_peer(cells, Peer::Barewire).map(|cell| cell.of(measure));
    for cell in cells {
        let (least, most) = cell.spread(measure);
        let ratio = ours.map_or(String::new(), |ours| format!("{:.2}", cell.of(measure) / ours));
        let _ = write!(
            text,
            "  {:36} {:>9} {:>19} {ratio:>7}",
            cell.peer.name(),
            number(cell.of(measure)),
            format!("{} to {}", number(least), number(most)),
        );
        if measure == Measure::Cpu {
            let _ = write!(
                text,
                " {:>9} {:>11.0} {:>9.0} {:>9.0}",
                number(cell.of(Measure::User)),
                cell.median(|figure| figure.per_second),
                cell.median(|figure| figure.p50),
                cell.median(|figure| figure.p99),
            );
        }
        text.push('\n');
    }
    for bar in &row.bars {
        let what = format!("{:?}", bar.measure).to_lowercase();
        let asked = match bar.most {
            Most::Share { share, against: Against::One(peer) } => format!("{share} of {}", peer.name()),
            Most::Share { share, against: Against::Async } => format!("{share} of every server on tokio"),
            Most::Share { share, against: Against::Every } => format!("{share} of every other server"),
            Most::Figure(most) => most.to_string(),
        };
        let _ = match results::judge(bar, cells) {
            None => writeln!(text, "  bar: {what} at most {asked}: not measured"),
            Some(verdict) => writeln!(
                text,
                "  bar: {what} at most {asked}: {}: {} of {} allowed{}",
                if verdict.is_met { "met" } else { "NOT MET" },
                number(verdict.figure),
                number(verdict.allowed),
                verdict.other.map(|peer| format!(" by {}", peer.name())).unwrap_or_default()
            ),
        };
    }
    text
}

/// The tables of the README.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    let of = |wanted: fn(&Work) -> bool| {
        results.rows.iter().filter(move |(row, cells)| wanted(&row.work) && !cells.is_empty())
    };
    let echo = format!("echo, {CONNECTIONS} connections");
    let fan_out = format!("broadcast to {SUBSCRIBERS} subscribers");
    table(&mut text, &echo, of(|work| matches!(work, Work::Echo { .. } | Work::EchoDeflated)));
    table(&mut text, &fan_out, of(|work| matches!(work, Work::FanOut { .. })));
    table(&mut text, "connection", of(|work| *work == Work::Connect));
    table(&mut text, "resident bytes per connection", of(|work| *work == Work::Idle));
    variants(&mut text, results);
    text
}

/// A row for each of the work, a column for each server.
fn table<'a>(text: &mut String, head: &str, rows: impl Iterator<Item = &'a (Row, Vec<Cell>)>) {
    let rows: Vec<_> = rows.collect();
    let columns: Vec<_> =
        columns().filter(|&peer| rows.iter().any(|(_, cells)| results::of_peer(cells, peer).is_some())).collect();
    if columns.is_empty() {
        return;
    }
    let names: Vec<_> = columns.iter().map(|peer| peer.name()).collect();
    let _ = writeln!(text, "\n| {head} | {} |\n|---|{}", names.join(" | "), "---|".repeat(columns.len()));
    for (row, cells) in rows {
        let entry = entry(row, cells);
        let entries = columns.iter().map(|&peer| results::of_peer(cells, peer).map_or("–".into(), &entry));
        let _ = writeln!(text, "| {} | {} |", row.title(), entries.collect::<Vec<_>>().join(" | "));
    }
}

/// The figure, the user space's part of it, and how many times barewire's it is.
fn entry(row: &Row, cells: &[Cell]) -> impl Fn(&Cell) -> String {
    let measure = row.measure();
    let ours = results::of_peer(cells, Peer::Barewire).map(|cell| cell.of(measure));
    move |cell| {
        let mut text = number(cell.of(measure));
        if measure == Measure::Cpu {
            let _ = write!(text, ", {}", number(cell.of(Measure::User)));
        }
        if let Some(ours) = ours.filter(|_| cell.peer != Peer::Barewire) {
            let _ = write!(text, ", ×{}", number(cell.of(measure) / ours));
        }
        text
    }
}

/// The other ways to run a server, each beside the one.
fn variants(text: &mut String, results: &Results) {
    let mut has_head = false;
    for (row, cells) in &results.rows {
        for cell in cells.iter().filter(|cell| cell.peer.is_variant()) {
            let Some(one) = results::of_peer(cells, Peer::TokioTungstenite) else { continue };
            if !has_head {
                text.push_str("\n| another way to run | work | figures | as above |\n|---|---|---|---|\n");
                has_head = true;
            }
            let entry = entry(row, cells);
            let _ = writeln!(text, "| {} | {} | {} | {} |", cell.peer.name(), row.title(), entry(cell), entry(one));
        }
    }
}

/// With as many digits as mean something.
pub fn number(value: f64) -> String {
    match value {
        value if value < 20.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value if value < 10_000.0 => format!("{value:.0}"),
        value => {
            let whole = format!("{value:.0}");
            let (thousands, rest) = whole.split_at(whole.len() - 3);
            format!("{thousands} {rest}")
        }
    }
}
