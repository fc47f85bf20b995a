//! SIGTERM and SIGINT: the first ends the server in good order, the second ends the process.
//!
//! Not here: what an orderly end is (`net/server.rs`).

use std::io;
use std::thread;

use barewire::Handle;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Watches for the signals from a thread of its own.
pub fn watch(handle: Handle) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let watch = move || {
        let mut signals = signals.forever();
        if let Some(signal) = signals.next() {
            log::info!("signal {signal}: closing all sessions; a second one exits at once");
            handle.shut_down();
        }
        if signals.next().is_some() {
            std::process::exit(1);
        }
    };
    thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(watch)?;
    Ok(())
}
