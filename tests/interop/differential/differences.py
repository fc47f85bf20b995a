"""Where barewire, `ws` and `websockets` do not do what the reading of a stream says, or where that leaves a choice.
Each such difference is known by what a server does, with who is right and what the RFC says.

Not here: how verdicts come about (verdicts.py), the reading (reading.py).
"""

import zlib
from dataclasses import dataclass
from typing import Callable

from deflation import TAIL
from frames import CLOSE, CONTINUATION, NAMES, RSV1, TEXT
from reading import inflate
from verdicts import FENCE

BAREWIRE, WS, WEBSOCKETS = "barewire", "ws", "websockets"
TEXT_FAULTS = {"bad text", "bad reason"}


@dataclass
class Known:
    servers: list
    what: str
    # Who does as the RFC says, or that it leaves the choice; and what it says.
    right: str
    rfc: str
    test: Callable


def explain(reading, server, ours, theirs):
    """For barewire and the server, unless its verdict is as read: the known differences that fit. Nothing where none
    fits, or where both are as read."""
    if theirs.status == 400:
        return [[(server, OFFER)]] if server == WS and not reading.deflates and ours.status == 101 else []
    if any(verdict.status != 101 or verdict.end != "eof" or verdict.faults for verdict in [ours, theirs]):
        return []
    if ours.deflate != theirs.deflate:
        return []
    found = []
    for name, verdict in [(BAREWIRE, ours), (server, theirs)]:
        if is_as_read(reading, verdict):
            continue
        found.append([(name, known) for known in KNOWN if name in known.servers and known.test(reading, verdict)])
    return found if all(found) else []


def is_as_read(reading, verdict):
    if reading.faults:
        codes = {code_of(fault) for fault in reading.faults}
        return len(codes) == 1 and stopped(reading, verdict, reading.last, *codes)
    if reading.last.frame.opcode == CLOSE and reading.last.is_whole:
        payload = reading.last.frame.payload
        return stopped(reading, verdict, reading.last, int.from_bytes(payload[:2], "big") if payload else "none")
    return went_to_the_end(reading, verdict)


def code_of(fault):
    return 1007 if fault in TEXT_FAULTS else 1009 if fault == "too big" else 1002


def stopped(reading, verdict, step, *codes):
    """It answered all before this step, and closed at it."""
    pongs = reading.pings[: step.pings] + ([] if step.is_whole else [FENCE])
    return (
        verdict.code in codes
        and verdict.messages == reading.messages[: step.messages]
        and are_answered(pongs, verdict.pongs)
    )


def went_to_the_end(reading, verdict):
    pings, messages = reading.pings + [FENCE], reading.messages
    return verdict.code is None and verdict.messages == messages and are_answered(pings, verdict.pongs)


def are_answered(pings, pongs):
    """The newest is; of older ones a server may leave some out (RFC 6455, section 5.5.3)."""
    rest = iter(pings)
    return all(pong in rest for pong in pongs) and pongs[-1:] == pings[-1:]


# --- anyone ---


def chose_among_faults(reading, verdict):
    codes = {code_of(fault) for fault in reading.faults}
    return len(codes) > 1 and stopped(reading, verdict, reading.last, *codes)


def waited_for_the_payload(reading, verdict):
    return bool(reading.faults) and not reading.last.is_whole and went_to_the_end(reading, verdict)


# --- barewire ---


def stopped_at_spoilt_text(reading, verdict):
    step = reading.early.get("bad text")
    return step is not None and not reading.deflated and stopped(reading, verdict, step, 1007)


def was_full_before_it_broke(reading, verdict):
    step = reading.last
    is_it = step.result is not None and step.result.flaw == "broken" and stopped(reading, verdict, step, 1009)
    return is_it and is_full_before_its_end(reading, step)


# --- ws ---


def refused_long_form(reading, verdict):
    steps = [step for step in reading.steps if is_in_long_form(step.frame)]
    return bool(steps) and stopped(reading, verdict, steps[0], 1002)


def is_in_long_form(frame):
    return frame.is_control and frame.length_bytes is not None


def stopped_within_header(reading, verdict):
    stop = bool(reading.tail_faults) and verdict.code in {code_of(fault) for fault in reading.tail_faults}
    return stop and verdict.messages == reading.messages and are_answered(reading.pings + [FENCE], verdict.pongs)


def inflated_to_nonsense(reading, verdict):
    step = reading.early.get("broken")
    return step is not None and stopped(reading, verdict, step, 1007)


def found_it_broken_behind_the_limit(reading, verdict):
    step = reading.early.get("too big")
    if step is None or not stopped(reading, verdict, step, 1007):
        return False
    try:
        zlib.decompressobj(-15).decompress(b"".join(with_tail(part) for part in step.parts))
    except zlib.error:
        return True
    return False


# --- ws, websockets ---


def stopped_at_broken_fragment(reading, verdict):
    step = reading.early.get("broken")
    return step is not None and not step.frame.fin and stopped(reading, verdict, step, 1002)


def stopped_at_large_fragment(reading, verdict):
    step = reading.early.get("too big")
    return step is not None and not step.frame.fin and stopped(reading, verdict, step, 1009)


def took_what_is_cut_short(reading, verdict):
    step = reading.last
    return (
        step.result is not None
        and step.result.flaw == "cut short"
        and took(reading, verdict, step, step.result.payload)
    )


def ended_at_last_block(reading, verdict):
    for step in reading.steps:
        result = step.result
        if result and result.first is not None and (result.flaw or result.payload != result.first):
            return took(reading, verdict, step, result.first)
    return False


def began_anew_behind_last_block(reading, verdict):
    """Behind a last block the rest of its fragment is left out, and the next one, or the one behind it, begins anew."""
    unfinished = [reading.parts] if reading.kind is not None and reading.deflated else []
    messages = [*(step.parts for step in reading.steps if step.result), *unfinished]
    return any(begins_anew(reading, verdict, parts, left_out) for parts in messages for left_out in [0, 1])


def begins_anew(reading, verdict, parts, left_out):
    inflater, out, is_anew, skip = zlib.decompressobj(-15), b"", False, 0
    for part in parts:
        if skip:
            skip -= 1
            continue
        try:
            out += inflater.decompress(with_tail(part))
        except zlib.error:
            return is_anew and stopped(reading, verdict, part, 1007)
        if inflater.eof and part is not parts[-1]:
            inflater, is_anew, skip = zlib.decompressobj(-15), True, left_out
    return is_anew and parts[-1].frame.fin and took(reading, verdict, parts[-1], out)


def with_tail(part):
    return part.frame.payload + (TAIL if part.frame.fin else b"")


def kept_to_the_window(reading, verdict):
    """A client that has promised a small window refers to what lies before it."""
    return reading.window < 15 and any(
        leaves_window(step.parts, reading.window)
        for step in reading.steps
        if step.result and any(stopped(reading, verdict, part, 1007, 1002) for part in step.parts)
    )


def leaves_window(parts, window):
    inflater = zlib.decompressobj(-window)
    try:
        # One byte at a time, so that little is found in the output that the window has not.
        for byte in b"".join(part.frame.payload for part in parts):
            inflater.decompress(bytes([byte]))
    except zlib.error:
        return True
    return False


def took(reading, verdict, step, payload):
    """This, as the message that ends with this step. What comes then is not known."""
    before, kind = reading.messages[: step.messages], step.kind or step.frame.opcode
    if kind == TEXT and not is_text(payload):
        return stopped(reading, verdict, step, 1007)
    return verdict.messages[: step.messages + 1] == [*before, (NAMES[kind], payload)]


def is_text(payload):
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def counted_deflated(reading, verdict):
    for step in reading.steps:
        if step.deflated and step.frame.opcode == CONTINUATION or step.frame.rsv:
            before = step.bytes if step.frame.opcode == CONTINUATION else 0
            if before + step.frame.announced > reading.message_bytes:
                return stopped(reading, verdict, step, 1009)
    return False


def read_on_in_the_tail(reading, verdict):
    """A deflated message without a byte, where contexts are taken over: what is deflated behind it makes no sense."""
    for step in reading.steps:
        if step.result and step.bytes == 0 and not step.frame.payload and reading.takes_over:
            return verdict.messages[: step.messages] == reading.messages[: step.messages]
    return False


# --- websockets ---


def had_no_room(reading, verdict):
    """What a fragmented message has left of the limit is the limit of any frame."""
    # The fence comes behind the last whole frame.
    is_reached = reading.kind is not None and not (reading.faults and reading.last.is_whole)
    if is_reached and len(FENCE) > reading.message_bytes - used(reading):
        before_fence = verdict.messages == reading.messages and are_answered(reading.pings, verdict.pongs)
        if before_fence and verdict.code == 1009:
            return True
    for step in reading.steps:
        if step.frame.announced > room(reading, step):
            return stopped(reading, verdict, step, 1009)
    return False


def used(reading):
    return len(reading.so_far.payload if reading.so_far else reading.payload)


def room(reading, step):
    if step.kind is None:
        return reading.message_bytes
    return reading.message_bytes - (step.inflated if step.deflated else step.bytes)


def inflated_before_it_looked(reading, verdict):
    step = reading.last
    if (
        not step.faults
        or step.faults - {"within a message", "reserved bits"}
        or not stopped(reading, verdict, step, 1009)
    ):
        return False
    begins, goes_on = step.frame.opcode != CONTINUATION, step.deflated and reading.kind is not None
    if begins and not (reading.deflates and step.frame.rsv & RSV1) or not begins and not goes_on:
        return False
    # A kept context goes on in the middle of the message under way.
    goes_on = goes_on and (not begins or reading.takes_over)
    inflater = reading.inflater.copy() if reading.inflater and reading.takes_over else zlib.decompressobj(-15)
    parts = [*reading.parts, step] if goes_on else [step]
    payload = b"".join(part.frame.payload for part in parts)
    inflated = inflate(inflater, payload, False, reading.message_bytes, False)[0]
    return len(inflated.payload) > (reading.message_bytes if goes_on else room(reading, step))


def took_rest_for_too_much(reading, verdict):
    """It inflates up to the limit; and the end that is not sent by itself, up to a byte. More is too much."""
    for step in reading.steps:
        if step.result and stopped(reading, verdict, step, 1009):
            is_broken = step.result.flaw in ["broken", "cut short"] or reading.takes_over
            return is_broken and (len(step.frame.payload) >= 2044 or is_full_before_its_end(reading, step))
    return False


def is_full_before_its_end(reading, step):
    inflater = step.inflater.copy() if step.inflater else zlib.decompressobj(-15)
    payload = b"".join(with_tail(part) for part in step.parts)
    try:
        return len(inflater.decompress(payload, reading.message_bytes)) == reading.message_bytes
    except zlib.error:
        return False


def refused_close_within(reading, verdict):
    step = reading.last
    is_it = step.frame.opcode == CLOSE and step.is_whole and not step.faults and step.kind is not None
    return is_it and stopped(reading, verdict, step, 1002)


def lost_its_inflater(reading, verdict):
    steps = [step for step in reading.steps if step.result]
    while steps and steps[0].result.first is None:
        del steps[0]
    later = [step for step in steps[1:] if step.messages < len(verdict.messages)]
    return reading.takes_over and bool(later) and all(verdict.messages[step.messages][1] == b"" for step in later)


MAY_FAIL_LATE = "which says that it must fail the connection, not how soon"
LIMITS = (
    '"Implementations that have implementation- and/or platform-specific limitations regarding the frame size or '
    "total "
    'message size after reassembly from multiple frames MUST protect themselves against exceeding those limits"'
)
OFFER = Known(
    [WS],
    "refuses the upgrade with 400 where an offer is to be declined",
    "barewire and websockets",
    'RFC 7692, 7.1: "A server MUST decline an extension negotiation offer for this extension if any of the following '
    'conditions are met"; declining is to leave it out of the answer (5.1)',
    None,
)
KNOWN = [
    Known(
        [BAREWIRE, WS, WEBSOCKETS],
        "has one of several codes for a frame with several faults",
        "left open",
        'RFC 6455, 7.4.1: "1002 indicates that an endpoint is terminating the connection due to a protocol error", '
        "1007 and "
        "1009 likewise for theirs; none goes before another",
        chose_among_faults,
    ),
    Known(
        [BAREWIRE, WEBSOCKETS],
        "does not look at a frame before all of it is there, and this one's end never comes",
        "left open",
        'RFC 6455, 5.2: "the receiving endpoint MUST _Fail the WebSocket Connection_" (of reserved bits; of the '
        "others in "
        f"such words), {MAY_FAIL_LATE}",
        waited_for_the_payload,
    ),
    Known(
        [BAREWIRE],
        "fails a text in the fragment that spoils it; the others look at it when it is whole",
        "left open",
        'RFC 6455, 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is '
        "not, in "
        f'fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_", {MAY_FAIL_LATE}',
        stopped_at_spoilt_text,
    ),
    Known(
        [BAREWIRE],
        "has 1009 for a deflated message that is not DEFLATE any more where it comes to the limit",
        "left open: the message has both faults",
        'RFC 6455, 7.4.1: 1002 for "a protocol error", 1009 for a message "too big"',
        was_full_before_it_broke,
    ),
    Known(
        [WS],
        "refuses a control frame whose length is written in more bytes than it needs; other frames it takes like that",
        "left open",
        'RFC 6455, 5.2: "Note that in all cases, the minimal number of bytes MUST be used to encode the length", '
        "which binds "
        "who sends; nothing is said of who receives",
        refused_long_form,
    ),
    Known(
        [WS, WEBSOCKETS],
        "fails a frame by the first bytes of a header whose end never comes",
        "left open",
        f'RFC 6455, 5.2: "the receiving endpoint MUST _Fail the WebSocket Connection_", {MAY_FAIL_LATE}',
        stopped_within_header,
    ),
    Known(
        [WS],
        "has 1007 for what is not DEFLATE, and tells it in the fragment where it finds it; barewire has 1002",
        "left open",
        'RFC 6455, 7.4.1: 1007 for data "not consistent with the type of the message", 1002 for "a protocol error"; '
        "RFC 7692 "
        "names no code",
        inflated_to_nonsense,
    ),
    Known(
        [WEBSOCKETS],
        "fails what is not DEFLATE in the fragment where it finds it; barewire inflates whole messages",
        "left open",
        'RFC 7692, 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message. '
        "Decompress "
        'the resulting data using DEFLATE", and that not before the message is whole, or as it comes',
        stopped_at_broken_fragment,
    ),
    Known(
        [WS],
        "inflates on behind the limit, and has 1007 for what it finds there",
        "left open: the message has both faults",
        'RFC 6455, 7.4.1: 1007 for data "not consistent with the type of the message", 1009 for a message "too big"',
        found_it_broken_behind_the_limit,
    ),
    Known(
        [WS],
        "fails a deflated message in the fragment that inflates to too much; barewire inflates whole messages",
        "left open",
        f"RFC 6455, 10.4: {LIMITS}",
        stopped_at_large_fragment,
    ),
    Known(
        [WS, WEBSOCKETS],
        "takes a deflated message that ends in the middle of a block for what has come of it",
        "barewire, which fails it; where contexts are taken over, if it can tell",
        'RFC 7692, 7.2.1: "If the resulting data does not end with an empty DEFLATE block with no compression (the '
        '"BTYPE" '
        'bits are set to 00), append an empty DEFLATE block with no compression to the tail end": so no block is '
        "open",
        took_what_is_cut_short,
    ),
    Known(
        [WS, WEBSOCKETS],
        "does not look at what stands behind a block that is marked as the last",
        "barewire",
        'RFC 7692, 7.2.1: "When any DEFLATE block with the "BFINAL" bit set to 1 doesn\'t end at a byte boundary, an '
        "endpoint "
        "MUST add minimal padding bits of 0 to make it end at a byte boundary. The next DEFLATE block follows the "
        "padded data "
        'if any."',
        ended_at_last_block,
    ),
    Known(
        [WS],
        "leaves out the rest of the fragment behind a block that is marked as the last, and goes on with the next "
        "fragment",
        "barewire",
        'RFC 7692, 7.2.1: "The next DEFLATE block follows the padded data if any."',
        began_anew_behind_last_block,
    ),
    Known(
        [WS, WEBSOCKETS],
        "fails what refers to more than the window that the client has promised; barewire always has the largest",
        "left open: the client breaks its word",
        'RFC 7692, 7.1.2.2: "By including this parameter in an extension negotiation offer, a client informs the '
        "peer server "
        "that [...] it's not going to use an LZ77 sliding window size greater than\" the one it names",
        kept_to_the_window,
    ),
    Known(
        [WS],
        "holds the deflated bytes to the limit too; barewire the inflated ones, and lets deflating add a quarter",
        "left open",
        f"RFC 6455, 10.4: {LIMITS}",
        counted_deflated,
    ),
    Known(
        [WS, WEBSOCKETS],
        "spoils its context by a deflated message without a byte; barewire takes that for an empty message and no more",
        "left open: no deflated message is without a byte",
        'RFC 7692, 7.2.1: "After this step, the last octet of the compressed data contains (possibly part of) the '
        "DEFLATE "
        'header bits with the "BTYPE" bits set to 00": so there is one',
        read_on_in_the_tail,
    ),
    Known(
        [WEBSOCKETS],
        "holds any frame to what the message under way has left of the limit: control frames, and deflated bytes, too",
        "barewire and ws",
        'RFC 6455, 5.4: "Control frames (see Section 5.5) MAY be injected in the middle of a fragmented message."',
        had_no_room,
    ),
    Known(
        [WEBSOCKETS],
        "takes for too much what it has not inflated yet: at the limit, or of the end that is not sent",
        "left open: the message is broken either way",
        'RFC 6455, 7.4.1: "1009 indicates that an endpoint is terminating the connection because it has received a '
        "message "
        'that is too big for it to process."',
        took_rest_for_too_much,
    ),
    Known(
        [WEBSOCKETS],
        "inflates a frame before it looks at its reserved bits, and at whether a message may begin there",
        "left open: the frame has both faults",
        'RFC 6455, 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another '
        "message unless "
        'an extension has been negotiated that can interpret the interleaving."',
        inflated_before_it_looked,
    ),
    Known(
        [WEBSOCKETS],
        "takes a Close within a fragmented message for a violation",
        "barewire and ws",
        'RFC 6455, 5.4: "Control frames (see Section 5.5) MAY be injected in the middle of a fragmented message."; '
        "5.5.1: "
        '"the endpoint typically echos the status code it received"',
        refused_close_within,
    ),
    Known(
        [WEBSOCKETS],
        "inflates nothing more behind a message with a block that is marked as the last, where contexts are taken over",
        "barewire and ws",
        'RFC 7692, 7.2.3.4: "implementors can choose to flush data using DEFLATE blocks with "BFINAL" set to 1"',
        lost_its_inflater,
    ),
]
