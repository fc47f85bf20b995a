//! One hash of a password: argon2id as a PHC string, or bcrypt in the form of `crypt(3)`; read, verified and made.
//!
//! A hash whose verification would take minutes or gigabytes cannot be read in the first place: whoever asks for a user
//! to be verified decides when that is, and how often.
//!
//! Not here: whose hash it is (`users.rs`), the threads that verify (`hashing.rs`), randomness (the caller brings the
//! salt).

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

use crate::limits::{
    ARGON2_LANES_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_WORK_KIB_MAX, BCRYPT_COST_DEFAULT, BCRYPT_COST_MAX,
    BCRYPT_PASSWORD_BYTES, PASSWORD_BYTES,
};

/// Salt and hash of an argon2id string, in bytes, at least (RFC 9106, section 3.1) and at most.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// argon2id, version 19, with the crate's own parameters: 19 MiB, two passes, one lane.
    Argon2id,
    /// bcrypt `2b` with a cost of [`BCRYPT_COST_DEFAULT`].
    Bcrypt,
}

/// The hash of a password. Its `Debug` shows neither hash nor salt.
#[derive(Clone)]
pub struct PasswordHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon2id {
        params: Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Bcrypt {
        text: String,
    },
    /// Its verification panics.
    #[cfg(test)]
    Broken,
}

/// The memory that argon2id works in: as much as the largest hash so far has needed.
///
/// Whoever verifies again and again keeps one. Given back each time, such a block is soon split by something small, and the
/// next one is taken beside it.
#[derive(Default)]
pub(super) struct Workspace(Vec<Block>);

impl Workspace {
    /// How much there is, in KiB.
    #[cfg(test)]
    pub fn kib(&self) -> usize {
        self.0.len()
    }
}

impl PasswordHash {
    /// What [`PasswordHash::parse`] takes, in words.
    pub const ALLOWED: &'static str = "an argon2id hash ($argon2id$v=19$m=…,t=…,p=…$…) or a bcrypt one ($2b$…)";

    /// Reads a hash. An error says what is allowed, and does not show it.
    pub fn parse(text: &str) -> Result<PasswordHash, String> {
        if text.starts_with("$argon2id$") {
            return parse_argon2id(text);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|version| text.starts_with(version)) {
            return parse_bcrypt(text);
        }
        Err(not_a_hash("not a hash of a known kind"))
    }

    /// Hashes a password with a random `salt`. An error is a reason that does not show the password: it is empty, or
    /// longer than [`PASSWORD_BYTES`], or it is not one that bcrypt would take whole.
    pub fn make(algorithm: HashAlgorithm, password: &[u8], salt: [u8; 16]) -> Result<PasswordHash, String> {
        if password.is_empty() {
            return Err(format!("the password is empty; allowed: 1 to {PASSWORD_BYTES} bytes"));
        }
        if password.len() > PASSWORD_BYTES {
            return Err(format!("the password has more than {PASSWORD_BYTES} bytes; allowed: 1 to {PASSWORD_BYTES}"));
        }
        match algorithm {
            HashAlgorithm::Argon2id => {
                let params = Params::default();
                let mut hash = vec![0; Params::DEFAULT_OUTPUT_LEN];
                argon2id(&params)
                    .hash_password_into(password, &salt, &mut hash)
                    .map_err(|error| format!("the password cannot be hashed: {error}"))?;
                Ok(PasswordHash(Kind::Argon2id { params, salt: salt.into(), hash }))
            }
            HashAlgorithm::Bcrypt if password.len() > BCRYPT_PASSWORD_BYTES => Err(format!(
                "the password has {} bytes; allowed with bcrypt: 1 to {BCRYPT_PASSWORD_BYTES}, with argon2id to {PASSWORD_BYTES}",
                password.len()
            )),
            HashAlgorithm::Bcrypt if !fits_bcrypt(password) => {
                Err("the password holds a zero byte; allowed with argon2id, not with bcrypt".into())
            }
            HashAlgorithm::Bcrypt => {
                let parts = bcrypt::hash_with_salt(password, BCRYPT_COST_DEFAULT, salt)
                    .map_err(|error| format!("the password cannot be hashed: {error}"))?;
                Ok(PasswordHash(Kind::Bcrypt { text: parts.format_for_version(bcrypt::Version::TwoB) }))
            }
        }
    }

    /// Whether this is the password: as much work for a wrong one as for the right one. It takes from milliseconds to
    /// seconds, and the memory that the hash says.
    pub fn verify(&self, password: &[u8]) -> bool {
        self.verify_in(&mut Workspace::default(), password)
    }

    /// The same in memory that is kept for the next.
    pub(super) fn verify_in(&self, Workspace(blocks): &mut Workspace, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Argon2id { params, salt, hash } => {
                if blocks.len() < params.block_count() {
                    // Not beside what there was.
                    *blocks = Vec::new();
                    *blocks = vec![Block::new(); params.block_count()];
                }
                let mut computed = vec![0; hash.len()];
                let argon2id = argon2id(params);
                let is_computed =
                    argon2id.hash_password_into_with_memory(password, salt, &mut computed, blocks).is_ok();
                bool::from(computed.ct_eq(hash)) & is_computed
            }
            // bcrypt cuts a long password, and takes `a` for `a\0a`: such ones cost the same, and are wrong.
            Kind::Bcrypt { text } => bcrypt::verify(password, text).unwrap_or(false) & fits_bcrypt(password),
            #[cfg(test)]
            Kind::Broken => panic!("a panic for a test, while it hashes"),
        }
    }

    /// The hash as [`PasswordHash::parse`] reads it: not for a log.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Kind::Argon2id { params, salt, hash } => {
                let [salt, hash] = [salt, hash].map(|bytes| STANDARD_NO_PAD.encode(bytes));
                let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
                format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
            }
            Kind::Bcrypt { text } => text.clone(),
            #[cfg(test)]
            Kind::Broken => "broken".into(),
        }
    }

    /// One whose verification panics.
    #[cfg(test)]
    pub(super) fn broken() -> PasswordHash {
        PasswordHash(Kind::Broken)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Argon2id { .. } => "PasswordHash(argon2id)",
            Kind::Bcrypt { .. } => "PasswordHash(bcrypt)",
            #[cfg(test)]
            Kind::Broken => "PasswordHash(broken)",
        })
    }
}

fn argon2id(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

fn fits_bcrypt(password: &[u8]) -> bool {
    password.len() <= BCRYPT_PASSWORD_BYTES && !password.contains(&0)
}

fn not_a_hash(reason: &str) -> String {
    format!("{reason}; allowed: {}", PasswordHash::ALLOWED)
}

/// `$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>`, both base64 without padding.
fn parse_argon2id(text: &str) -> Result<PasswordHash, String> {
    let malformed = || not_a_hash("a malformed argon2id hash");
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", costs, salt, hash] = parts.as_slice() else { return Err(malformed()) };
    let costs: Vec<&str> = costs.split(',').collect();
    let [m, t, p] = costs.as_slice() else { return Err(malformed()) };
    let number = |text: &str, name: &str| -> Option<u32> {
        let digits = text.strip_prefix(name)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let costs = number(m, "m=").zip(number(t, "t=")).zip(number(p, "p="));
    let ((m, t), p) = costs.ok_or_else(malformed)?;
    if m > ARGON2_MEMORY_KIB_MAX || u64::from(m) * u64::from(t) > ARGON2_WORK_KIB_MAX || p > ARGON2_LANES_MAX {
        return Err(format!(
            "an argon2id hash of m={m}, t={t}, p={p} would take too long; allowed: m to {ARGON2_MEMORY_KIB_MAX}, \
             m times t to {ARGON2_WORK_KIB_MAX}, p to {ARGON2_LANES_MAX}"
        ));
    }
    let [salt, hash] = [salt, hash].map(|part| STANDARD_NO_PAD.decode(part).ok());
    let salt = salt.filter(|salt| SALT_BYTES.contains(&salt.len())).ok_or_else(malformed)?;
    let hash = hash.filter(|hash| HASH_BYTES.contains(&hash.len())).ok_or_else(malformed)?;
    let params = Params::new(m, t, p, Some(hash.len())).map_err(|_| malformed())?;
    Ok(PasswordHash(Kind::Argon2id { params, salt, hash }))
}

fn parse_bcrypt(text: &str) -> Result<PasswordHash, String> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| not_a_hash("a malformed bcrypt hash"))?;
    match parts.get_cost() {
        4..=BCRYPT_COST_MAX => Ok(PasswordHash(Kind::Bcrypt { text: text.into() })),
        cost => Err(format!("a bcrypt hash of cost {cost}; allowed: 4 to {BCRYPT_COST_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -e`.
    const ARGON2ID: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    /// From the test vectors of jBCrypt: the password `a`.
    const BCRYPT: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";

    #[test]
    fn hashes_of_others_are_verified() {
        for (hash, password) in [(ARGON2ID, "password"), (BCRYPT, "a"), (&BCRYPT.replace("2a", "2y"), "a")] {
            let parsed = PasswordHash::parse(hash).unwrap();
            assert!(parsed.verify(password.as_bytes()));
            assert_eq!(parsed.to_text(), hash);
            for wrong in ["", "b", "Password", "password ", "a\0", "a\0a"] {
                assert!(!parsed.verify(wrong.as_bytes()), "{hash} {wrong:?}");
            }
        }
    }

    #[test]
    fn a_workspace_serves_one_hash_after_another_and_grows_to_the_largest_alone() {
        let hash = |kib: u32| {
            let params = Params::new(kib, 1, 1, Some(32)).unwrap();
            let (salt, mut hash) = (vec![7; 16], vec![0; 32]);
            argon2id(&params).hash_password_into(b"p", &salt, &mut hash).unwrap();
            PasswordHash(Kind::Argon2id { params, salt, hash })
        };
        let mut workspace = Workspace::default();
        for (kib, held) in [(64, 64), (256, 256), (64, 256), (256, 256)] {
            // What another left behind has no part in the verdict.
            for (password, is_right) in [(b"p", true), (b"x", false), (b"p", true)] {
                assert_eq!(hash(kib).verify_in(&mut workspace, password), is_right, "{kib} KiB");
            }
            assert_eq!(workspace.kib(), held);
        }
    }

    #[test]
    fn what_is_made_is_read_and_verified() {
        for algorithm in [HashAlgorithm::Argon2id, HashAlgorithm::Bcrypt] {
            let text = PasswordHash::make(algorithm, "pässword".as_bytes(), [7; 16]).unwrap().to_text();
            let other = PasswordHash::make(algorithm, "pässword".as_bytes(), [8; 16]).unwrap().to_text();
            assert_ne!(text, other, "the salt counts");
            let parsed = PasswordHash::parse(&text).unwrap();
            assert!(parsed.verify("pässword".as_bytes()) && !parsed.verify(b"password"));
        }
    }

    #[test]
    fn a_password_is_hashed_whole_or_not_at_all() {
        let make = |algorithm, bytes: &[u8]| PasswordHash::make(algorithm, bytes, [1; 16]);
        for algorithm in [HashAlgorithm::Argon2id, HashAlgorithm::Bcrypt] {
            assert_eq!(make(algorithm, b"").unwrap_err(), "the password is empty; allowed: 1 to 1024 bytes");
            let reason = make(algorithm, &[b'x'; PASSWORD_BYTES + 1]).unwrap_err();
            assert_eq!(reason, "the password has more than 1024 bytes; allowed: 1 to 1024");
        }
        assert!(make(HashAlgorithm::Argon2id, &[b'x'; PASSWORD_BYTES]).is_ok());
        for (password, reason) in [
            (
                &[b'x'; BCRYPT_PASSWORD_BYTES + 1][..],
                "the password has 73 bytes; allowed with bcrypt: 1 to 72, with argon2id to 1024",
            ),
            (b"x\0y", "the password holds a zero byte; allowed with argon2id, not with bcrypt"),
        ] {
            assert_eq!(make(HashAlgorithm::Bcrypt, password).unwrap_err(), reason);
        }

        let longest = [b'x'; BCRYPT_PASSWORD_BYTES];
        let text = bcrypt::hash_with_salt(longest, 4, [1; 16]).unwrap().to_string();
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.verify(&longest));
        assert!(!hash.verify(&[b'x'; BCRYPT_PASSWORD_BYTES + 1]), "no longer one is cut");
        assert!(!hash.verify(&[b'x'; BCRYPT_PASSWORD_BYTES - 1]));
    }

    #[test]
    fn a_hash_that_would_take_too_long_is_refused_and_what_is_allowed_is_said() {
        let argon2id = |m: u32, t: u32, p: u32| ARGON2ID.replace("m=256,t=2,p=1", &format!("m={m},t={t},p={p}"));
        let bcrypt = |cost: u32| BCRYPT.replace("$06$", &format!("${cost:02}$"));
        let allowed = "allowed: m to 262144, m times t to 1048576, p to 16";
        for (good, bad, end) in [
            (argon2id(262_144, 1, 1), argon2id(262_145, 1, 1), allowed),
            (argon2id(262_144, 4, 1), argon2id(262_144, 5, 1), allowed),
            (argon2id(8, 131_072, 1), argon2id(8, 131_073, 1), allowed),
            (argon2id(256, 1, 16), argon2id(256, 1, 17), allowed),
            (argon2id(256, 1, 1), argon2id(u32::MAX, u32::MAX, u32::MAX), allowed),
            (bcrypt(15), bcrypt(16), "allowed: 4 to 15"),
            (bcrypt(4), bcrypt(3), "allowed: 4 to 15"),
            (bcrypt(4), bcrypt(31), "allowed: 4 to 15"),
        ] {
            assert!(PasswordHash::parse(&good).is_ok(), "{good}");
            let reason = PasswordHash::parse(&bad).unwrap_err();
            assert!(reason.ends_with(end), "{reason}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused_without_being_shown() {
        let secret = "nf65EOgLrQMR";
        for text in [
            "",
            "password",
            &ARGON2ID.replace("argon2id", "argon2i"),
            &ARGON2ID.replace("v=19", "v=16"),
            &ARGON2ID.replace("$v=19", ""),
            &ARGON2ID.replace("m=256,t=2", "t=2,m=256"),
            &ARGON2ID.replace("m=256", "m=+256"),
            &ARGON2ID.replace("m=256", "m="),
            &ARGON2ID.replace("m=256", "m=7"),
            &ARGON2ID.replace("m=256", "m=99999999999"),
            &ARGON2ID.replace("t=2", "t=0"),
            &ARGON2ID.replace("p=1", "p=0"),
            &ARGON2ID.replace("p=1", "p=1,keyid=x"),
            &ARGON2ID.replace("c29tZXNhbHQ", "c29tZXM"),
            &ARGON2ID.replace("c29tZXNhbHQ", "c29tZXNhbHQ="),
            &format!("{ARGON2ID}$x"),
            &ARGON2ID[..ARGON2ID.len() - 1],
            "$argon2id$",
            "$2b$",
            &BCRYPT.replace("2a", "2x"),
            &BCRYPT[1..],
            &BCRYPT[..59],
            &format!("{BCRYPT}x"),
            &BCRYPT.replace("m0C", "é"),
        ] {
            let reason = PasswordHash::parse(text).unwrap_err();
            assert!(!reason.contains(secret) && !reason.contains("rS2Kdee"), "{reason}");
            assert!(reason.contains("; allowed: "), "{reason}");
        }
    }

    #[test]
    fn debug_shows_the_kind_alone() {
        for (text, shown) in [(ARGON2ID, "PasswordHash(argon2id)"), (BCRYPT, "PasswordHash(bcrypt)")] {
            assert_eq!(format!("{:?}", PasswordHash::parse(text).unwrap()), shown);
        }
    }
}
