//! The `barewire` program, on the library's public API. Not here: anything but its start; the rest is in `daemon/`.

mod daemon;

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::main()
}
