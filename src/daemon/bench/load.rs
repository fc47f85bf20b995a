//! The load itself. Not here: what is asked (`asked.rs`) and reported (`report.rs`).

use super::asked::Plan;
use super::process::Meter;
use super::progress::Progress;
use super::report::Report;
use crate::daemon::failure::Failure;

/// Does it.
pub fn run(plan: &mut Plan, _meter: &mut Meter, _progress: &mut Progress) -> Result<Report, Failure> {
    Err(Failure::runtime(format!("bench {} is not built yet", plan.mode.name())))
}
