//! Lines go to standard error: as text by simple_logger, or as JSON. It may fail at any one of them (a closed pipe, a
//! full disk) and go on with the next; it may also never come back from one (a pipe that nobody reads).
//!
//! Not here: what waits meanwhile (`queue.rs`), the thread (`mod.rs`).

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use log::{Level, Log, Record};
use serde::Serialize;
use simple_logger::SimpleLogger;

use super::line::Line;
use super::unix_ms;
use crate::daemon::config::LogFormat;
use barewire::wire::date::iso8601;

/// Writes one line behind this start; it may fail, panic, or never come back.
type Put = Box<dyn FnMut(&str, &Line) -> io::Result<()> + Send>;

/// See the module.
pub struct Writer {
    put: Put,
    /// Lines lost that nobody has been told of.
    untold: u64,
    /// The last line may lack its end.
    is_torn: bool,
}

impl Writer {
    pub fn new(format: LogFormat) -> Writer {
        let put: Put = match format {
            LogFormat::Text => {
                let logger = SimpleLogger::new();
                Box::new(move |start, line| put_text(&logger, start, line))
            }
            LogFormat::Json => Box::new(put_json),
        };
        Writer { put, untold: 0, is_torn: false }
    }

    /// Tells how many lines were lost, if any, and writes the one behind them. What cannot be written is lost too.
    pub fn take(&mut self, lost: u64, line: Option<Line>) {
        self.untold += lost;
        let is_told = self.untold == 0 || self.write(&lost_line(self.untold));
        if is_told {
            self.untold = 0;
        }
        if let Some(line) = line {
            self.untold += u64::from(!is_told || !self.write(&line));
        }
    }

    /// Says whether it went well.
    fn write(&mut self, line: &Line) -> bool {
        let start = if self.is_torn { "\n" } else { "" };
        let written = catch_unwind(AssertUnwindSafe(|| (self.put)(start, line)));
        self.is_torn = !matches!(written, Ok(Ok(())));
        !self.is_torn
    }
}

/// simple_logger panics when it cannot write, and knows only the time of writing: that of the event is put before it.
fn put_text(logger: &SimpleLogger, start: &str, line: &Line) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(format!("{start}{} ", iso8601(line.unix_ms)).as_bytes())?;
    let message = format_args!("{}", line.message());
    logger.log(&Record::builder().level(line.level).target(line.target()).args(message).build());
    Ok(())
}

/// A line as JSON.
#[derive(Serialize)]
struct Json<'a> {
    time: String,
    level: String,
    target: &'a str,
    message: &'a str,
}

fn put_json(start: &str, line: &Line) -> io::Result<()> {
    let json = serde_json::to_string(&Json {
        time: iso8601(line.unix_ms).to_string(),
        level: line.level.as_str().to_ascii_lowercase(),
        target: line.target(),
        message: line.message(),
    })?;
    io::stderr().lock().write_all(format!("{start}{json}\n").as_bytes())
}

/// Told at every level: which ones were lost, nobody knows any more.
fn lost_line(count: u64) -> Line {
    let message = format_args!("{count} log lines were lost: they came faster than they could be written");
    Line::new(unix_ms(), Level::Warn, module_path!(), message)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn line(message: &str) -> Line {
        Line::new(0, Level::Info, "", format_args!("{message}"))
    }

    /// A writer that does, at each line in turn, what `script` says: writes, fails, or panics; and what it has written.
    fn scripted(script: &'static str) -> (Writer, Arc<Mutex<String>>) {
        let written = Arc::new(Mutex::new(String::new()));
        let log = written.clone();
        let mut script = script.chars();
        let put: Put = Box::new(move |start, line| match script.next() {
            Some('w') => {
                log.lock().unwrap().push_str(&format!("{start}{}\n", line.message()));
                Ok(())
            }
            Some('f') => Err(io::ErrorKind::BrokenPipe.into()),
            // Without the report of a panic.
            _ => std::panic::resume_unwind(Box::new("as simple_logger does")),
        });
        (Writer { put, untold: 0, is_torn: false }, written)
    }

    #[test]
    fn what_cannot_be_written_is_counted_with_what_found_no_room() {
        // Two lines that cannot be; a notice that cannot; and then all goes well.
        let (mut writer, written) = scripted("wfpwwwww");
        writer.take(0, Some(line("first")));
        writer.take(0, Some(line("fails")));
        writer.take(5, Some(line("lost with its notice")));
        writer.take(0, Some(line("second")));
        writer.take(2, None);
        writer.take(0, Some(line("third")));
        let lost = |count: u64| lost_line(count).message().to_owned();
        let expected = format!("first\n\n{}\nsecond\n{}\nthird\n", lost(7), lost(2));
        assert_eq!(*written.lock().unwrap(), expected, "and a torn line is ended before the next");
    }

    #[test]
    fn a_count_that_cannot_be_told_is_kept_and_not_tried_again_without_a_line() {
        let (mut writer, written) = scripted("fww");
        writer.take(3, None);
        writer.take(0, Some(line("first")));
        assert_eq!(*written.lock().unwrap(), format!("\n{}\nfirst\n", lost_line(3).message()));
    }
}
