//! Lines of standard input, read by a thread of its own: a terminal that is silent, or a pipe, must not hold up the loop. Few
//! lines wait, so whoever writes faster than the server takes is held up.
//!
//! Not here: when a line is sent (`conversation.rs`).

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use barewire::client::Waker;
use barewire::limits::CONNECT_LINES_WAITING;

/// What comes of the input. Nothing follows the last two.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line without its end, LF or CR LF; what stands behind the last one too, if it is not empty.
    Text(String),
    /// The input is over.
    End,
    /// It cannot go on: one sentence.
    Fault(String),
}

/// See the module.
pub struct Input {
    /// `None` where nothing is read.
    lines: Option<Receiver<Line>>,
    front: Option<Line>,
}

impl Input {
    /// No lines, and no end.
    pub fn none() -> Input {
        Input { lines: None, front: None }
    }

    /// Reads standard input from now on: lines of at most `most` bytes. Wakes the loop with each.
    pub fn start(most: usize, waker: Waker) -> io::Result<Input> {
        let (sender, lines) = sync_channel(CONNECT_LINES_WAITING);
        let follow = move || follow(io::stdin().lock(), most, &sender, || waker.wake());
        thread::Builder::new().name("input".into()).spawn(follow)?;
        Ok(Input { lines: Some(lines), front: None })
    }

    /// The next line, if there is one yet. It stays the next until [`Input::pop`].
    pub fn front(&mut self) -> Option<&Line> {
        if self.front.is_none() {
            self.front = self.lines.as_ref()?.try_recv().ok();
        }
        self.front.as_ref()
    }

    /// The line of [`Input::front`] is done with.
    pub fn pop(&mut self) {
        self.front = None;
    }
}

fn follow(mut input: impl BufRead, most: usize, lines: &SyncSender<Line>, told: impl Fn()) {
    let mut number = 0;
    loop {
        number += 1;
        let line = next(&mut input, most, number);
        let is_last = !matches!(line, Line::Text(_));
        if lines.send(line).is_err() {
            return;
        }
        told();
        if is_last {
            return;
        }
    }
}

/// Holds no more of a line than is needed to see that it is too long.
fn next(input: impl BufRead, most: usize, number: usize) -> Line {
    let ends_at = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(2);
    let mut bytes = Vec::new();
    if let Err(error) = input.take(ends_at).read_until(b'\n', &mut bytes) {
        return Line::Fault(format!("standard input: {error}"));
    }
    if bytes.is_empty() {
        return Line::End;
    }
    if bytes.pop_if(|byte| *byte == b'\n').is_some() {
        bytes.pop_if(|byte| *byte == b'\r');
    }
    if bytes.len() > most {
        let allowed = format!("allowed: {most} (--message-bytes)");
        return Line::Fault(format!("line {number} of standard input has more bytes than a message may; {allowed}"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(_) => Line::Fault(format!("line {number} of standard input is not UTF-8, which a text message must be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8], most: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        loop {
            lines.push(next(&mut input, most, lines.len() + 1));
            if !matches!(lines.last(), Some(Line::Text(_))) {
                return lines;
            }
        }
    }

    fn texts(input: &str) -> Vec<String> {
        let mut lines = lines(input.as_bytes(), 100);
        assert_eq!(lines.pop(), Some(Line::End), "{input:?}");
        let text = |line| if let Line::Text(text) = line { text } else { panic!("{line:?}") };
        lines.into_iter().map(text).collect()
    }

    #[test]
    fn a_line_ends_with_lf_or_cr_lf_and_the_last_one_with_the_input() {
        for (input, expected) in [
            ("", &[][..]),
            ("\n", &[""]),
            ("a\nb\n", &["a", "b"]),
            ("a\n\nb", &["a", "", "b"]),
            ("a\r\nb\r\r\nc\r", &["a", "b\r", "c\r"]),
            ("é\u{2028}x\n", &["é\u{2028}x"]),
        ] {
            assert_eq!(texts(input), expected, "{input:?}");
        }
    }

    #[test]
    fn a_line_may_have_the_size_of_a_message_and_not_one_byte_more() {
        for end in ["", "\n", "\r\n"] {
            assert_eq!(lines(format!("12345{end}").as_bytes(), 5), [Line::Text("12345".into()), Line::End]);
            let fault = lines(format!("ok\n123456{end}").as_bytes(), 5).pop();
            let Some(Line::Fault(sentence)) = fault else { panic!("{fault:?}") };
            assert!(
                sentence.starts_with("line 2 of") && sentence.contains("allowed: 5 (--message-bytes)"),
                "{sentence}"
            );
        }
        assert!(matches!(lines(&[b'x'; 1 << 20], 5).as_slice(), [Line::Fault(_)]));
    }

    #[test]
    fn what_is_not_utf_8_and_an_input_that_fails_end_it_with_a_sentence() {
        let fault = lines(b"good\nb\xffd\ngood\n", 100).pop();
        assert_eq!(
            fault,
            Some(Line::Fault("line 2 of standard input is not UTF-8, which a text message must be".into()))
        );
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let fault = next(&mut io::BufReader::new(Broken), 100, 1);
        assert_eq!(fault, Line::Fault("standard input: connection reset".into()));
    }

    #[test]
    fn few_lines_wait_and_whoever_writes_more_is_held_up() {
        let (sender, receiver) = sync_channel(CONNECT_LINES_WAITING);
        let (told, tell) = std::sync::mpsc::channel();
        let input = "x\n".repeat(CONNECT_LINES_WAITING + 2);
        let reader = thread::spawn(move || follow(input.as_bytes(), 1, &sender, || told.send(()).unwrap()));
        (0..CONNECT_LINES_WAITING).for_each(|_| tell.recv().unwrap());
        // The next is read, and waits with the thread until there is room.
        assert!(tell.try_recv().is_err() && !reader.is_finished());
        assert_eq!(receiver.iter().count(), CONNECT_LINES_WAITING + 3, "the end among them");
        reader.join().unwrap();
    }
}
