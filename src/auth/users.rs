//! Pairs of a user name and a password: [`Users`]. Plain pairs (of a command line), and the lines of a users file, which
//! hold hashes.
//!
//! What is kept of a plain pair is a SHA-256 of name and password under a random key of the process. An attempt is
//! hashed so once and compared with every pair in constant time. Where there are slow hashes, an attempt that is no
//! plain pair is measured against one of them, known name or not: for an unknown one a keyed hash of the name picks whose.
//! So neither the answer nor its cost says which users exist.
//!
//! Not here: the form of the credentials (`basic.rs`), one hash (`password.rs`), the threads (`hashing.rs`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::Identity;
use super::password::PasswordHash;
use crate::limits::{PASSWORD_BYTES, USER_ID_BYTES};

/// A name, or name and password, under the key of the process.
pub(super) type Digest = [u8; 32];

/// What is mixed into the digest of a name alone, so that it is never that of a name and a password.
const NAME_LABEL: &[u8] = b"name\0";

/// What some editors put before the text of a file; it would be a part of the first name, and nobody could see it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Who may come in with a password.
pub struct Users {
    key: [u8; 32],
    pairs: Vec<Digest>,
    hashes: Vec<Arc<PasswordHash>>,
    /// The digest of each name in the file, and where its hash is.
    names: BTreeMap<Digest, usize>,
}

/// What is known of an attempt without slow work.
#[derive(Debug)]
pub(super) enum Check {
    Right(Identity),
    Wrong,
    /// It takes a slow hash to tell.
    Open(Question),
}

/// Whether this password belongs to this user.
pub(super) struct Question {
    /// Name and password under the key of the process.
    pub digest: Digest,
    pub name: Box<str>,
    pub password: Box<[u8]>,
    /// What to measure the password against.
    pub hash: Arc<PasswordHash>,
    /// Whether that is this user's own hash. If not, the answer is no, whatever the hash says.
    pub is_own: bool,
}

impl Users {
    /// No users yet. `key` should be random; it only lives as long as the process.
    pub fn new(key: [u8; 32]) -> Users {
        Users { key, pairs: Vec::new(), hashes: Vec::new(), names: BTreeMap::new() }
    }

    /// Adds a plain pair. A name that is empty, contains `:` or a control character, or is longer than [`USER_ID_BYTES`]
    /// can never log in.
    pub fn add(&mut self, name: &str, password: &str) {
        let digest = self.digest(&[], format!("{name}:{password}").as_bytes());
        self.pairs.push(digest);
    }

    /// Adds the users of a file: a line `name:hash` for each ([`PasswordHash::ALLOWED`]); blank lines, those that begin
    /// with `#`, spaces around a line and a byte order mark do not count. An error names the line and what is allowed,
    /// never the hash, and then nobody was added.
    pub fn add_file(&mut self, text: &str) -> Result<(), String> {
        let mut added = BTreeMap::new();
        let mut hashes = self.hashes.clone();
        for (number, line) in text.trim_start_matches(BYTE_ORDER_MARK).lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason: String| format!("line {}: {reason}", number + 1);
            let (name, hash) = line.split_once(':').ok_or_else(|| {
                wrong(format!("no : between name and hash; allowed: name:hash, the hash {}", PasswordHash::ALLOWED))
            })?;
            check_name(name.as_bytes()).ok_or_else(|| {
                wrong(format!("no name of a user; allowed: 1 to {USER_ID_BYTES} bytes without control characters"))
            })?;
            let hash = PasswordHash::parse(hash).map_err(wrong)?;
            let digest = self.digest(NAME_LABEL, name.as_bytes());
            let is_taken = self.names.contains_key(&digest) || added.insert(digest, hashes.len()).is_some();
            if is_taken {
                return Err(wrong(format!("{name:?} is given twice; allowed: once")));
            }
            hashes.push(Arc::new(hash));
        }
        self.names.extend(added);
        self.hashes = hashes;
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.hashes.is_empty()
    }

    /// Whether some have hashes, so that a [`super::Hashing`] is needed.
    pub fn has_hashes(&self) -> bool {
        !self.hashes.is_empty()
    }

    /// Whether a name is one of the file's.
    pub fn is_in_file(&self, name: &str) -> bool {
        self.names.contains_key(&self.digest(NAME_LABEL, name.as_bytes()))
    }

    /// Whether `name:password` is right. The first colon ends the name (RFC 7617, section 2).
    pub(super) fn check(&self, credentials: &[u8]) -> Check {
        let digest = self.digest(&[], credentials);
        let found = self.pairs.iter().fold(Choice::from(0), |found, pair| found | pair.ct_eq(&digest));
        let colon = credentials.iter().position(|byte| *byte == b':').unwrap_or_default();
        let (name, password) = credentials.split_at(colon);
        let password = password.get(1..).unwrap_or_default();
        // What can be nobody's needs no work: its form is all that is told.
        let Some(name) = check_name(name).filter(|_| password.len() <= PASSWORD_BYTES) else { return Check::Wrong };
        if found.into() {
            return Check::Right(Identity::new(name));
        }
        let name_digest = self.digest(NAME_LABEL, name.as_bytes());
        let own = self.names.get(&name_digest).copied();
        match self.hashes.get(own.unwrap_or_else(|| pick(&name_digest, self.hashes.len()))) {
            Some(hash) => Check::Open(Question {
                digest,
                name: name.into(),
                password: password.into(),
                hash: Arc::clone(hash),
                is_own: own.is_some(),
            }),
            None => Check::Wrong,
        }
    }

    fn digest(&self, label: &[u8], text: &[u8]) -> Digest {
        Sha256::new().chain_update(self.key).chain_update(label).chain_update(text).finalize().into()
    }
}

/// Shows how many there are, and no digest.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = (self.pairs.len(), self.hashes.len());
        f.debug_struct("Users").field("pairs", &counts.0).field("hashes", &counts.1).finish_non_exhaustive()
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name, if it can be a user's.
fn check_name(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let fits = !name.is_empty() && name.len() <= USER_ID_BYTES && !name.contains(char::is_control);
    fits.then_some(name)
}

/// A number below `count`, or 0, always the same for the same digest.
fn pick(digest: &Digest, count: usize) -> usize {
    digest.iter().fold(0, |rest, byte| (rest * 256 + usize::from(*byte)).checked_rem(count).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$04$n5oyx0JmRdXHi/PnAE3mbuMNoQ.hbzoTHiSgbDjdYj3a1bXtsXbRe";
    const OTHER: &str = "$2b$05$n5oyx0JmRdXHi/PnAE3mbuMNoQ.hbzoTHiSgbDjdYj3a1bXtsXbRe";

    fn users(file: &str) -> Users {
        let mut users = Users::new([7; 32]);
        users.add("user", "pass");
        users.add_file(file).unwrap();
        users
    }

    fn question(users: &Users, credentials: &str) -> Question {
        match users.check(credentials.as_bytes()) {
            Check::Open(question) => question,
            Check::Right(_) | Check::Wrong => panic!("{credentials:?} takes no hash"),
        }
    }

    #[test]
    fn plain_pairs_are_told_at_once() {
        let mut users = users("");
        users.add("anna", "with:colon and ümlaut");
        users.add("empty", "");
        for (credentials, user) in [
            ("user:pass", Some("user")),
            ("anna:with:colon and ümlaut", Some("anna")),
            ("empty:", Some("empty")),
            ("user:pas", None),
            ("user:passs", None),
            ("user:", None),
            ("USER:pass", None),
            ("nobody:pass", None),
            (":pass", None),
            (":", None),
            ("user:pass\0", None),
        ] {
            match users.check(credentials.as_bytes()) {
                Check::Right(identity) => assert_eq!(Some(identity.user()), user, "{credentials:?}"),
                Check::Wrong => assert_eq!(user, None, "{credentials:?}"),
                Check::Open(_) => panic!("nothing is hashed"),
            }
        }
    }

    #[test]
    fn a_name_or_password_past_the_limit_cannot_log_in() {
        let mut users = Users::new([0; 32]);
        let mut is_right = |name: usize, password: usize| {
            let (name, password) = ("n".repeat(name), "p".repeat(password));
            users.add(&name, &password);
            matches!(users.check(format!("{name}:{password}").as_bytes()), Check::Right(_))
        };
        assert!(is_right(USER_ID_BYTES, 1) && !is_right(USER_ID_BYTES + 1, 1));
        assert!(is_right(1, PASSWORD_BYTES) && !is_right(1, PASSWORD_BYTES + 1));
    }

    #[test]
    fn where_there_are_hashes_every_name_and_every_wrong_pair_is_measured_against_one() {
        let users = users(&format!("# users\n\n  \nbob:{HASH}\r\n  eve:{OTHER}  \n"));
        assert!(matches!(users.check(b"user:pass"), Check::Right(_)));
        for (credentials, is_own) in
            [("bob:x", true), ("eve:", true), ("user:wrong", false), ("nobody:x", false), ("Bob:x", false)]
        {
            assert_eq!(question(&users, credentials).is_own, is_own, "{credentials}");
        }
        assert_eq!(question(&users, "bob:x").hash.to_text(), HASH);
        assert_eq!(question(&users, "eve:x").hash.to_text(), OTHER);
        assert!(users.is_in_file("bob") && !users.is_in_file("user"));
    }

    #[test]
    fn an_unknown_name_always_costs_the_same_and_unknown_names_cost_what_real_ones_do() {
        let users = users(&format!("bob:{HASH}\neve:{OTHER}\n"));
        let costs = |i: usize| {
            let texts = ["x", "y"].map(|password| question(&users, &format!("n{i}:{password}")).hash.to_text());
            assert_eq!(texts[0], texts[1]);
            texts[0] == HASH
        };
        let cheap = (0..1000).filter(|i| costs(*i)).count();
        assert!((400..600).contains(&cheap), "{cheap} of 1000 against the first of two");
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number_and_nobody_is_added() {
        let long = "n".repeat(USER_ID_BYTES + 1);
        let name = "no name of a user; allowed: 1 to 255 bytes without control characters";
        let hash = "allowed: an argon2id hash ($argon2id$v=19$";
        for (line, reason) in [
            ("bob", "no : between name and hash; allowed: name:hash, the hash an argon2id hash"),
            (&format!(":{HASH}"), name),
            (&format!("{long}:{HASH}"), name),
            (&format!("b\u{7}:{HASH}"), name),
            ("bob:hush", &format!("not a hash of a known kind; {hash}")),
            (&format!("bob: {HASH}"), &format!("not a hash of a known kind; {hash}")),
            (&format!("ann:{HASH}"), "\"ann\" is given twice; allowed: once"),
            (&format!("bob:{}", &HASH[..59]), "a malformed bcrypt hash; allowed: "),
            (&format!("bob:{}", HASH.replace("04", "16")), "a bcrypt hash of cost 16; allowed: 4 to 15"),
        ] {
            let mut users = Users::new([7; 32]);
            let error = users.add_file(&format!("# x\nann:{HASH}\n{line}\n")).unwrap_err();
            assert!(error.starts_with(&format!("line 3: {reason}")), "{error}");
            assert_eq!(error.matches("allowed").count(), 1, "{error}");
            assert!(!error.contains("hush") && !error.contains("n5oyx"), "{error}");
            assert!(users.is_empty());
        }
        let mut twice = users(&format!("ann:{HASH}"));
        assert!(twice.add_file(&format!("ann:{HASH}")).unwrap_err().contains("given twice"));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        assert!(users(&format!("\u{feff}bob:{HASH}\n")).is_in_file("bob"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let users = users(&format!("bob:{HASH}"));
        let shown = format!("{users:?} {:?}", users.check(b"bob:hush"));
        assert_eq!(shown, r#"Users { pairs: 1, hashes: 1, .. } Open(Question { name: "bob", .. })"#);
    }
}
