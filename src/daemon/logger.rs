//! The log: lines on standard error by simple_logger, kept from ending the server.
//!
//! Not here: what is logged (the library's `app/router.rs`, `net/`), the start-up lines (`daemon/serve.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use simple_logger::SimpleLogger;

/// Lines on standard error. The libraries below log payloads and close reasons of peers at their finer
/// levels, so they are held at warnings.
pub fn start(level: LevelFilter) -> Result<(), SetLoggerError> {
    let logger = SimpleLogger::new().with_level(level).with_utc_timestamps();
    let quiet = level.min(LevelFilter::Warn);
    let logger =
        ["tungstenite", "rustls", "mio"].iter().fold(logger, |logger, name| logger.with_module_level(name, quiet));
    log::set_max_level(logger.max_level());
    log::set_logger(Box::leak(Box::new(Steadfast(logger))))
}

/// A logger that outlives its reader: the one inside panics when it cannot write, be it that the pipe is closed
/// or the disk full, and a lost line must not be the end of the server.
struct Steadfast(SimpleLogger);

impl Log for Steadfast {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.0.log(record)));
    }

    fn flush(&self) {
        self.0.flush();
    }
}
