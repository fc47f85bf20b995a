//! The lines that wait to be written: at most [`LOG_LINES_WAITING`] of them. One more is lost, and counted; the count
//! goes with the next line that finds room, so that it is told where the lost ones would have stood.
//!
//! Not here: what becomes of them (`writer.rs`).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::line::Line;
use barewire::limits::LOG_LINES_WAITING;

/// Lines that wait as a rule.
const FEW: usize = 64;

/// See the module. Nobody holds its lock longer than it takes to move a line.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    work: Condvar,
    /// Everything is written.
    rest: Condvar,
}

struct State {
    /// Each with how many were lost right before it. Made once, in the heap's low part; a crowd does not move it.
    waiting: VecDeque<(u64, Line)>,
    /// Those behind them, when these are [`FEW`]: with the last of them its memory is given back.
    crowd: VecDeque<(u64, Line)>,
    /// Lost since the last one that found room.
    lost: u64,
    /// The writer has taken one, and not come back yet.
    is_writing: bool,
}

impl Default for State {
    fn default() -> State {
        let (waiting, crowd) = (VecDeque::with_capacity(FEW), VecDeque::new());
        State { waiting, crowd, lost: 0, is_writing: false }
    }
}

impl State {
    fn len(&self) -> usize {
        self.waiting.len() + self.crowd.len()
    }

    fn push(&mut self, entry: (u64, Line)) {
        if self.crowd.is_empty() && self.waiting.len() < FEW {
            self.waiting.push_back(entry);
        } else {
            if self.crowd.is_empty() {
                self.crowd.reserve(FEW);
            }
            self.crowd.push_back(entry);
        }
    }

    fn pop(&mut self) -> Option<(u64, Line)> {
        self.waiting.pop_front().or_else(|| {
            let entry = self.crowd.pop_front();
            if self.crowd.is_empty() {
                self.crowd = VecDeque::new();
            }
            entry
        })
    }
}

impl Queue {
    /// Puts a line behind the others, or loses it. Never waits for the writer.
    pub fn push(&self, line: Line) {
        let mut state = self.lock();
        if state.len() < LOG_LINES_WAITING {
            let lost = std::mem::take(&mut state.lost);
            state.push((lost, line));
            self.work.notify_one();
        } else {
            state.lost += 1;
        }
    }

    /// Waits for something to write: how many lines were lost, and the line behind them, if there is one already.
    /// What was taken before counts as written.
    pub fn next(&self) -> (u64, Option<Line>) {
        let mut state = self.lock();
        state.is_writing = false;
        loop {
            if let Some((lost, line)) = state.pop() {
                state.is_writing = true;
                return (lost, Some(line));
            }
            if state.lost > 0 {
                state.is_writing = true;
                return (std::mem::take(&mut state.lost), None);
            }
            self.rest.notify_all();
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until all that waits now is written, at most this long. Says whether it is.
    pub fn wait_until_written(&self, at_most: Duration) -> bool {
        let is_busy = |state: &mut State| state.is_writing || state.lost > 0 || state.len() > 0;
        let waited = self.rest.wait_timeout_while(self.lock(), at_most, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn line(unix_ms: u64) -> Line {
        Line::new(unix_ms, Level::Info, "", format_args!(""))
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_where_it_would_have_stood() {
        let queue = Queue::default();
        let most = LOG_LINES_WAITING as u64;
        for number in 0..most + 3 {
            queue.push(line(number));
        }
        assert_eq!(queue.next(), (0, Some(line(0))));
        queue.push(line(1000));
        queue.push(line(1001));
        for number in 1..most {
            assert_eq!(queue.next(), (0, Some(line(number))));
        }
        assert_eq!(queue.next(), (3, Some(line(1000))));
        assert_eq!(queue.next(), (1, None), "told though nothing comes behind it");
    }

    #[test]
    fn a_crowd_of_lines_keeps_its_order_and_no_memory_however_it_is_taken() {
        for most in [FEW, FEW + 1, 3 * FEW] {
            let queue = Queue::default();
            let (mut pushed, mut taken) = (0..1000, 0..1000);
            for _ in 0..3 {
                while queue.lock().len() < most {
                    queue.push(line(pushed.next().unwrap()));
                }
                (0..most / 2).for_each(|_| assert_eq!(queue.next(), (0, Some(line(taken.next().unwrap())))));
            }
            while queue.lock().len() > 0 {
                assert_eq!(queue.next(), (0, Some(line(taken.next().unwrap()))));
            }
            assert_eq!(pushed, taken);
            assert_eq!(queue.lock().crowd.capacity(), 0);
            assert!(queue.lock().waiting.capacity() < 2 * FEW);
        }
    }

    #[test]
    fn a_full_queue_takes_a_line_for_each_that_is_taken_and_not_one_more() {
        let queue = Queue::default();
        for _ in 0..LOG_LINES_WAITING {
            queue.push(line(0));
        }
        assert_eq!(queue.lock().lost, 0);
        queue.next();
        queue.push(line(0));
        assert_eq!(queue.lock().lost, 0);
        queue.push(line(0));
        assert_eq!(queue.lock().lost, 1);
    }

    #[test]
    fn it_is_written_when_the_writer_comes_back_for_more() {
        let queue = Queue::default();
        assert!(queue.wait_until_written(Duration::ZERO));
        queue.push(line(0));
        assert!(!queue.wait_until_written(Duration::ZERO));
        queue.next();
        assert!(!queue.wait_until_written(Duration::ZERO), "taken is not written");
        std::thread::scope(|scope| {
            // It comes back, finds nothing, and waits for the line that ends this test.
            let writer = scope.spawn(|| queue.next());
            assert!(queue.wait_until_written(Duration::from_secs(60)));
            queue.push(line(1));
            assert_eq!(writer.join().unwrap(), (0, Some(line(1))));
        });
    }
}
