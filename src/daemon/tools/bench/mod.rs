//! `barewire bench`: a load for a WebSocket server, and what comes of it.
//!
//! In this folder: `asked.rs` (what was asked for becomes a plan), `mode.rs` (the modes and their options), `template.rs` and
//! `said.rs` (what is said), `load.rs` (the load), `crowd.rs` (its connections), `course.rs` (how a measure goes), `tally.rs`
//! (what counts), `echo.rs`, `rate.rs`, `fan_out.rs`, `idle.rs`, `connect.rs`, `slow.rs` and `storm.rs` (the modes themselves),
//! `histogram.rs` (how long things took), `figures.rs` (how figures are written), `process.rs` (what processes spend),
//! `progress.rs` (what is seen meanwhile), `report.rs` (what is told at the end).
//!
//! Not here: the flags (`daemon/cli/tools/bench.rs`), credentials and trust (`daemon/tools/reach.rs`).

mod asked;
mod connect;
mod course;
mod crowd;
mod echo;
mod fan_out;
mod figures;
mod histogram;
mod idle;
mod load;
pub mod mode;
mod process;
mod progress;
mod rate;
mod report;
mod said;
mod slow;
mod storm;
mod tally;
mod template;

use std::env;
use std::io;

use log::LevelFilter;

use crate::daemon::config::LogFormat;
use crate::daemon::failure::Failure;
use crate::daemon::{answer, complain, logger};
pub use asked::{Asked, Content};
use course::Means;
pub use mode::{Jitter, Mode, ModeName};
use process::Meter;
use progress::Progress;

/// Loads the server as it was asked for, and reports.
pub fn bench(asked: &Asked) -> Result<(), Failure> {
    let mut plan = asked::plan(asked, |name| env::var_os(name))?;
    let mut meter = Meter::open(&asked.pids)?;
    let cannot = |what: &str, error: io::Error| Failure::runtime(format!("cannot {what}: {error}"));
    logger::start(LevelFilter::Error, LogFormat::Text).map_err(|error| cannot("start the log", error))?;
    plan.notices.iter().filter(|notice| notice.is_loud || !asked.quiet).for_each(|notice| {
        complain(format_args!("barewire: {}", notice.text));
    });
    let mut progress = Progress::new(asked.quiet);
    let report = load::run(Means { plan: &mut plan, meter: &mut meter, progress: &mut progress });
    progress.erase();
    let report = report?;
    answer(if asked.json { report.json(&plan) } else { report.table(&plan) })?;
    match report.errors.summary() {
        Some(errors) => Err(Failure::runtime(format!("measured with errors: {errors}"))),
        None if report.is_cut_short && report.units == 0 => {
            Err(Failure::runtime("nothing was measured: a signal has ended it before"))
        }
        None => Ok(()),
    }
}
