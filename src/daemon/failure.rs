//! Why the program ends: one line, and an exit code.
//!
//! Not here: who prints it (`daemon/mod.rs`), what is wrong with a configuration (`daemon/config`).

use barewire::Error;

use super::config::{ConfigError, EXIT_CODE, in_one_line};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// One line, whatever is in the names and paths that it quotes.
    pub sentence: String,
    /// 2 for what was asked wrongly, 1 for what went wrong.
    pub exit_code: u8,
}

impl Failure {
    /// What was asked for cannot be: exit code 2.
    pub fn usage(sentence: impl AsRef<str>) -> Failure {
        Failure { sentence: in_one_line(sentence.as_ref()), exit_code: EXIT_CODE }
    }

    /// The system would not, or something broke: exit code 1.
    pub fn runtime(sentence: impl AsRef<str>) -> Failure {
        Failure { sentence: in_one_line(sentence.as_ref()), exit_code: 1 }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Tls(_) | Error::Config(_) => Failure::usage(error.to_string()),
            // What is left is what the system would not do.
            _ => Failure::runtime(error.to_string()),
        }
    }
}
