//! What RFC 6455 and RFC 7692 make of a peer's frames, once more in their plainest form: all of them at once, each
//! message copied together and inflated in one go.
//!
//! Where a frame breaks two rules the server may name either. So a verdict is a set.
//!
//! Not here: the server (`driver.rs`), what it wrote (`frames.rs`).

use barewire::Message;
use flate2::{Decompress, FlushDecompress, Status};

use super::peer::frames::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OTHER_RESERVED: u8 = 0x30;
const CONTROL_BYTES: u64 = 125;
/// What RFC 7692, section 7.2.2 puts behind a message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// A last block with nothing in it.
const LAST_BLOCK: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];
/// What a deflated message may have more than it inflates to: a quarter, and a KiB.
const OVERHEAD_PART: u64 = 4;
const OVERHEAD_MIN: u64 = 1024;
/// What is inflated at once.
const ROOM: usize = 4096;

/// What a session may do.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub message_bytes: usize,
    pub fragments: usize,
    pub deflate: Option<Deflate>,
    /// The peer is a client, which masks its frames; a server does not (RFC 6455, section 5.1).
    pub masks: bool,
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// The peer's messages may refer to those before.
    pub peer_takes_over: bool,
}

/// What comes of some frames.
#[derive(Debug, Default)]
pub struct Verdict {
    pub messages: Vec<Message>,
    pub pongs: Vec<Vec<u8>>,
    /// The codes with which the server may close; 1005 for a Close without one.
    pub codes: Vec<u16>,
    /// It may also wait for more.
    pub may_wait: bool,
    /// A message more than these may have been taken: this one.
    pub perhaps: Option<Message>,
}

/// A message under way.
struct Begun {
    opcode: u8,
    is_deflated: bool,
    payload: Vec<u8>,
    fragments: usize,
}

/// A frame's header.
struct Header {
    first: u8,
    is_masked: bool,
    length: u64,
    mask: [u8; 4],
    bytes: usize,
}

/// Reads frames to their end, or to the first that breaks a rule.
pub fn judge(mut bytes: &[u8], rules: &Rules) -> Verdict {
    let mut verdict = Verdict::default();
    let mut begun: Option<Begun> = None;
    let mut inflate = Inflate::default();
    loop {
        let Some(header) = Header::read(bytes) else {
            verdict.may_wait = true;
            return verdict;
        };
        let codes = faults(&header, begun.as_ref(), rules);
        let behind = &bytes[header.bytes..];
        let whole = usize::try_from(header.length).ok().and_then(|length| behind.split_at_checked(length));
        if !codes.is_empty() {
            // Some faults are seen at the header, others at the end of the frame.
            verdict.may_wait = whole.is_none();
            verdict.codes = codes;
            return verdict;
        }
        let Some((payload, rest)) = whole else {
            verdict.may_wait = true;
            return verdict;
        };
        bytes = rest;
        let payload: Vec<u8> = payload.iter().zip(header.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match header.opcode() {
            PING => verdict.pongs.push(payload),
            PONG => {}
            CLOSE => {
                verdict.codes = close_codes(&payload);
                return verdict;
            }
            opcode => {
                let message = begun.get_or_insert_with(|| Begun {
                    opcode,
                    is_deflated: header.first & RSV1 != 0,
                    payload: Vec::new(),
                    fragments: 0,
                });
                message.payload.extend_from_slice(&payload);
                message.fragments += 1;
                if header.first & FIN != 0
                    && let Some(message) = begun.take()
                    && !verdict.take(&message, rules, &mut inflate)
                {
                    return verdict;
                }
                // What cannot become UTF-8 any more may be refused before the message is whole, and need not be.
                if let Some(message) = &begun
                    && message.opcode == TEXT
                    && !message.is_deflated
                    && std::str::from_utf8(&message.payload).is_err_and(|error| error.error_len().is_some())
                {
                    verdict.codes = vec![1007];
                    verdict.may_wait = true;
                    return verdict;
                }
            }
        }
    }
}

impl Verdict {
    /// A message is whole; says whether anything behind it counts.
    fn take(&mut self, message: &Begun, rules: &Rules, inflate: &mut Inflate) -> bool {
        let mut is_sure = true;
        let payload = match rules.deflate.filter(|_| message.is_deflated) {
            None => message.payload.clone(),
            Some(deflate) => {
                let inflated = inflate.message(&message.payload, rules.message_bytes, deflate.peer_takes_over);
                let too_big = inflated.bytes.len() > rules.message_bytes;
                let faults = [(too_big, 1009), (inflated.end == End::Broken, 1002)];
                self.codes = faults.into_iter().filter(|&(is_so, _)| is_so).map(|(_, code)| code).collect();
                if !self.codes.is_empty() {
                    return false;
                }
                is_sure = inflated.end == End::Clean;
                inflated.bytes
            }
        };
        let message = match message.opcode {
            TEXT => match String::from_utf8(payload) {
                Ok(text) => Message::Text(text.into()),
                Err(_) => {
                    self.codes = if is_sure { vec![1007] } else { vec![1007, 1002] };
                    return false;
                }
            },
            _ => Message::Binary(payload.into()),
        };
        if is_sure {
            self.messages.push(message);
        } else {
            // Taken or refused: what follows is not told from here.
            self.perhaps = Some(message);
        }
        is_sure
    }
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, mut at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let is_masked = second & 0x80 != 0;
        let mut mask = [0; 4];
        if is_masked {
            mask = bytes.get(at..at + 4)?.try_into().ok()?;
            at += 4;
        }
        Some(Header { first, is_masked, length, mask, bytes: at })
    }

    fn opcode(&self) -> u8 {
        self.first & 0x0f
    }
}

/// The codes that the rules which this header breaks have earned (RFC 6455, sections 5.1 to 5.5; RFC 7692, section 6).
fn faults(header: &Header, begun: Option<&Begun>, rules: &Rules) -> Vec<u16> {
    let mut codes = Vec::new();
    let opcode = header.opcode();
    let is_final = header.first & FIN != 0;
    let may_have_rsv1 = rules.deflate.is_some() && matches!(opcode, TEXT | BINARY);
    let breaks_protocol = [
        header.is_masked != rules.masks,
        header.first & OTHER_RESERVED != 0,
        header.first & RSV1 != 0 && !may_have_rsv1,
        !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG),
        opcode >= CLOSE && (!is_final || header.length > CONTROL_BYTES),
        opcode == CONTINUATION && begun.is_none(),
        matches!(opcode, TEXT | BINARY) && begun.is_some(),
    ];
    if breaks_protocol.contains(&true) {
        codes.push(1002);
    }
    if opcode < CLOSE {
        // What is no continuation begins anew, for who counts; that it must not is another fault.
        let before = begun.filter(|_| opcode == CONTINUATION);
        let is_deflated = before.map_or(may_have_rsv1 && header.first & RSV1 != 0, |message| message.is_deflated);
        let most = rules.message_bytes as u64;
        let most = if is_deflated { most + most / OVERHEAD_PART + OVERHEAD_MIN } else { most };
        let length = before.map_or(0, |message| message.payload.len() as u64).saturating_add(header.length);
        if length > most {
            codes.push(1009);
        }
        if before.map_or(0, |message| message.fragments) + 1 > rules.fragments {
            codes.push(1008);
        }
    }
    codes
}

/// The code that answers a Close (RFC 6455, sections 5.5.1 and 7.4).
fn close_codes(payload: &[u8]) -> Vec<u16> {
    let (code, reason) = match payload {
        [] => return vec![1005],
        [_] => return vec![1002],
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let is_text = std::str::from_utf8(reason).is_ok();
    let mut codes = Vec::new();
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 if is_text => codes.push(code),
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => codes.push(1002),
    }
    if !is_text {
        codes.push(1007);
    }
    codes
}

/// How a deflated message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the end of a flush, as it should.
    Clean,
    /// It is not DEFLATE.
    Broken,
    /// In another way, of which RFC 7692 does not say what it is.
    Odd,
}

struct Inflated {
    bytes: Vec<u8>,
    end: End,
}

/// The peer's compressor, seen from the other side.
struct Inflate(Decompress);

impl Default for Inflate {
    fn default() -> Inflate {
        Inflate(Decompress::new(false))
    }
}

impl Inflate {
    /// All that a message says, or one byte more than it may.
    fn message(&mut self, payload: &[u8], at_most: usize, takes_over: bool) -> Inflated {
        if payload.is_empty() {
            return Inflated { bytes: Vec::new(), end: End::Clean };
        }
        if !takes_over {
            self.0 = Decompress::new(false);
        }
        let mut bytes = Vec::new();
        let behind = if takes_over { TAIL.to_vec() } else { [&TAIL[..], &LAST_BLOCK].concat() };
        // What stands behind the payload adds nothing to what that has said.
        let mut said = usize::MAX;
        for (part, more) in [(payload, &behind[..]), (&behind, &[])] {
            let mut rest = part;
            loop {
                let had = (rest.len(), bytes.len());
                let Some(status) = self.step(&mut rest, &mut bytes) else {
                    return Inflated { bytes, end: End::Broken };
                };
                if bytes.len() > said {
                    bytes.truncate(said);
                    return Inflated { bytes, end: End::Broken };
                }
                if bytes.len() > at_most {
                    // What is behind may be broken too, but nobody has to look.
                    return Inflated { bytes, end: End::Clean };
                }
                match status {
                    Status::StreamEnd if rest.is_empty() && more.is_empty() && !takes_over => {
                        return Inflated { bytes, end: End::Clean };
                    }
                    Status::StreamEnd => {
                        // A block was marked as the last of a stream: another stream may follow.
                        let end = self.rest(&[rest, more].concat(), &mut bytes, at_most);
                        return Inflated { bytes, end };
                    }
                    // It has said all that it has to say only if there was room for more.
                    Status::Ok | Status::BufError if bytes.len() < bytes.capacity() => {
                        if rest.is_empty() {
                            break;
                        }
                        if had == (rest.len(), bytes.len()) {
                            return Inflated { bytes, end: End::Broken };
                        }
                    }
                    Status::Ok | Status::BufError => {}
                }
            }
            said = bytes.len();
        }
        Inflated { bytes, end: if takes_over { End::Clean } else { End::Broken } }
    }

    /// Some of it; `None` where it is not DEFLATE.
    fn step(&mut self, rest: &mut &[u8], bytes: &mut Vec<u8>) -> Option<Status> {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(ROOM);
        }
        let before = self.0.total_in();
        let status = self.0.decompress_vec(rest, bytes, FlushDecompress::Sync).ok()?;
        *rest = &rest[(self.0.total_in() - before) as usize..];
        Some(status)
    }

    /// What stands behind the end of a stream; how it ends is open.
    fn rest(&mut self, mut rest: &[u8], bytes: &mut Vec<u8>, at_most: usize) -> End {
        while rest.len() > TAIL.len() + LAST_BLOCK.len() {
            self.0.reset(false);
            loop {
                let had = (rest.len(), bytes.len());
                match self.step(&mut rest, bytes) {
                    None => return End::Broken,
                    Some(Status::StreamEnd) => break,
                    Some(_) if bytes.len() > at_most || had == (rest.len(), bytes.len()) => return End::Odd,
                    Some(_) => {}
                }
            }
        }
        End::Odd
    }
}
