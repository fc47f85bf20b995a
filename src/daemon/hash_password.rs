//! `barewire hash-password`: a password on standard input becomes a line for the users file.
//!
//! Not here: the hashes (the library's `auth`), the reading of that file (`daemon/credentials.rs`).

use std::io::{self, BufRead, IsTerminal};

use barewire::auth::{HashAlgorithm, PasswordHash, Users};
use barewire::limits::PASSWORD_BYTES;

use super::failure::Failure;
use super::prepare::random;
use super::{answer, complain};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashPassword {
    /// The user, whose name then stands before the hash.
    pub name: Option<String>,
    /// How to hash.
    pub algorithm: HashAlgorithm,
}

/// Reads one line, and prints its hash, or `name:hash`.
pub fn hash_password(asked: &HashPassword) -> Result<(), Failure> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        complain("Type the password (it is shown), then press Enter:");
    }
    let password = first_line(input).map_err(|error| Failure::runtime(format!("standard input: {error}")))?;
    let hash = PasswordHash::make(asked.algorithm, &password, random()?).map_err(Failure::usage)?.to_text();
    let Some(name) = &asked.name else {
        return answer(hash);
    };
    let line = format!("{name}:{hash}");
    // What the file's reader does not take for this user must not be put into the file.
    let mut users = Users::new([0; 32]);
    if users.add_file(&line).is_err() || !users.is_in_file(name) {
        return Err(Failure::usage(format!(
            "{name:?} is no user's name; allowed: 1 to 255 bytes without : and control characters, no # or space first"
        )));
    }
    answer(line)
}

/// The first line without its end; of one that is too long anyway, no more than is needed to see that.
fn first_line(input: impl BufRead) -> io::Result<Vec<u8>> {
    let most = u64::try_from(PASSWORD_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    let mut line = Vec::new();
    input.take(most).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_read_without_its_end() {
        for (input, line) in [
            ("", ""),
            ("\n", ""),
            ("pass", "pass"),
            ("pass\n", "pass"),
            ("pass\r\n", "pass"),
            (" pass word \nmore\n", " pass word "),
            ("a\rb\n", "a\rb"),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), line.as_bytes(), "{input:?}");
        }
        assert_eq!(first_line("x".repeat(9999).as_bytes()).unwrap().len(), PASSWORD_BYTES + 2);
        let longest = format!("{}\r\n", "x".repeat(PASSWORD_BYTES));
        assert_eq!(first_line(longest.as_bytes()).unwrap().len(), PASSWORD_BYTES);
    }
}
