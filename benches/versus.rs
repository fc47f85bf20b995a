//! barewire beside other people's servers: what an echo, a delivery and a connection cost each of them in processor time, and
//! what an idle connection keeps resident. `cargo bench --bench versus` builds and runs all of it, and prints every figure;
//! `-- --help` says what can be chosen. Where npm is not there, Node's `ws` and Bun are left out.
//!
//! Each server is a process of its own, pinned to core 0 where `taskset` exists; `barewire bench` is the load, pinned to core 1.
//! For each row the servers take turns, in several rounds, and the median counts. Compare only what one run has measured: on a
//! machine that is shared, absolute figures drift by a third.
//!
//! Not here: the servers (`versus/`, a package of its own, `versus/js/`, `../examples/echo.rs`), the load (`barewire bench`).

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

#[path = "versus/driver/mod.rs"]
mod driver;
#[path = "../examples/echo.rs"]
mod echo;

fn main() {
    // The same program is barewire's server: so it is built as the others are, and only once.
    if std::env::var_os(driver::SERVE).is_some() {
        echo::main().unwrap();
        return;
    }
    if let Err(error) = driver::run() {
        println!("{error}");
        std::process::exit(1);
    }
}
