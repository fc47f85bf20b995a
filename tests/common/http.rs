//! HTTP by hand: requests as a client writes them, and answers taken apart without the code under test.
//!
//! Not here: frames (`frames.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The value of the one header of this name. Panics if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }
}

/// All answers in `bytes`, each with the body that its `Content-Length` announces. Panics on half an answer.
pub fn answers(bytes: &[u8]) -> Vec<Answer> {
    let mut rest = std::str::from_utf8(bytes).expect("an answer is text");
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let (answer, body) = head(rest);
        let length = answer.header("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        let (body, behind) = body.split_at_checked(length).expect("a whole body");
        answers.push(Answer { body: body.to_owned(), ..answer });
        rest = behind;
    }
    answers
}

/// The head of the answer at the start of `text`, and what follows the blank line.
pub fn head(text: &str) -> (Answer, &str) {
    let (head, behind) = text.split_once("\r\n\r\n").expect("a whole head");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
    let status = status.split(' ').next().and_then(|code| code.parse().ok()).expect("a status code");
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a header line");
        (name.to_owned(), value.to_owned())
    };
    (Answer { status, headers: lines.map(header).collect(), body: String::new() }, behind)
}

/// A request without header lines but `Host` and those given.
pub fn request(line: &str, headers: &str) -> String {
    format!("{line}\r\nHost: localhost\r\n{headers}\r\n")
}

/// `Basic …` for `user:password`.
pub fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}
