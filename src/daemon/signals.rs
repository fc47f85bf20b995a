//! SIGTERM and SIGINT: the first ends the program in good order, the second ends the process. To a server SIGHUP is told of
//! and ignored: whoever sends it wants the configuration read again, which this program cannot do yet, or has closed the
//! terminal, which is no reason to drop everybody. A client ends with its terminal. SIGPIPE is ignored by Rust's own start:
//! a broken pipe is an error of the write.
//!
//! Not here: what an orderly end is (`net/server.rs`, `tools/connect/`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use barewire::Handle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// For a server.
pub fn watch(handle: Handle) -> io::Result<()> {
    on_signal(&[SIGTERM, SIGINT, SIGHUP], move |signal| {
        if signal == SIGHUP {
            log::warn!("signal {signal} (SIGHUP) is ignored: a new configuration needs a restart");
        } else {
            log::info!("signal {signal}: closing all sessions; a second one exits at once");
            handle.shut_down();
        }
    })
}

/// For a client: calls this with the first of the signals that end it.
#[cfg(feature = "tools")]
pub fn watch_for_end(end: impl Fn() + Send + 'static) -> io::Result<()> {
    on_signal(&[SIGTERM, SIGINT], move |_| end())
}

/// Watches for the signals from a thread of its own. Only the second that ends is obeyed without it, in the signal's own
/// handler: whatever the program hangs in, a log that nobody reads for one, it ends.
fn on_signal(signals: &[i32], act: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    let is_stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 1, is_stopping.clone())?;
        flag::register(signal, is_stopping.clone())?;
    }
    let mut signals = Signals::new(signals)?;
    let watch = move || signals.forever().for_each(act);
    thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(watch)?;
    Ok(())
}
