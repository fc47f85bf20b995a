"""Frames of RFC 6455 both ways: made for a client, right or wrong, and found in bytes. Nothing is refused here.

Not here: which frames are made (streams.py), what an answer means (verdicts.py).
"""

import itertools
import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# Where it stands among the reserved bits.
RSV1 = 4
NAMES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


@dataclass
class Frame:
    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    # The four bytes, or None: not masked.
    key: bytes | None = b"\0\0\0\0"
    # What the header says where that is not the payload's length, and in how many further bytes (0, 2 or 8) it says it.
    length: int | None = None
    length_bytes: int | None = None

    @property
    def is_control(self):
        return self.opcode >= CLOSE

    @property
    def announced(self):
        return len(self.payload) if self.length is None else self.length

    def encode(self):
        length = self.announced
        shortest = 0 if length < 126 else 2 if length < 1 << 16 else 8
        width = shortest if self.length_bytes is None else max(shortest, self.length_bytes)
        short = {0: length, 2: 126, 8: 127}[width]
        header = bytes([self.fin << 7 | self.rsv << 4 | self.opcode, (self.key is not None) << 7 | short])
        header += {0: b"", 2: struct.pack("!H", length & 0xFFFF), 8: struct.pack("!Q", length)}[width]
        return header + (self.payload if self.key is None else self.key + mask(self.payload, self.key))

    def __str__(self):
        marks = [NAMES.get(self.opcode, f"opcode {self.opcode}")]
        marks += [] if self.fin else ["no fin"]
        marks += [f"rsv {self.rsv:03b}"] if self.rsv else []
        marks += ["no mask"] if self.key is None else []
        marks += [] if self.length_bytes is None else [f"length in {self.length_bytes} bytes"]
        shown = self.payload[:40].hex() + ("…" if len(self.payload) > 40 else "")
        return f"{', '.join(marks)}, {self.announced} bytes: {shown}"


def mask(payload, key):
    if not any(key):
        return payload
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")


def read_frame(data, at=0):
    """The frame at this place and where it ends. A payload that is cut short is as long as it is, and the end is
    behind the data; a header that is cut short is None."""
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    width = {126: 2, 127: 8}.get(second & 0x7F, 0)
    start = at + 2 + width + (4 if second & 0x80 else 0)
    if len(data) < start:
        return None
    length = int.from_bytes(data[at + 2 : at + 2 + width], "big") if width else second & 0x7F
    key = bytes(data[start - 4 : start]) if second & 0x80 else None
    payload = bytes(data[start : start + length])
    shortest = 0 if length < 126 else 2 if length < 1 << 16 else 8
    frame = Frame(
        opcode=first & 0x0F,
        payload=payload if key is None else mask(payload, key),
        fin=first >= 0x80,
        rsv=first >> 4 & 7,
        key=key,
        length=length if len(payload) < length else None,
        length_bytes=width if width != shortest else None,
    )
    return frame, start + length


def split(data):
    """The whole frames at the start of the data, and what is left behind them."""
    frames, at = [], 0
    while (found := read_frame(data, at)) and found[1] <= len(data):
        frames.append(found[0])
        at = found[1]
    return frames, bytes(data[at:])


def cut(payload, places):
    """The pieces of a payload that is cut at these places."""
    return [payload[start:end] for start, end in itertools.pairwise([0, *sorted(places), len(payload)])]
