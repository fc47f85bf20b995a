"""What the RFCs say of a stream, as far as the known differences need it: what is to be answered, where the stream ends
and by which faults, and where a server may see them coming.

Not here: what servers make of it (verdicts.py), the differences (differences.py).
"""

import codecs
import zlib
from dataclasses import dataclass, field

from deflation import GOOD_OFFERS, TAIL
from frames import BINARY, CLOSE, CONTINUATION, NAMES, PING, PONG, RSV1, TEXT, Frame, read_frame
from streams import MESSAGE_BYTES

REGISTERED = {*range(1000, 1004), *range(1007, 1015)}
LAST_BLOCK = b"\x01\0\0\xff\xff"


@dataclass
class Inflated:
    payload: bytes
    # "broken", "cut short", "too big", or None.
    flaw: str | None
    # The payload up to the end of the first block that is marked as the last, if there is one.
    first: bytes | None = None


@dataclass
class Step:
    """A frame, and what stood before it."""

    frame: Frame
    # The last frame of a stream may lack a part of its payload.
    is_whole: bool
    # The message under way: its kind, or None; its bytes so far, inflated ones too, and whether it is deflated.
    kind: int | None = None
    bytes: int = 0
    inflated: int = 0
    deflated: bool = False
    # How many messages and pings are to be answered before it.
    messages: int = 0
    pings: int = 0
    faults: set = field(default_factory=set)
    # Of a deflated message that it ends, or tries to.
    result: Inflated | None = None
    # The steps of the message so far, where it is deflated.
    parts: list = field(default_factory=list)
    # And what inflates it, as it stood before the message.
    inflater: object = None


class Reading:
    """Reads a stream up to its first fault or its first Close."""

    def __init__(self, stream, agreed):
        """`agreed`: the parameters of permessage-deflate, or None."""
        data, self.message_bytes, self.window = stream.data, MESSAGE_BYTES, GOOD_OFFERS.get(stream.offer, 15)
        self.deflates = agreed is not None
        self.takes_over = self.deflates and "client_no_context_takeover" not in agreed
        self.kind, self.payload, self.deflated, self.so_far = None, b"", False, None
        # What is to be answered: kind and payload of messages, and payloads of pings.
        self.messages, self.pings = [], []
        self.steps, self.inflater = [], None
        # The steps with which the message under way, not whole yet, ceased to be UTF-8, DEFLATE, small enough.
        self.early = {}
        self.last = Step(Frame(PONG), True)
        at = 0
        while not self.is_over and (found := read_frame(data, at)):
            frame, at = found
            self.last = self.step(frame, at <= len(data))
            self.steps.append(self.last)
        # A header that is cut short, and what can be known of it.
        self.tail = b"" if self.is_over else data[at:]
        self.tail_faults = set()
        if len(self.tail) > 1:
            frame = read_frame(self.tail + bytes(14))[0]
            self.tail_faults = self.header_faults(frame)
            self.tail_faults |= {"long control"} if frame.is_control and frame.length_bytes else set()
            before = len(self.payload) if frame.opcode == CONTINUATION and self.kind is not None else 0
            self.tail_faults |= {"too big"} if before + frame.announced > self.message_bytes else set()

    @property
    def faults(self):
        return self.last.faults

    @property
    def is_over(self):
        return bool(self.faults) or self.last.frame.opcode == CLOSE or not self.last.is_whole

    def step(self, frame, is_whole):
        inflated = len(self.so_far.payload) if self.so_far else 0
        counts = len(self.messages), len(self.pings)
        step = Step(frame, is_whole, self.kind, len(self.payload), inflated, self.deflated, *counts)
        step.faults |= self.header_faults(frame)
        if step.faults or not is_whole:
            return step
        if frame.opcode == CLOSE:
            step.faults |= close_faults(frame.payload)
        elif frame.opcode == PING:
            self.pings.append(frame.payload)
        elif frame.opcode != PONG:
            self.take(step, frame)
        return step

    def header_faults(self, frame):
        faults = set()
        begins = frame.opcode in [TEXT, BINARY]
        if frame.rsv & ~(RSV1 if self.deflates and begins else 0):
            faults.add("reserved bits")
        if frame.opcode not in NAMES:
            faults.add("reserved opcode")
        if frame.key is None:
            faults.add("no mask")
        if frame.is_control:
            faults |= {"fragmented control"} if not frame.fin else set()
            faults |= {"long control"} if frame.announced > 125 else set()
            faults |= {"bad close"} if frame.opcode == CLOSE and frame.announced == 1 else set()
            return faults
        if frame.opcode == CONTINUATION and self.kind is None:
            faults.add("no message")
        if begins and self.kind is not None:
            faults.add("within a message")
        goes_on = frame.opcode == CONTINUATION and self.kind is not None
        deflated = self.deflated if goes_on else self.deflates and begins and frame.rsv & RSV1
        # What deflating may add: as much as barewire takes.
        most = self.message_bytes + (self.message_bytes // 4 + 1024 if deflated else 0)
        if frame.announced + (len(self.payload) if goes_on else 0) > most:
            faults.add("too big")
        return faults

    def take(self, step, frame):
        if frame.opcode != CONTINUATION:
            self.kind, self.payload, self.deflated, self.so_far = frame.opcode, b"", bool(frame.rsv & RSV1), None
            self.early, self.parts = {}, []
        self.payload += frame.payload
        self.parts.append(step)
        step.parts = list(self.parts)
        if self.deflated and len(self.payload) > self.message_bytes:
            self.early.setdefault("too large deflated", step)
        if self.deflated:
            self.take_deflated(step, frame)
        elif self.kind == TEXT:
            self.take_text(step, self.payload, frame.fin)
        if frame.fin and not step.faults:
            payload = self.so_far.payload if self.so_far else self.payload
            self.messages.append((NAMES[self.kind], payload))
            self.kind, self.payload, self.so_far = None, b"", None

    def take_text(self, step, payload, is_whole):
        try:
            codecs.getincrementaldecoder("utf-8")().decode(payload, is_whole)
        except UnicodeDecodeError:
            self.early.setdefault("bad text", step)
            step.faults |= {"bad text"} if is_whole else set()

    def take_deflated(self, step, frame):
        inflater = self.inflater.copy() if self.inflater and self.takes_over else zlib.decompressobj(-15)
        self.so_far, inflater = inflate(inflater, self.payload, frame.fin, self.message_bytes, self.takes_over)
        if self.so_far.flaw in ["broken", "too big"]:
            self.early.setdefault(self.so_far.flaw, step)
        if frame.fin:
            step.result = self.so_far
            step.inflater = self.inflater if self.takes_over else None
            step.faults |= {self.so_far.flaw} - {None}
            self.inflater = inflater
            if self.kind == TEXT and not self.so_far.flaw:
                self.take_text(step, self.so_far.payload, True)


def inflate(inflater, payload, is_whole, most, takes_over):
    """As RFC 7692 has it in section 7.2.2; behind a last block the next one follows (section 7.2.1)."""
    if is_whole and not payload:
        return Inflated(b"", None), inflater
    # What is put behind the payload has nothing to add.
    said = len(inflate(inflater.copy(), payload, False, most, takes_over)[0].payload) if is_whole else most
    data, out, first = payload + (TAIL if is_whole else b""), b"", None
    while True:
        try:
            out += inflater.decompress(data, most + 1 - len(out))
        except zlib.error:
            return Inflated(out, "broken", first), inflater
        if len(out) > most:
            return Inflated(out, "too big", first), inflater
        if not inflater.eof:
            break
        first = out if first is None else first
        data, inflater = inflater.unused_data, zlib.decompressobj(-15)
        if is_whole and len(data) < len(TAIL):
            return Inflated(out, "cut short", first), inflater
        if data == (TAIL if is_whole else b""):
            return Inflated(out, None, first), inflater
    is_cut = len(out) > said or is_whole and not takes_over and not is_at_a_block(inflater)
    return Inflated(out, "cut short" if is_cut else None, first), inflater


def is_at_a_block(inflater):
    inflater = inflater.copy()
    try:
        return inflater.decompress(LAST_BLOCK) == b"" and inflater.eof and not inflater.unused_data
    except zlib.error:
        return False


def close_faults(payload):
    if not payload:
        return set()
    code = int.from_bytes(payload[:2], "big")
    faults = set() if code in REGISTERED or 3000 <= code < 5000 else {"bad close"}
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        faults.add("bad reason")
    return faults
