//! The `barewire` program. Everything is in `daemon/`, on the library's public API.

mod daemon;

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::main()
}
