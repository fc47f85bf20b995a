//! The body of an answer, read piece by piece: [`BodyReader`].
//!
//! Not here: how a head says which framing it is (`response_head.rs`), how long a body may take (`engine/session/`).

use crate::limits::CHUNK_LINE_BYTES;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    None,
    /// After so many bytes.
    Length(usize),
    /// In chunks, the last of which is empty (RFC 9112, section 7.1).
    Chunked,
    /// With the end of the stream.
    UntilEnd,
}

/// Where in a body its reader is.
///
/// ```text
/// Ahead ──> Whole                    Size ──> Extension ──> SizeEnd ──> Data ──> DataEnd ──> Size …
///                                     └────────────────────────┘  └─ of 0: Whole
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many bytes are to come.
    Ahead(usize),
    /// All bytes that come belong to it.
    UntilEnd,
    /// In the digits before a chunk: what they say so far, and bytes of this line.
    Size { size: Option<usize>, line: usize },
    /// Behind the digits, in what is ignored.
    Extension { size: usize, line: usize },
    /// Before the line feed of that line.
    SizeEnd { size: usize },
    /// So many bytes of the chunk are to come.
    Data(usize),
    /// Before the line end behind a chunk, or within it.
    DataEnd { is_halfway: bool },
    /// Nothing more belongs to it.
    Whole,
}

/// Reads one body, in pieces cut anywhere, and holds nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyReader {
    place: Place,
}

impl BodyReader {
    /// At the start of a body.
    pub fn new(framing: BodyFraming) -> BodyReader {
        let place = match framing {
            BodyFraming::None | BodyFraming::Length(0) => Place::Whole,
            BodyFraming::Length(bytes) => Place::Ahead(bytes),
            BodyFraming::Chunked => Place::Size { size: None, line: 0 },
            BodyFraming::UntilEnd => Place::UntilEnd,
        };
        BodyReader { place }
    }

    /// Takes the next bytes of the stream: appends to `out` what the body says, until it has `at_most` bytes; what is
    /// beyond is dropped. Says whether the body is whole; what is behind it, trailers too, is not looked at.
    ///
    /// An error is a sentence, for chunks that break their grammar or whose size does not fit the machine, and for a line
    /// before a chunk of more than [`CHUNK_LINE_BYTES`], its end left out. It is final. Chunk extensions are ignored
    /// (RFC 9112, section 7.1.1).
    pub fn take(&mut self, input: &[u8], out: &mut Vec<u8>, at_most: usize) -> Result<bool, String> {
        let mut rest = input;
        while self.place != Place::Whole
            && let Some((&byte, behind)) = rest.split_first()
        {
            let Some(most) = self.place.content() else {
                (self.place, rest) = (self.place.behind_byte(byte)?, behind);
                continue;
            };
            let (said, behind) = rest.split_at(most.min(rest.len()));
            let room = at_most.saturating_sub(out.len()).min(said.len());
            out.extend_from_slice(said.get(..room).unwrap_or_default());
            (self.place, rest) = (self.place.behind_content(said.len()), behind);
        }
        Ok(self.place == Place::Whole)
    }

    /// Whether an end of the stream here completes the body.
    pub fn end(&self) -> bool {
        matches!(self.place, Place::Whole | Place::UntilEnd)
    }
}

impl Place {
    /// How many bytes from here on are said by the body; `None` where the next is not.
    fn content(self) -> Option<usize> {
        match self {
            Place::Ahead(bytes) | Place::Data(bytes) => Some(bytes),
            Place::UntilEnd => Some(usize::MAX),
            Place::Size { .. }
            | Place::Extension { .. }
            | Place::SizeEnd { .. }
            | Place::DataEnd { .. }
            | Place::Whole => None,
        }
    }

    /// Where the reader is behind so many of these.
    fn behind_content(self, bytes: usize) -> Place {
        match self {
            Place::Ahead(most) if most > bytes => Place::Ahead(most - bytes),
            Place::Ahead(_) => Place::Whole,
            Place::Data(most) if most > bytes => Place::Data(most - bytes),
            Place::Data(_) => Place::DataEnd { is_halfway: false },
            Place::UntilEnd
            | Place::Size { .. }
            | Place::Extension { .. }
            | Place::SizeEnd { .. }
            | Place::DataEnd { .. }
            | Place::Whole => self,
        }
    }

    /// Where it is behind a byte that is not said by the body.
    fn behind_byte(self, byte: u8) -> Result<Place, &'static str> {
        Ok(match (self, byte) {
            (Place::Ahead(_) | Place::UntilEnd | Place::Data(_) | Place::Whole, _) => self,
            (Place::DataEnd { is_halfway: false }, b'\r') => Place::DataEnd { is_halfway: true },
            (Place::DataEnd { is_halfway: true }, b'\n') => Place::Size { size: None, line: 0 },
            (Place::DataEnd { .. }, _) => return Err("the answer has a chunk that is longer than its size"),
            (Place::Size { size: Some(size), .. } | Place::Extension { size, .. }, b'\r') => Place::SizeEnd { size },
            (Place::Size { line, .. } | Place::Extension { line, .. }, _) if line >= CHUNK_LINE_BYTES => {
                return Err("the answer has a chunk whose size takes too long a line");
            }
            (Place::Size { size, line }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default() as usize;
                let more = size.unwrap_or_default().checked_mul(16).and_then(|size| size.checked_add(digit));
                Place::Size {
                    size: Some(more.ok_or("the answer has a chunk whose size is too large")?),
                    line: line + 1,
                }
            }
            (Place::Size { size: Some(size), line }, b';' | b' ' | b'\t') => Place::Extension { size, line: line + 1 },
            (Place::Size { .. }, _) => return Err("the answer has a chunk without a size"),
            (Place::Extension { .. }, b'\n') => return Err("the answer has a line feed without a carriage return"),
            (Place::Extension { size, line }, _) => Place::Extension { size, line: line + 1 },
            (Place::SizeEnd { size: 0 }, b'\n') => Place::Whole,
            (Place::SizeEnd { size }, b'\n') => Place::Data(size),
            (Place::SizeEnd { .. }, _) => return Err("the answer has a carriage return without a line feed"),
        })
    }
}

#[cfg(test)]
mod tests;
