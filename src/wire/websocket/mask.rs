//! Masking keys (RFC 6455, sections 5.3 and 10.3): a client masks each frame with a key that nobody can foretell.
//!
//! The generator is a cryptographic one, and its seed an argument: the same seed gives the same keys.
//!
//! Not here: unmasking (`context.rs`), where the seed comes from (`net/io.rs`).

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One masking key.
pub type Mask = [u8; 4];

/// The masking keys of one client, and the nonce of its opening handshake.
pub struct Masks(StdRng);

impl Masks {
    /// `seed` must come from a strong source of entropy, for each client anew.
    pub fn new(seed: [u8; 32]) -> Masks {
        Masks(StdRng::from_seed(seed))
    }

    /// The key of the next frame.
    pub fn key(&mut self) -> Mask {
        self.0.next_u32().to_ne_bytes()
    }

    /// What a `Sec-WebSocket-Key` is made of (RFC 6455, section 4.1).
    pub fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.0.fill_bytes(&mut nonce);
        nonce
    }
}

/// Who knows the state knows the keys to come.
impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masks").finish_non_exhaustive()
    }
}

/// Masks a payload, which begins with the first byte of its frame's. Twice is not at all.
pub fn apply_mask(payload: &mut [u8], mask: Mask) {
    let key = u32::from_ne_bytes(mask);
    let (blocks, tail) = payload.as_chunks_mut();
    for block in blocks {
        *block = (u32::from_ne_bytes(*block) ^ key).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_masked_as_it_says() {
        // RFC 6455, section 5.7: "Hello".
        let mut payload = *b"Hello";
        apply_mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn one_seed_gives_the_same_keys_again_and_another_seed_others() {
        let keys = |seed| {
            let mut masks = Masks::new([seed; 32]);
            (masks.nonce(), std::array::from_fn::<_, 100, _>(|_| masks.key()))
        };
        let (nonce, first) = keys(1);
        assert_eq!((nonce, first), keys(1));
        let (other_nonce, other) = keys(2);
        assert!(nonce != other_nonce && first != other);
        let distinct: std::collections::BTreeSet<Mask> = first.into_iter().collect();
        assert_eq!(distinct.len(), first.len());
    }
}
