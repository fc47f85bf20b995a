//! What a peer says, and hears, without the code under test: files of the crate's tests.
//!
//! Not here: what it should hear (`model.rs`).

#[path = "../../tests/common/chance.rs"]
pub mod chance;
#[path = "../../tests/common/frames.rs"]
pub mod frames;
#[path = "../../tests/common/jwt.rs"]
pub mod jwt;
