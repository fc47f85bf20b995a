//! Every bound, default and timeout of the house: a name, its unit, and what happens at it.
//!
//! There are two kinds. The fields of [`Limits`] (in `limits/fields.rs`) have a key in the configuration and can be changed by
//! a host; their defaults are the constants named `…_DEFAULT`. The other constants are fixed: they bound the work of one turn
//! or the size of a buffer, and the `const` block at the end states what must hold between them.
//!
//! Not here: the parsing of configured values (`daemon/config`), the codes that a peer sees at a limit
//! (`error.rs`).

mod fields;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::time::Duration;

pub use fields::{Limits, RateAlgorithm};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Largest message a peer may send, in bytes of payload after inflating, exact to the byte. One byte more closes the session
/// with 1009.
pub const MESSAGE_BYTES_DEFAULT: usize = MIB;
/// The same in the preset `hardened`.
pub const MESSAGE_BYTES_HARDENED: usize = 100 * KIB;
/// Largest value that [`Limits::message_bytes`] may be given.
pub const MESSAGE_BYTES_MAX: usize = 1024 * MIB;
/// Largest message before a session is authenticated, in bytes. One byte more closes with 1009.
pub const MESSAGE_BYTES_UNAUTHENTICATED: usize = 16 * KIB;
/// What may wait for a session to read, in bytes; see [`Limits::send_queue_bytes`].
pub const SEND_QUEUE_BYTES_DEFAULT: usize = MIB;
/// Smallest value that [`Limits::send_queue_bytes`] may be given.
pub const SEND_QUEUE_BYTES_MIN: usize = KIB;
/// Sent to single sessions, all together, before it is written in the middle of a turn; less leaves at its end, in one write.
pub const FLUSH_BYTES: usize = 64 * KIB;
/// What an entry of a send queue costs beside its bytes.
pub const SEND_QUEUE_ENTRY_BYTES: usize = 64;
/// What a session's own replies may cost in its queue, broadcasts left out. Above, it is not read until half of that is gone.
pub const SEND_QUEUE_PAUSE_BYTES: usize = 64 * KIB;
/// The cost of its own replies at or below which a session that was paused is read again.
pub const SEND_QUEUE_RESUME_BYTES: usize = SEND_QUEUE_PAUSE_BYTES / 2;
/// A payload from this size on is queued as it is; a smaller one is copied, so that it pins no read buffer.
pub const SEND_QUEUE_COPY_BYTES: usize = 8 * KIB;
/// Size above which a send queue's own buffer is not kept for reuse.
pub const SEND_QUEUE_KEEP_BYTES: usize = 16 * KIB;
/// Empty send queues the engine keeps for reuse: as many as a broadcast to a crowd takes at once.
pub const SEND_QUEUE_POOL: usize = 1024;
/// What they may hold of memory, all together. Above it a queue is not kept.
pub const SEND_QUEUE_POOL_BYTES: usize = 4 * MIB;

/// Sessions at once. One more is answered 503 with `Retry-After` and closed.
pub const CONNECTIONS_DEFAULT: usize = 10_000;
/// Largest value that [`Limits::connections`], or another configured count, may be given.
pub const COUNT_MAX: usize = 1_000_000;
/// Sessions for which room is set aside (address space, no memory), so that tables do not move.
pub const CONNECTIONS_RESERVED: usize = 160 * KIB;
/// What the allocator may keep free at the end of its heap, where it is glibc's. More goes back to the system.
pub const HEAP_ROOM_BYTES: usize = MIB;
/// Sessions at once that are a crowd: as soon as three quarters of one have gone, the room that it took is given back.
pub const CROWD: usize = 256;
/// For how long nobody may have left before the room of a crowd is given back once more, for those who left after the first
/// time.
pub const EBB_DELAY: Duration = Duration::from_secs(1);
/// Sessions above [`Limits::connections`] that are let in far enough to be told 503; further ones are closed
/// unanswered.
pub const CONNECTIONS_OVERFLOW: usize = 64;
/// Seconds a peer is asked to wait by `Retry-After` with 503.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// Connections that have not yet said who they are, HTTP ones among them. One more, and the oldest of them is dropped.
pub const PRE_AUTH_CONNECTIONS_DEFAULT: usize = 2000;
/// Connections from one address, 0 for no limit; an IPv6 network of 64 bits counts as one address. One more is
/// answered 429 with `Retry-After` and closed.
pub const CONNECTIONS_PER_IP_DEFAULT: usize = 0;
/// Connections of one address above [`Limits::connections_per_ip`] that are let in far enough to be told 429; further
/// ones are closed unanswered.
pub const CONNECTIONS_PER_IP_OVERFLOW: usize = 8;
/// Connections that may stand in the queue of newcomers for nothing, beside as many as those that do not.
pub const NEWCOMERS_SLACK: usize = 64;
/// Between two log lines about newcomers that were dropped for others.
pub const CROWD_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Wrong credentials from one address within a minute, 0 for no limit. From then on its upgrades are answered 429 with
/// `Retry-After`, and its `auth` messages are refused unseen, until the minute is over.
pub const AUTH_FAILURES_PER_MINUTE_DEFAULT: usize = 30;
/// That minute: it begins with the first of them.
pub const AUTH_FAILURES_SPAN: Duration = Duration::from_secs(60);
/// Addresses whose wrong credentials are remembered. For one more the one is forgotten whose minute began first.
pub const FAILING_ADDRESSES: usize = 64 * KIB;
/// Messages of one session within [`Limits::window`], 0 for no limit. Further ones are dropped and refused.
pub const MESSAGES_PER_WINDOW_DEFAULT: usize = 100;
/// The span in which a session's messages are counted.
pub const WINDOW_DEFAULT: Duration = Duration::from_secs(60);
/// Refusals in one window. With the last of them the session is closed with 1008.
pub const REFUSALS_PER_WINDOW: u32 = 100;
/// Pings and pongs of one session per second, 0 for no limit. See [`CONTROL_FRAMES_BURST`].
pub const CONTROL_FRAMES_PER_SECOND_DEFAULT: usize = 10;
/// Pings and pongs that may come at once, for each one that may come per second: with the default 50. One more closes
/// with 1008.
pub const CONTROL_FRAMES_BURST: usize = 5;
/// Memory that all peers together can make the process hold, in bytes; see [`Limits::max_memory`].
pub const MAX_MEMORY_DEFAULT: usize = 512 * MIB;
/// Smallest value that [`Limits::max_memory`] may be given.
pub const MAX_MEMORY_MIN: usize = MIB;
/// Largest value that [`Limits::max_memory`] may be given.
pub const MAX_MEMORY_MAX: usize = MIB * MIB;
/// One part in so many of [`Limits::max_memory`] is kept for those who are in: when less is left, upgrades are answered
/// 503 and the heaviest senders are not read.
pub const MEMORY_NEAR_PART: usize = 8;
/// The same for new connections: when less is left, whatever they ask is answered 503.
pub const MEMORY_ACCEPT_PART: usize = 16;
/// One part in so many of [`Limits::max_memory`] is what may be held, for a new session to keep contexts of
/// permessage-deflate; past it the session does without.
pub const MEMORY_TAKEOVER_PART: usize = 2;
/// The same for connections to be told so: when less is left, they are closed unanswered.
pub const MEMORY_TURN_AWAY_PART: usize = 32;
/// What a session may have sent that is not yet done with, in bytes. One that holds more is not read while memory is
/// near its ceiling.
pub const INBOUND_SHARE_BYTES: usize = READ_BYTES_PER_TURN;
/// Sessions that are closed in one turn because the ceiling of memory is passed; the rest waits for the next.
pub const OVERLOADED_PER_TURN: usize = 16;
/// Between two log lines about the ceiling of memory.
pub const MEMORY_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// What a plain session is charged for being there, in bytes: its place in the tables, its socket's and its timers'.
pub const PLAIN_SESSION_BYTES: usize = 512;
/// The same for one over TLS, with its keys.
pub const TLS_SESSION_BYTES: usize = 4 * KIB;
/// What a session is charged for a message under way beside what has come of it: a context of its own, in bytes.
pub const CONTEXT_BYTES: usize = CONTEXT_READ_BYTES + 512;
/// What a session is charged for a channel, in bytes: what a channel costs that it is alone in, with the longest name.
pub const MEMBERSHIP_BYTES: usize = 448;

/// Request head, in bytes, the blank line included. More is 431, or 414 where the request line alone does not fit. The head
/// of an answer to a client has the same bound; more fails the connection.
pub const HEAD_BYTES_DEFAULT: usize = 8 * KIB;
/// Smallest value that [`Limits::head_bytes`] may be given.
pub const HEAD_BYTES_MIN: usize = 256;
/// Largest value that [`Limits::head_bytes`] may be given.
pub const HEAD_BYTES_MAX: usize = 64 * KIB;
/// Header lines in a request head. One more is 431. In an answer to a client it fails the connection.
pub const HEADERS_DEFAULT: usize = 64;
/// Largest value that [`Limits::headers`] may be given.
pub const HEADERS_MAX: usize = 256;
/// Largest request body that is read (and dropped, where a route takes none). A larger one is 413.
pub const BODY_BYTES: usize = 64 * KIB;
/// Interim answers (1xx) to an upgrade request before the answer itself. One more fails the connection.
pub const INTERIM_RESPONSES: u32 = 8;
/// What is kept of the body of an answer that refuses an upgrade, in bytes. The rest is dropped.
pub const REFUSAL_BODY_BYTES: usize = 16 * KIB;
/// The line before a chunk of a body, with its extensions, in bytes (RFC 9112, section 7.1.1). A longer one fails the
/// connection.
pub const CHUNK_LINE_BYTES: usize = KIB;
/// The texts of an upgrade request (host, target, offers, headers), in bytes. A larger one is not sent.
pub const UPGRADE_REQUEST_BYTES: usize = 64 * KIB;
/// Items of one list header (`Connection`, `Upgrade`, `Sec-WebSocket-Protocol`, …), and parameters of all extensions
/// that are offered. One more is 400.
pub const LIST_ITEMS: usize = 32;

/// From accept to a complete request head, the TLS handshake included. Then 408 and close.
pub const HEAD_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Between two requests of one connection. Then it is closed without a word.
pub const KEEP_ALIVE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// From the upgrade request to a successful `auth` message. Then 1008 `Authentication timeout`.
pub const AUTH_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// From our Close frame to the peer's end of the stream, the peer's Close between them; for HTTP, from the end of the
/// last answer. Then the socket is dropped.
pub const CLOSE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// From our end of an idle connection to the peer's, when the server stops: no close handshake is due there. Then
/// the socket is dropped.
pub const SHUTDOWN_LINGER: Duration = Duration::from_millis(200);
/// Longest span over which the ends of sessions may be spread when the server stops; without it they come all at once.
pub const DRAIN_SPREAD_MAX: Duration = Duration::from_secs(24 * 3600);
/// Queued bytes without any progress. Then the socket is dropped.
pub const WRITE_STALL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Between two heartbeats of a session; a session silent for a whole interval is cut.
pub const HEARTBEAT_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// Shortest value that [`Limits::heartbeat_interval`] may be given.
pub const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// From the first byte of a message to its last, where they do not come together. Then 1008.
pub const MESSAGE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Shortest value any timeout may be given.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Longest value any timeout may be given.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Before a client's first attempt to come back.
pub const BACKOFF_INITIAL_DEFAULT: Duration = Duration::from_secs(1);
/// Shortest value that this delay may be given, and the shortest wait that jitter makes of any.
pub const BACKOFF_DELAY_MIN: Duration = Duration::from_millis(1);
/// What a client's delays grow to, jitter left out.
pub const BACKOFF_MAX_DEFAULT: Duration = Duration::from_secs(30);
/// What each of these delays is multiplied by for the next.
pub const BACKOFF_FACTOR_DEFAULT: f64 = 2.0;
/// The part of a delay that jitter may add to it.
pub const BACKOFF_JITTER: f64 = 0.3;
/// Longest patience that a client has where a server asks for some by `Retry-After`, jitter left out.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);
/// Close codes after which a client does not come back: a policy that it breaks (1008), credentials that are not good
/// (any more) (4401), and a user who may not come in (4403). The same would happen again.
pub const TERMINAL_CODES_DEFAULT: [u16; 3] = [1008, 4401, 4403];
/// The statuses of a refused upgrade that say the same.
pub const TERMINAL_STATUSES_DEFAULT: [u16; 2] = [401, 403];

/// Fragments of one message. One more closes with 1008.
pub const FRAGMENTS_DEFAULT: usize = 1024;
/// Channels a session may be subscribed to. One more is refused with an error, the session stays.
pub const CHANNELS_PER_SESSION_DEFAULT: usize = 128;
/// A channel's name, in bytes of UTF-8. A longer one (or an empty one) is refused with an error.
pub const CHANNEL_NAME_BYTES: usize = 255;
/// A user id, in bytes of UTF-8. A longer user name is a wrong credential.
pub const USER_ID_BYTES: usize = 255;
/// A token (JWT), in bytes. A longer one is a wrong credential.
pub const TOKEN_BYTES: usize = 4 * KIB;
/// What a token's times may differ from this clock: it is good from `nbf` less this to `exp` and this.
pub const TOKEN_LEEWAY_DEFAULT: Duration = Duration::from_secs(30);
/// Longest leeway that may be given.
pub const TOKEN_LEEWAY_MAX: Duration = Duration::from_secs(300);
/// Least secret for HS256, in bytes (RFC 7518, section 3.2). A shorter one is an error at start.
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;
/// Least modulus of an RSA key, in bits (RFC 7518, section 3.3). A smaller one is an error at start.
pub const RSA_BITS_MIN: usize = 2048;
/// Largest modulus of an RSA key, in bits. A larger one is an error at start.
pub const RSA_BITS_MAX: usize = 8192;
/// A password, in bytes. A longer one is a wrong credential.
pub const PASSWORD_BYTES: usize = KIB;
/// What bcrypt takes of a password, in bytes. A longer one is a wrong credential where the hash is of that kind.
pub const BCRYPT_PASSWORD_BYTES: usize = 72;
/// Largest cost of a bcrypt hash: seconds of work. A larger one is an error at start.
pub const BCRYPT_COST_MAX: u32 = 15;
/// Cost of the bcrypt hashes that are made here.
pub const BCRYPT_COST_DEFAULT: u32 = 12;
/// Memory of an argon2id hash, in KiB (its `m`): what a hashing thread may take. More is an error at start.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Memory times passes of an argon2id hash, in KiB (`m` times `t`): seconds of work. More is an error at start.
pub const ARGON2_WORK_KIB_MAX: u64 = 1024 * 1024;
/// Lanes of an argon2id hash (its `p`). More is an error at start.
pub const ARGON2_LANES_MAX: u32 = 16;
/// Threads that hash passwords.
pub const HASH_WORKERS_DEFAULT: usize = 1;
/// Largest number of threads that may be given.
pub const HASH_WORKERS_MAX: usize = 64;
/// Passwords that wait for each hashing thread. One more is answered 503 with `Retry-After`.
pub const HASHES_WAITING_PER_WORKER: usize = 64;
/// The same of one address, for each hashing thread: the rest is for others. One more is answered 503 with `Retry-After`.
pub const HASHES_WAITING_PER_ADDRESS: usize = 16;
/// Attempts that wait for a hash, those with the same credential among them. One more is answered 503 with `Retry-After`.
pub const HASH_ATTEMPTS_WAITING: usize = 16 * KIB;
/// How long a credential that was found right is not hashed again.
pub const CREDENTIAL_REMEMBERED: Duration = Duration::from_secs(3600);
/// Credentials that are remembered at once. With one more the oldest is forgotten.
pub const CREDENTIALS_REMEMBERED: usize = 16 * KIB;
/// Nesting of arrays and objects inside a message's `payload` or `id`. Deeper is `Invalid format`.
pub const JSON_DEPTH: usize = 64;
/// Characters of an unknown message `type` that a log line shows. What is longer ends in `…`.
pub const LOG_TYPE_CHARS: usize = 64;
/// Payload of a control frame (RFC 6455, section 5.5). More is 1002.
pub const CONTROL_PAYLOAD_BYTES: usize = 125;
/// A close reason: [`CONTROL_PAYLOAD_BYTES`] less the two bytes of the code. A longer one is cut at a character.
pub const CLOSE_REASON_BYTES: usize = CONTROL_PAYLOAD_BYTES - 2;

/// What one session may have read and processed in one turn, in bytes.
pub const READ_BYTES_PER_TURN: usize = 16 * KIB;
/// The same inside the payload of one large frame.
pub const READ_BYTES_PER_TURN_BULK: usize = 256 * KIB;
/// Frames of one session that are processed in one turn; the rest waits for the next.
pub const FRAMES_PER_TURN: usize = 64;
/// Connections accepted in one turn.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Reads of up to [`READ_BYTES_PER_TURN_BULK`] in one turn, for all sessions together; the others wait in line. What
/// they bring costs the most to serve: a message of 1 MiB takes milliseconds to parse.
pub const BULK_READS_PER_TURN: usize = 4;
/// TLS handshakes that are gone on with in one turn; the rest waits for the next.
pub const HANDSHAKES_PER_TURN: usize = 8;
/// Reads of connections that are in their TLS handshake, in one turn: most of those that bring only a piece of it cost
/// little.
pub const HANDSHAKE_READS_PER_TURN: usize = 8 * HANDSHAKES_PER_TURN;
/// Connections that wait for [`HANDSHAKES_PER_TURN`]. While there are so many, none is accepted that could only wait with
/// them: it waits in the kernel, where nobody is dropped for the next.
pub const HANDSHAKES_WAITING: usize = 8 * HANDSHAKES_PER_TURN;
/// Timer entries that fire in one turn.
pub const EXPIRIES_PER_TURN: usize = 256;
/// Commands of other threads carried out in one turn.
pub const COMMANDS_PER_TURN: usize = 256;
/// Commands of other threads that may wait. One more is refused with `HandleError::Full`.
pub const COMMANDS_WAITING: usize = 1024;
/// Readiness events taken from the operating system in one turn.
pub const READY_PER_TURN: usize = 1024;
/// Turns in a row that may put off their timers, because each wait was full of sockets to read.
pub const CROWDED_TURNS: usize = 16;
/// Several segments that are no longer than this together are copied into one, which costs less than `writev` does.
pub const WRITE_GATHER_BYTES: usize = 4 * KIB;
/// Segments handed to one `writev`.
pub const WRITE_SEGMENTS: usize = 64;
/// What is read and dropped after our end of a connection is closed, beside a message of the allowed size: who sends
/// one byte too many in a single frame must be able to send it all, or a reset overtakes our 1009. Then the socket
/// is dropped.
pub const LINGER_BYTES: usize = 256 * KIB;
/// Pause of accepting after the process ran out of descriptors or memory.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Between two log lines about a listener that cannot accept.
pub const ACCEPT_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Connections the kernel may hold for a listener before they are accepted.
pub const LISTEN_BACKLOG: i32 = 4096;
/// `SO_SNDBUF` of an accepted socket, in bytes; 0 leaves the system's.
pub const SEND_BUFFER_BYTES_DEFAULT: usize = 64 * KIB;
/// Answers to names, and addresses that are given up, that are gone on with in one turn; the rest waits for the next. So
/// not more connections than that are begun in it, a few more where addresses fail at once.
pub const DIALS_PER_TURN: usize = 64;
/// Threads that look names up, at most at once. While all are busy further names wait.
pub const RESOLVER_THREADS: usize = 4;
/// Names that wait for one of these threads. One more is not connected to.
pub const RESOLUTIONS_WAITING: usize = 1024;
/// Addresses of one name that are connected to, one after another. Further ones are not.
pub const ADDRESSES_TRIED: usize = 8;
/// For an address to answer, where there is another one to try. Then that is tried in its place; the last one has what is
/// left of [`Limits::head_timeout`].
pub const CONNECT_ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);
/// Listeners of one server. One more is an error at its start.
pub const LISTENERS_MAX: usize = 256;
/// The plain text of a TLS record, at most (RFC 8446, section 5.1).
pub const TLS_PLAIN_BYTES: usize = 16 * KIB;
/// A TLS record on the wire, at most: its plain text, header, tag and what a peer may pad (RFC 8446, section 5.2).
pub const TLS_RECORD_BYTES: usize = TLS_PLAIN_BYTES + 5 + 256;
/// What is read beyond a budget, so that the TLS record it ends in can come whole; or, without TLS, a frame whose
/// payload is just the budget.
pub const READ_ROOM_BYTES: usize = TLS_RECORD_BYTES - TLS_PLAIN_BYTES;
/// What a connection keeps of its TLS input: a part of a record, or the pieces of a handshake message with all
/// that is around them. More fails the connection.
pub const TLS_KEPT_BYTES: usize = 64 * KIB;
/// What a TLS record adds to its plain text, at most, and a key update before it (RFC 8446, section 5.2).
pub const TLS_RECORD_OVERHEAD: usize = 128;
/// Plain text that is encrypted for one write, in bytes.
pub const TLS_WRITE_BYTES: usize = 128 * KIB;
/// Servers whose TLS sessions a client remembers, to resume them. For one more the oldest is forgotten.
pub const TLS_CLIENT_SESSIONS: usize = 32;
/// What an idle session may take in the table of sessions. One byte more does not compile: each of them pays it.
pub const SESSION_BYTES: usize = 272;
/// Open files the process needs beside its connections (listeners, poller, log, standard streams).
pub const FILES_RESERVED: usize = 32;

/// tungstenite's `read_buffer_size`: over a memory pipe 1 KiB is the best value.
pub const CONTEXT_READ_BYTES: usize = KIB;
/// tungstenite's `write_buffer_size`: above anything the context itself writes (pongs and one Close).
pub const CONTEXT_WRITE_BYTES: usize = 64 * KIB;
/// A context that carried a message above this size is dropped, not lent on: it keeps the buffer. So is the buffer of a
/// larger deflated message; and a larger message that was inflated keeps the buffer in which it was, where a smaller one
/// is copied out of it.
pub const CONTEXT_KEEP_BYTES: usize = 64 * KIB;

/// How hard a compressor may be told to try.
pub const DEFLATE_LEVELS: RangeInclusive<u8> = 1..=9;
/// How hard the server's compressors try, within [`DEFLATE_LEVELS`].
pub const DEFLATE_LEVEL_DEFAULT: u8 = 6;
/// Messages below this size are sent as they are, in bytes: deflating costs microseconds and gains little.
pub const DEFLATE_MIN_BYTES_DEFAULT: usize = 512;
/// A message above this size is deflated at level 1, whatever is configured. At level 6 a kilobyte that a peer has chosen
/// well costs 60 microseconds, at level 9 a millisecond.
pub const DEFLATE_LARGE_BYTES: usize = 16 * KIB;
/// What is deflated of a larger message before the rest: where that gains little, the message is sent as it is.
pub const DEFLATE_PROBE_BYTES: usize = 64 * KIB;
/// The part of those bytes that must be gained.
pub const DEFLATE_PROBE_GAIN: usize = 8;
/// A message up to this size is deflated by a session's own compressor where that keeps its context, a broadcast too; a
/// larger one stands alone (a broadcast is deflated once for all), and the session's compressor forgets its context.
pub const DEFLATE_OWN_BYTES: usize = 8 * KIB;
/// Sessions at once that may keep a context of a compressor or a decompressor. Further ones do without.
pub const TAKEOVER_SESSIONS_DEFAULT: usize = 64;
/// What a compressor holds beside its window, in bytes; the window takes four times its size.
pub const COMPRESSOR_BYTES: usize = 252 * KIB;
/// What a decompressor holds, in bytes.
pub const DECOMPRESSOR_BYTES: usize = 48 * KIB;
/// What a session holds for both at most, in bytes.
pub const TAKEOVER_BYTES: usize = COMPRESSOR_BYTES + (4 << 15) + DECOMPRESSOR_BYTES;
/// What a deflated message may have more than it inflates to, as a part of that: what compressors that try not at all
/// add, and flushes between fragments.
pub const DEFLATE_OVERHEAD_PART: usize = 4;
/// The same for the smallest, in bytes.
pub const DEFLATE_OVERHEAD_MIN: usize = KIB;
/// What is deflated in one turn, in bytes, for all sessions together: the message with the last of them is deflated whole, and
/// further ones go as they are until the next turn. At level 6 four milliseconds of what a peer has chosen well, and one large
/// message.
pub const DEFLATE_BYTES_PER_TURN: usize = 64 * KIB;
/// What a byte of a message above [`DEFLATE_LARGE_BYTES`] counts among these: one part in so many, as it costs.
pub const DEFLATE_LARGE_PART: usize = 8;
/// What is inflated of a message in one go, in bytes of input: at worst, in blocks that say next to nothing and have codes of
/// their own for it, half a millisecond.
pub const INFLATE_INPUT_PER_STEP: usize = 4 * KIB;
/// What a byte of input counts for, in bytes of output, in a session's share of a turn.
pub const INFLATE_INPUT_WEIGHT: usize = READ_BYTES_PER_TURN / INFLATE_INPUT_PER_STEP;
/// The first room for what is inflated, in bytes; it grows by doubling.
pub const INFLATE_ROOM_MIN: usize = 4 * KIB;
/// Messages that are gone on with in one turn, of those that inflate to more than [`READ_BYTES_PER_TURN`], for all sessions
/// together; the rest waits for the next.
pub const INFLATIONS_PER_TURN: usize = 4;

/// Characters of a message that a log line shows.
pub const LOG_TEXT_CHARS: usize = 200;
/// Characters of a user id that a log line shows.
pub const LOG_USER_CHARS: usize = 64;
/// The message of one log line, in bytes, escapes included. What is longer ends in `…`.
pub const LOG_LINE_BYTES: usize = 4 * KIB;
/// Log lines that may wait to be written, of 1 KiB at least: the ends of thousands of sessions come in one turn. One more is
/// lost, and counted.
pub const LOG_LINES_WAITING: usize = 8 * KIB;
/// For `barewire health` to connect, ask and be answered. Then the daemon is not well.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
/// The status line that `barewire health` reads, in bytes. A longer one is no answer.
pub const HEALTH_LINE_BYTES: usize = 256;
/// Lines of standard input that `barewire connect` has read and not sent, each at most a message. Whoever writes them waits
/// then.
pub const CONNECT_LINES_WAITING: usize = 16;
/// Pings, each sent when the one before is answered, by which `barewire connect` finds a server done with its messages.
pub const CONNECT_LAST_PINGS: u32 = 2;
/// For writing what waits of the log when the program ends. Then it is lost.
pub const LOG_EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Resolution of the timer wheel, in milliseconds. A deadline fires at most this much late, never early.
pub const TICK_MILLIS: u64 = 32;
/// Slots of the timer wheel. A deadline beyond the horizon is looked at once a revolution.
pub const WHEEL_SLOTS: usize = 1024;
/// Entries, of four bytes each, for which an empty slot of the wheel keeps room; what a crowd has taken beyond is given back.
pub const WHEEL_SLOT_KEEP: usize = 64;
/// How long the wall clock, once read, is taken to go as the monotonic one does: where it is set, that is known so much later.
pub const WALL_CLOCK_INTERVAL: Duration = Duration::from_millis(100);

const _: () = {
    assert!(MESSAGE_BYTES_HARDENED < MESSAGE_BYTES_DEFAULT);
    assert!(MESSAGE_BYTES_DEFAULT <= MESSAGE_BYTES_MAX);
    // A walker counts in 32 bits, and its saturation must be past every limit.
    assert!(MESSAGE_BYTES_MAX < u32::MAX as usize);
    assert!(MESSAGE_BYTES_UNAUTHENTICATED <= MESSAGE_BYTES_HARDENED);
    assert!(SEND_QUEUE_RESUME_BYTES < SEND_QUEUE_PAUSE_BYTES);
    assert!(SEND_QUEUE_PAUSE_BYTES <= SEND_QUEUE_BYTES_DEFAULT);
    assert!(READ_BYTES_PER_TURN <= READ_BYTES_PER_TURN_BULK);
    assert!(HEAD_BYTES_DEFAULT <= READ_BYTES_PER_TURN);
    // What one read may bring holds a whole record.
    assert!(TLS_PLAIN_BYTES <= READ_BYTES_PER_TURN);
    assert!(TLS_RECORD_BYTES < TLS_KEPT_BYTES && TLS_KEPT_BYTES < READ_BYTES_PER_TURN_BULK);
    assert!(HEADERS_DEFAULT <= HEADERS_MAX);
    assert!(CONTEXT_READ_BYTES <= CONTEXT_KEEP_BYTES);
    // What the context writes between two reads of its pipe: pongs for one turn's frames, and one Close.
    assert!(CONTEXT_WRITE_BYTES > (FRAMES_PER_TURN + 1) * (CONTROL_PAYLOAD_BYTES + 4));
    // A credential of the largest size fits where it is sent, also as base64.
    assert!(TOKEN_BYTES < HEAD_BYTES_DEFAULT && TOKEN_BYTES < MESSAGE_BYTES_UNAUTHENTICATED);
    assert!(2 * (USER_ID_BYTES + PASSWORD_BYTES) < HEAD_BYTES_DEFAULT);
    assert!(BCRYPT_PASSWORD_BYTES <= PASSWORD_BYTES && BCRYPT_COST_DEFAULT <= BCRYPT_COST_MAX);
    assert!(TOKEN_LEEWAY_DEFAULT.as_millis() <= TOKEN_LEEWAY_MAX.as_millis());
    assert!(HASH_WORKERS_DEFAULT <= HASH_WORKERS_MAX && HASHES_WAITING_PER_WORKER <= HASH_ATTEMPTS_WAITING);
    assert!(2 * HASHES_WAITING_PER_ADDRESS <= HASHES_WAITING_PER_WORKER);
    // What deflating may add to the largest message is still counted in 32 bits.
    assert!(MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / DEFLATE_OVERHEAD_PART + DEFLATE_OVERHEAD_MIN < u32::MAX as usize);
    assert!(DEFLATE_OWN_BYTES <= DEFLATE_LARGE_BYTES && DEFLATE_LARGE_BYTES <= DEFLATE_PROBE_BYTES);
    assert!(WHEEL_SLOTS.is_power_of_two() && WHEEL_SLOTS.is_multiple_of(64));
};
