//! What was read of a peer and could not be looked at yet.
//!
//! Not here: when it is looked at (`engine/session/mod.rs`).

/// Input that waits. An idle session has none, and then this is one pointer.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "every session has room for the pointer, and few use it")]
pub struct Leftover(Option<Box<Vec<u8>>>);

impl Leftover {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What it takes of memory, in bytes.
    pub fn weight(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.capacity())
    }

    /// Puts more behind it.
    pub fn append(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().extend_from_slice(bytes);
        }
    }

    /// Takes all of it.
    pub fn take(&mut self) -> Vec<u8> {
        self.0.take().map(|bytes| *bytes).unwrap_or_default()
    }

    /// Keeps all of `bytes` behind the first `consumed` of them, and nothing else.
    pub fn keep(&mut self, mut bytes: Vec<u8>, consumed: usize) {
        bytes.drain(..consumed);
        self.0 = (!bytes.is_empty()).then(|| Box::new(bytes));
    }
}
