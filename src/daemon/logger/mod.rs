//! The log: one event, one line on standard error. Whoever logs never waits: a line is put into a bounded queue,
//! and a thread of its own writes it. A log that is stuck, closed or on a full disk costs lines, never the server;
//! how many were lost is told where they would have stood.
//!
//! In this folder: `line.rs` (an event becomes one line, whatever is in it), `queue.rs` (what waits), `writer.rs` (the
//! thread that writes).
//! Not here: what is logged (the library's `app/router.rs`, `net/`), the start-up lines (`daemon/serve.rs`).

mod line;
mod queue;
mod writer;

use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::config::LogFormat;
use barewire::limits::LOG_EXIT_TIMEOUT;
use line::Line;
use queue::Queue;
use writer::Writer;

/// Libraries that log payloads and close reasons of peers at their finer levels: they are held at warnings.
const QUIET: [&str; 3] = ["tungstenite", "rustls", "mio"];
/// The name of the thread that writes.
const WRITER: &str = "log";

/// From here on lines of `level` and above are written in this format, and a panic anywhere is such a line too,
/// instead of std's own report, which would wait for a stuck standard error.
///
/// [`Log::flush`] of the logger waits until what was logged is written, at most [`LOG_EXIT_TIMEOUT`].
pub fn start(level: LevelFilter, format: LogFormat) -> io::Result<()> {
    let queue = Arc::new(Queue::default());
    let mut writer = Writer::new(format);
    let waiting = queue.clone();
    thread::Builder::new().name(WRITER.into()).spawn(move || {
        loop {
            let (lost, line) = waiting.next();
            writer.take(lost, line);
        }
    })?;
    log::set_logger(Box::leak(Box::new(Logger { level, queue }))).map_err(io::Error::other)?;
    log::set_max_level(level);
    panic::set_hook(Box::new(|panic| {
        // The writer survives its panics, and counts what they cost: a line about that would share its fate.
        if thread::current().name() != Some(WRITER) {
            log::error!("{}", describe(panic));
        }
    }));
    Ok(())
}

/// The near end of the queue.
struct Logger {
    level: LevelFilter,
    queue: Arc<Queue>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_enabled(self.level, metadata.level(), metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.queue.push(Line::new(unix_ms(), record.level(), record.target(), *record.args()));
        }
    }

    fn flush(&self) {
        self.queue.wait_until_written(LOG_EXIT_TIMEOUT);
    }
}

fn is_enabled(configured: LevelFilter, level: Level, target: &str) -> bool {
    let is_quiet = QUIET.iter().any(|name| target.starts_with(name));
    level <= if is_quiet { configured.min(LevelFilter::Warn) } else { configured }
}

/// Milliseconds since 1970-01-01 UTC.
fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

/// Where a panic was, and what it said.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words");
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    format!("a panic in thread {:?}{place}: {said}", thread::current().name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn libraries_that_see_payloads_are_held_at_warnings() {
        for target in ["tungstenite::protocol", "rustls", "rustls::conn", "mio::poll"] {
            assert!(is_enabled(LevelFilter::Trace, Level::Warn, target));
            assert!(!is_enabled(LevelFilter::Trace, Level::Info, target), "{target}");
            assert!(!is_enabled(LevelFilter::Error, Level::Warn, target), "{target}");
        }
        assert!(is_enabled(LevelFilter::Trace, Level::Trace, "barewire::app::router"));
        assert!(!is_enabled(LevelFilter::Info, Level::Debug, "barewire::app::router"));
        assert!(!is_enabled(LevelFilter::Off, Level::Error, "barewire"));
    }

    #[test]
    fn a_panic_is_told_with_its_thread_its_place_and_its_words() {
        const THREAD: &str = "one that panics";
        static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| match thread::current().name() {
            Some(THREAD) => TOLD.lock().unwrap().push(describe(info)),
            _ => usual(info),
        }));
        let words: [fn(); 3] = [|| panic!("plain"), || panic!("with {}", 1), || panic::panic_any(1)];
        for panics in words {
            thread::Builder::new().name(THREAD.into()).spawn(panics).unwrap().join().unwrap_err();
        }
        let told = TOLD.lock().unwrap().join("\n");
        let lines: Vec<&str> = told.lines().collect();
        for (line, end) in lines.iter().zip(["plain", "with 1", "without words"]) {
            assert!(line.starts_with("a panic in thread \"one that panics\" at src/daemon/logger/mod.rs:"), "{line}");
            assert!(line.ends_with(end), "{line}");
        }
        assert_eq!(lines.len(), 3);
    }
}
