//! When a crowd has gone: what it has made large is made small again, so that the allocator can give the memory back.
//!
//! An allocator gives back what is free in one piece; glibc's only at the end of its heap, so that one block that stays
//! there keeps all below it. Lists and pools that a crowd has made grow lie all over the heap, among what its sessions held.
//! So they are let go of, and what belongs to those who stay is moved. What is left then are blocks that the allocator
//! itself has put by for this thread, a few of each small size: these are taken, and let go of in a way that joins them to
//! what is free around.
//!
//! That is done a few times for a crowd, between two turns, and once more when the last of it have left. With another
//! allocator the last part does nothing that anybody would notice.
//!
//! And as it starts, the allocator is told that large blocks come and go.
//!
//! Not here: what a session gives back when it ends (`session/`), the table of sockets (`net/server.rs`).

use std::array::from_fn;
use std::cmp::Reverse;
use std::hint::black_box;
use std::time::Duration;

use slab::Slab;

use crate::engine::Engine;
use crate::engine::session::Session;
use crate::limits::{CONNECTIONS_RESERVED, CROWD, EBB_DELAY, HEAP_ROOM_BYTES};
use crate::time::micros;

/// glibc puts by at most seven freed blocks of a size, of up to 1032 bytes, which are a multiple of 16 and 8.
const PUT_BY: usize = 8;
const PUT_BY_BYTES: usize = 1040;
const STEP_BYTES: usize = 16;
const BLOCKS: usize = PUT_BY * (PUT_BY_BYTES / STEP_BYTES);
/// While some are taken others are put by, fewer each time.
const ROUNDS: usize = 4;

/// glibc maps what is large, and takes it for a sign that mapping does not pay when that is given back: then it maps only
/// what is larger still, and keeps twice as much at the end of its heap. Not so above 32 MiB.
const _: () = assert!(CONNECTIONS_RESERVED * size_of::<Session>() > 32 * 1024 * 1024 || usize::BITS < 64);

/// How far a crowd has gone.
#[derive(Debug, Default)]
pub(super) struct Tide {
    /// The most sessions at once since the tables were last made small; 0 before a crowd comes, and after it has gone.
    high: usize,
    /// When it is done once more, for those who have left since: their blocks may be the last on the heap.
    again_us: Option<u64>,
    /// The driver has not been told of the last time.
    is_untold: bool,
}

impl Tide {
    /// One more has come, and there are so many.
    pub fn rise(&mut self, sessions: usize) {
        if sessions >= CROWD {
            self.high = self.high.max(sessions);
        }
    }

    /// One has left. Others may follow.
    pub fn fall(&mut self, now_us: u64) {
        if self.again_us.is_some() {
            self.again_us = Some(now_us.saturating_add(micros(EBB_DELAY)));
        }
    }
}

impl Engine {
    /// Whether the tables were made small since this was last asked. That is when of at least [`CROWD`] sessions a
    /// quarter is left, again with a quarter of these, and so on until none is; and once more when nobody has left for
    /// [`EBB_DELAY`] after that. The driver may do the same with its own. Asked after [`Engine::handle_now`].
    pub fn poll_ebb(&mut self) -> bool {
        std::mem::take(&mut self.tide.is_untold)
    }

    /// How long until the tables are to be made small; `None` if they are not.
    pub(super) fn until_ebb(&self) -> Option<Duration> {
        let Tide { high, again_us, .. } = self.tide;
        if high > 0 && self.sessions.len() <= high / 4 {
            return Some(Duration::ZERO);
        }
        again_us.map(|at| Duration::from_micros(at.saturating_sub(self.shared.now.mono_us)))
    }

    /// Gives back what a crowd has left, if one has gone and nothing waits.
    pub(super) fn ebb(&mut self) {
        let Some(Duration::ZERO) = self.until_ebb().filter(|_| self.shared.is_at_rest()) else { return };
        let (left, now_us) = (self.sessions.len(), self.shared.now.mono_us);
        self.tide = match self.tide.high {
            high if left > high / 4 => Tide { high, again_us: None, is_untold: true },
            _ => {
                let again_us = (left > 0).then(|| now_us.saturating_add(micros(EBB_DELAY)));
                Tide { high: left, again_us, is_untold: true }
            }
        };
        self.shared.shrink();
        let sessions = &mut self.sessions;
        let entries = self.shared.wheel.take_all(|index| sessions.contains(index as usize));
        shrink(sessions);
        join_free_blocks();
        // What those who stay have in the tables is made anew while none is put by: it finds room among them, and does not
        // lie behind all that is free.
        let put_by = take_free_blocks();
        self.hub.shrink();
        self.shared.wheel.put_all(&entries);
        drop(entries);
        join(put_by);
        join_free_blocks();
    }
}

/// Lets the allocator keep some of what is free at the end of its heap for the next large message: as it starts, glibc gives
/// back whatever is more than 128 KiB, in the middle of an echo of 64. One block that it has mapped and that is given back
/// teaches it to map only what is larger, and to keep twice as much.
pub(super) fn keep_room_for_messages() {
    drop(black_box(Vec::<u8>::with_capacity(HEAP_ROOM_BYTES / 2)));
}

/// Gives back the memory behind the last session, but not the room for more.
fn shrink(sessions: &mut Slab<Session>) {
    sessions.shrink_to_fit();
    sessions.reserve_exact(CONNECTIONS_RESERVED.saturating_sub(sessions.len()));
}

/// All that is free is in as few pieces as can be.
fn join_free_blocks() {
    (0..ROUNDS).for_each(|_| join(take_free_blocks()));
}

/// Takes the blocks that the allocator has put by, which it counts as used.
fn take_free_blocks() -> [Vec<u8>; BLOCKS] {
    // Asked for this much, glibc first joins the small blocks that it has only listed so far.
    drop(black_box(Vec::<u8>::with_capacity(4 * PUT_BY_BYTES)));
    // On the stack: on the heap it would lie behind one of them.
    from_fn(|i| Vec::with_capacity(STEP_BYTES / 2 + i / PUT_BY * STEP_BYTES))
}

/// Lets go of each at a size of which the allocator puts by none. From the last to the first: what lies behind a block is
/// free by then, so that it grows where it is.
fn join(mut blocks: [Vec<u8>; BLOCKS]) {
    blocks.sort_unstable_by_key(|block| Reverse(block.as_ptr().addr()));
    for mut block in blocks {
        block.reserve_exact(PUT_BY_BYTES + STEP_BYTES);
    }
}
