//! What waits to be written to one peer: [`SendQueue`], a list of segments.
//!
//! Small frames of the session itself are copied one behind the other into a buffer of the queue's own; a
//! broadcast is one `Bytes` that every receiver's queue shares; a large payload goes in as it is, behind its
//! header. An idle session has no queue at all: the engine keeps empty ones and lends them out.
//!
//! Not here: who may be queued how much (`engine/session/`), the writing (`net/connection.rs`).

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use tungstenite::Bytes;

use crate::engine::ledger::SharedFrame;
use crate::limits::{SEND_QUEUE_ENTRY_BYTES, SEND_QUEUE_KEEP_BYTES};
use crate::wire::websocket::{frame_length, settled};

/// Segments in the order in which they are sent. A driver writes from [`SendQueue::slices`], [`SendQueue::gather`] or
/// [`SendQueue::front`], and says by [`SendQueue::advance`] how much has left.
#[derive(Debug, Default)]
pub struct SendQueue {
    segments: VecDeque<Segment>,
    /// How much of the first segment is on the wire already.
    sent: usize,
    /// Bytes not yet sent, of all segments.
    bytes: usize,
    /// Frames (and HTTP answers) that have not left completely.
    entries: usize,
    /// What the segments that are not broadcasts cost: their bytes as they leave, their entries with the last byte.
    own: usize,
    /// Bytes of the broadcasts in it, sent or not: they go with the last queue that holds them.
    pinned: usize,
    /// Where the last segment's trailing pong starts, if it ends with one.
    pong_at: Option<usize>,
    /// An emptied buffer, for the next segment of small frames.
    spare: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    kind: Kind,
    data: Data,
    /// Entries that end in this segment.
    entries: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// HTTP: not frames, and not to be cut.
    Http,
    /// Begins with a frame's first byte. The payload of its last frame may be the next segment.
    Frames,
    /// The payload of the frame whose header ends the segment before.
    Payload,
}

#[derive(Debug)]
enum Data {
    /// Small frames, copied.
    Own(Vec<u8>),
    /// A payload that may pin the read buffer it came in.
    Lent(Bytes),
    /// A payload that pins nothing but itself.
    Settled(Bytes),
    /// A broadcast.
    Shared(Arc<SharedFrame>),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Own(bytes) => bytes,
            Data::Lent(bytes) | Data::Settled(bytes) => bytes,
            Data::Shared(frame) => frame.bytes(),
        }
    }

    /// How much of it is not this queue's alone.
    fn pinned(&self) -> usize {
        match &self.data {
            Data::Shared(frame) => frame.bytes().len(),
            Data::Own(_) | Data::Lent(_) | Data::Settled(_) => 0,
        }
    }

    /// What so many of its bytes and entries count among the session's own replies.
    fn own_cost(&self, bytes: usize, entries: usize) -> usize {
        match self.data {
            Data::Shared(_) => 0,
            Data::Own(_) | Data::Lent(_) | Data::Settled(_) => bytes + entries * SEND_QUEUE_ENTRY_BYTES,
        }
    }
}

impl SendQueue {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// What the queue is charged: its bytes, and [`SEND_QUEUE_ENTRY_BYTES`] for each entry.
    pub fn cost(&self) -> usize {
        self.bytes + self.entries * SEND_QUEUE_ENTRY_BYTES
    }

    /// What the session's own replies cost, broadcasts left out.
    pub fn own_cost(&self) -> usize {
        self.own
    }

    /// What the queue makes the process hold by itself: all segments that are not broadcasts, whole, since what has been
    /// sent of one goes with its end; the entries; and the spare buffer.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.sent - self.pinned + self.entries * SEND_QUEUE_ENTRY_BYTES + self.spare.capacity()
    }

    /// Bytes of broadcasts that it keeps, perhaps not alone.
    pub(super) fn pinned(&self) -> usize {
        self.pinned
    }

    /// The broadcasts in it.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn frames(&self) -> impl Iterator<Item = &Arc<SharedFrame>> {
        self.segments.iter().filter_map(|segment| match &segment.data {
            Data::Shared(frame) => Some(frame),
            Data::Own(_) | Data::Lent(_) | Data::Settled(_) => None,
        })
    }

    /// Queues an HTTP head or body that `write` appends to the buffer it is given.
    pub(super) fn push_http(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.append(Kind::Http, write);
    }

    /// Queues one whole frame that `write` appends to the buffer it is given.
    pub(super) fn push_frame(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.append(Kind::Frames, write);
    }

    /// Queues one frame whose payload is not copied: `write` appends its header.
    pub(super) fn push_header_and_payload(&mut self, write: impl FnOnce(&mut Vec<u8>), payload: Bytes) {
        self.append(Kind::Frames, write);
        self.bytes += payload.len();
        self.own += payload.len();
        self.segments.push_back(Segment { kind: Kind::Payload, data: Data::Lent(payload), entries: 1 });
        if let Some(header) = self.segments.len().checked_sub(2).and_then(|i| self.segments.get_mut(i)) {
            header.entries -= 1;
        }
    }

    /// Queues one whole encoded frame that other queues share.
    pub(super) fn push_shared(&mut self, frame: Arc<SharedFrame>) {
        self.pong_at = None;
        self.bytes += frame.bytes().len();
        self.pinned += frame.bytes().len();
        self.entries += 1;
        self.segments.push_back(Segment { kind: Kind::Frames, data: Data::Shared(frame), entries: 1 });
    }

    /// Queues a pong. Behind a backlog it takes the place of a pong that is last in the queue and untouched
    /// (RFC 6455, section 5.5.3: the newest ping may be the only one answered).
    pub(super) fn push_pong(&mut self, frame: &[u8], behind_backlog: bool) {
        if behind_backlog && let Some(start) = self.pong_at {
            let first = self.segments.len() == 1;
            if let Some(Segment { data: Data::Own(bytes), .. }) = self.segments.back_mut()
                && !(first && self.sent > start)
            {
                let replaced = bytes.len() - start;
                bytes.truncate(start);
                bytes.extend_from_slice(frame);
                self.bytes = self.bytes - replaced + frame.len();
                self.own = self.own - replaced + frame.len();
                return;
            }
        }
        let start = self.append(Kind::Frames, |buffer| buffer.extend_from_slice(frame));
        self.pong_at = Some(start);
    }

    /// Cuts the queue short: what is partly on the wire is completed, HTTP answers stay, the rest is dropped.
    pub(super) fn cut(&mut self) {
        self.pong_at = None;
        let mut keep = self.segments.iter().take_while(|segment| segment.kind == Kind::Http).count();
        // Only the first segment can be partly sent.
        if keep == 0 && self.sent > 0 {
            keep = self.finish_first();
        } else if keep == 0 && self.segments.front().is_some_and(|segment| segment.kind == Kind::Payload) {
            keep = 1;
        }
        self.segments.truncate(keep);
        self.bytes = self.segments.iter().map(|segment| segment.bytes().len()).sum::<usize>() - self.sent;
        self.entries = self.segments.iter().map(|segment| segment.entries).sum();
        self.pinned = self.segments.iter().map(Segment::pinned).sum();
        let own = |segment: &Segment| segment.own_cost(segment.bytes().len(), segment.entries);
        self.own = self.segments.iter().map(own).sum();
        self.own -= self.segments.front().map_or(0, |first| first.own_cost(self.sent, 0));
    }

    /// Brings what would outlive this turn to its exact size, so that the queue weighs what it holds; a spare buffer does not
    /// outlive it.
    pub(super) fn settle(&mut self) {
        self.spare = Vec::new();
        for segment in &mut self.segments {
            match &mut segment.data {
                Data::Lent(bytes) => {
                    segment.data = Data::Settled(settled(std::mem::take(bytes)));
                }
                Data::Own(buffer) => buffer.shrink_to_fit(),
                Data::Settled(_) | Data::Shared(_) => {}
            }
        }
    }

    /// Shortens the first segment to the end of the frame that is partly sent; returns how many segments
    /// that frame needs.
    fn finish_first(&mut self) -> usize {
        let sent = self.sent;
        let Some(segment) = self.segments.front_mut() else { return 0 };
        if segment.kind == Kind::Payload {
            return 1;
        }
        let mut end = 0;
        let mut entries = 0;
        while end < sent {
            let Some(length) = segment.bytes().get(end..).and_then(frame_length) else { break };
            end += length;
            entries += 1;
        }
        let whole = segment.bytes().len();
        if end > whole {
            return 2;
        }
        if let Data::Own(bytes) = &mut segment.data {
            bytes.truncate(end);
            bytes.shrink_to_fit();
            segment.entries = entries;
        }
        1
    }

    /// The segments as slices for a vectored write, as many as fit; returns how many there are.
    pub fn slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.sent;
        let mut count = 0;
        for (slot, segment) in out.iter_mut().zip(&self.segments) {
            *slot = IoSlice::new(segment.bytes().get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        count
    }

    /// All that waits, copied to the beginning of `room`; `None` if it does not fit in there.
    pub fn gather<'a>(&self, room: &'a mut [u8]) -> Option<&'a [u8]> {
        let (gathered, _) = room.split_at_mut_checked(self.bytes)?;
        let (mut skip, mut end) = (self.sent, 0);
        for segment in &self.segments {
            let bytes = segment.bytes().get(skip..)?;
            gathered.get_mut(end..end + bytes.len())?.copy_from_slice(bytes);
            (skip, end) = (0, end + bytes.len());
        }
        Some(gathered)
    }

    /// The next bytes to send, of the first segment alone; empty when nothing waits.
    pub fn front(&self) -> &[u8] {
        self.segments.front().and_then(|segment| segment.bytes().get(self.sent..)).unwrap_or_default()
    }

    /// Takes `count` bytes from the front: they are written (or encrypted).
    pub fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.bytes, "more was written than was queued");
        if count == self.bytes {
            return self.clear();
        }
        self.bytes = self.bytes.saturating_sub(count);
        let mut left = count;
        while let Some(first) = self.segments.front() {
            let rest = first.bytes().len() - self.sent;
            let taken = rest.min(left);
            left -= taken;
            self.own -= first.own_cost(taken, 0);
            if taken < rest {
                self.sent += taken;
                break;
            }
            self.sent = 0;
            self.entries -= first.entries;
            self.own -= first.own_cost(0, first.entries);
            self.pinned -= first.pinned();
            self.pop();
        }
    }

    /// All of it has left.
    fn clear(&mut self) {
        while self.pop() {}
        (self.sent, self.bytes, self.entries, self.own, self.pinned) = (0, 0, 0, 0, 0);
        self.pong_at = None;
    }

    /// Lets the first segment go, if there is one, and keeps its buffer.
    fn pop(&mut self) -> bool {
        match self.segments.pop_front() {
            Some(Segment { data: Data::Own(mut buffer), .. }) if buffer.capacity() <= SEND_QUEUE_KEEP_BYTES => {
                buffer.clear();
                self.spare = buffer;
                true
            }
            popped => popped.is_some(),
        }
    }

    /// What it holds of memory when it is empty, beside itself, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.spare.capacity() + self.segments.capacity() * size_of::<Segment>()
    }

    /// Appends one entry to the last segment if it is an own one of this kind, else to a new one; returns
    /// where in the segment it starts.
    fn append(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.pong_at = None;
        let fits =
            matches!(self.segments.back(), Some(Segment { kind: last, data: Data::Own(_), .. }) if *last == kind);
        if !fits {
            let buffer = std::mem::take(&mut self.spare);
            self.segments.push_back(Segment { kind, data: Data::Own(buffer), entries: 0 });
        }
        let Some(Segment { data: Data::Own(buffer), entries, .. }) = self.segments.back_mut() else { return 0 };
        let start = buffer.len();
        write(buffer);
        self.bytes += buffer.len() - start;
        self.own += buffer.len() - start + SEND_QUEUE_ENTRY_BYTES;
        self.entries += 1;
        *entries += 1;
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's frame with this payload.
    fn frame(payload: &[u8]) -> Vec<u8> {
        assert!(payload.len() < 126);
        let mut bytes = vec![0x82, payload.len() as u8];
        bytes.extend_from_slice(payload);
        bytes
    }

    fn rest(queue: &SendQueue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = queue.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn shared(bytes: &[u8]) -> Arc<SharedFrame> {
        SharedFrame::new(Bytes::copy_from_slice(bytes), &Arc::default())
    }

    /// Every way of queueing, in one queue; returns it with the frames in order.
    fn mixed() -> (SendQueue, Vec<Vec<u8>>) {
        let mut queue = SendQueue::default();
        let frames = vec![frame(b"one"), frame(b"two"), frame(b"shared"), frame(b"a large payload"), frame(b"last")];
        queue.push_frame(|out| out.extend_from_slice(&frames[0]));
        queue.push_frame(|out| out.extend_from_slice(&frames[1]));
        queue.push_shared(shared(&frames[2]));
        queue.push_header_and_payload(
            |out| out.extend_from_slice(&frames[3][..2]),
            Bytes::copy_from_slice(&frames[3][2..]),
        );
        queue.push_frame(|out| out.extend_from_slice(&frames[4]));
        (queue, frames)
    }

    #[test]
    fn bytes_leave_in_order_however_they_are_cut() {
        for step in 1..40 {
            let (mut queue, frames) = mixed();
            let mut wire = Vec::new();
            while !queue.is_empty() {
                let waiting = rest(&queue);
                assert_eq!(waiting.len(), queue.len());
                assert!(waiting.starts_with(queue.front()) && !queue.front().is_empty());
                for (room, fits) in [(waiting.len() - 1, false), (waiting.len(), true), (100, true)] {
                    assert_eq!(queue.gather(&mut vec![1; room]), fits.then_some(&*waiting));
                }
                let count = step.min(waiting.len());
                wire.extend_from_slice(&waiting[..count]);
                queue.advance(count);
            }
            assert_eq!(wire, frames.concat());
            assert_eq!(queue.cost(), 0);
        }
    }

    #[test]
    fn each_entry_costs_its_bytes_and_sixty_four() {
        let (mut queue, frames) = mixed();
        let cost = frames.concat().len() + 5 * 64;
        assert_eq!(queue.cost(), cost);
        assert_eq!(queue.own_cost(), cost - frames[2].len() - 64, "a broadcast is nobody's own");
        queue.settle();
        assert_eq!((queue.cost(), rest(&queue)), (cost, frames.concat()));
        queue.advance(queue.len());
        assert_eq!((queue.cost(), queue.own_cost()), (0, 0));
    }

    #[test]
    fn what_a_queue_holds_goes_segment_by_segment() {
        let (mut queue, frames) = mixed();
        let own: Vec<usize> = frames.iter().map(Vec::len).collect();
        let own = own[0] + own[1] + own[3] + own[4];
        assert_eq!((queue.weight(), queue.pinned()), (own + 5 * 64, frames[2].len()));
        queue.advance(frames[0].len());
        assert_eq!(queue.weight(), own + 5 * 64, "what is sent of a buffer is still in it");
        queue.advance(frames[1].len() + 3);
        let rest = frames[3].len() + frames[4].len();
        assert_eq!(queue.weight(), rest + 3 * 64 + queue.spare.capacity());
        assert_eq!(queue.pinned(), frames[2].len(), "a broadcast that is partly sent is whole in memory");
        queue.advance(frames[2].len() - 3);
        assert_eq!((queue.weight(), queue.pinned()), (rest + 2 * 64 + queue.spare.capacity(), 0));
        queue.advance(queue.len());
        assert_eq!(queue.weight(), queue.spare.capacity());
    }

    #[test]
    fn what_outlives_a_turn_has_no_room_that_it_does_not_use() {
        let mut queue = SendQueue::default();
        queue.push_frame(|out| out.extend_from_slice(&[0; 10_000]));
        queue.advance(queue.len());
        // A few bytes in the spare buffer of many, and a buffer that has grown.
        queue.push_header_and_payload(|out| out.extend_from_slice(&[0; 4]), Bytes::from(vec![0; 9000]));
        (0..3).for_each(|_| queue.push_frame(|out| out.extend_from_slice(&[0; 3000])));
        queue.settle();
        let capacity = |segment: &Segment| match &segment.data {
            Data::Own(buffer) => buffer.capacity(),
            Data::Lent(bytes) | Data::Settled(bytes) => bytes.len(),
            Data::Shared(_) => 0,
        };
        assert_eq!(queue.segments.iter().map(capacity).sum::<usize>() + 4 * 64, queue.weight(), "four entries");
    }

    #[test]
    fn a_cut_completes_the_frame_on_the_wire_and_drops_the_rest() {
        let (_, frames) = mixed();
        let whole = frames.concat();
        for sent in 0..=whole.len() {
            let (mut queue, _) = mixed();
            queue.advance(sent);
            queue.cut();
            // The wire must end at the first frame boundary at or after what was sent.
            let mut boundary = 0;
            for frame in &frames {
                if boundary < sent {
                    boundary += frame.len();
                }
            }
            assert_eq!([&whole[..sent], &rest(&queue)].concat(), whole[..boundary], "after {sent} bytes");
            assert_eq!(queue.len(), boundary - sent);
            let entries = usize::from(boundary > sent);
            assert!(queue.cost() >= queue.len() + entries * 64);
            queue.advance(queue.len());
            assert_eq!(queue.cost(), 0, "after {sent} bytes");
        }
    }

    #[test]
    fn a_cut_leaves_the_switching_protocols_answer() {
        let mut queue = SendQueue::default();
        queue.push_http(|out| out.extend_from_slice(b"HTTP/1.1 101\r\n\r\n"));
        queue.push_frame(|out| out.extend_from_slice(&frame(b"hello")));
        queue.advance(3);
        queue.cut();
        assert_eq!(rest(&queue), b"P/1.1 101\r\n\r\n");
    }

    #[test]
    fn pongs_are_joined_only_behind_a_backlog() {
        let mut queue = SendQueue::default();
        queue.push_pong(&frame(b"1"), false);
        queue.push_pong(&frame(b"2"), false);
        assert_eq!(rest(&queue), [frame(b"1"), frame(b"2")].concat());
        queue.push_pong(&frame(b"3"), true);
        assert_eq!(rest(&queue), [frame(b"1"), frame(b"3")].concat());
        queue.push_frame(|out| out.extend_from_slice(&frame(b"data")));
        queue.push_pong(&frame(b"4"), true);
        assert_eq!(rest(&queue), [frame(b"1"), frame(b"3"), frame(b"data"), frame(b"4")].concat());
    }

    #[test]
    fn a_pong_that_is_partly_sent_is_not_replaced() {
        let mut queue = SendQueue::default();
        queue.push_pong(&frame(b"1"), false);
        queue.advance(1);
        queue.push_pong(&frame(b"2"), true);
        assert_eq!(rest(&queue), [&frame(b"1")[1..], &frame(b"2")].concat());
    }

    #[test]
    fn an_emptied_queue_keeps_its_buffer_for_the_next_frame() {
        let mut queue = SendQueue::default();
        queue.push_frame(|out| out.extend_from_slice(&frame(b"first")));
        queue.advance(queue.len());
        let kept = queue.spare.capacity();
        assert!(kept >= 7);
        queue.push_frame(|out| out.extend_from_slice(&frame(b"again")));
        assert_eq!(queue.spare.capacity(), 0, "the spare buffer is in use");
    }
}
