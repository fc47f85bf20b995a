"""permessage-deflate (RFC 7692) as a client has it: what it offers, and messages deflated in every way that the RFC
knows, and in some that it does not.

Not here: the frames around them (streams.py), what is agreed on (verdicts.py).
"""

import zlib
from dataclasses import dataclass

NAME = "permessage-deflate"
TAIL = b"\0\0\xff\xff"
# To be accepted, and the window that the client keeps then.
GOOD_OFFERS = {
    NAME: 15,
    f"{NAME}; client_max_window_bits": 15,
    f"{NAME}; client_max_window_bits=9": 9,
    f"{NAME}; client_max_window_bits=12; server_max_window_bits=12": 12,
    f"{NAME}; server_max_window_bits=9": 15,
    f"{NAME}; server_no_context_takeover": 15,
    f"{NAME}; client_no_context_takeover": 15,
    f"{NAME};client_no_context_takeover ; server_no_context_takeover;client_max_window_bits": 15,
    f"x-unknown; a=1, {NAME}": 15,
    f"{NAME}, {NAME}; server_no_context_takeover": 15,
}
# To be declined (RFC 7692, section 7.1).
BAD_OFFERS = [
    "x-unknown; a=1",
    f"{NAME}; x-unknown",
    f"{NAME}; server_max_window_bits",
    f"{NAME}; server_max_window_bits=16",
    f"{NAME}; server_max_window_bits=7",
    f"{NAME}; client_max_window_bits=16",
    f"{NAME}; server_no_context_takeover=1",
    f"{NAME}; client_no_context_takeover; client_no_context_takeover",
]


@dataclass
class Deflater:
    random: object
    # The largest window, in bits.
    window: int
    # Whether a message may refer to those before it.
    takes_over: bool
    stream: object = None

    def deflate(self, payload):
        """One message, without the end that is not sent."""
        if self.takes_over and self.random.random() < 0.9:
            self.stream = self.stream or self.new_stream()
            return self.in_blocks(self.stream, payload)
        self.stream = None
        if self.random.random() < 0.15:
            # The last block is marked as such (section 7.2.3.4).
            stream = self.new_stream()
            return stream.compress(payload) + stream.flush() + b"\0"
        return self.in_blocks(self.new_stream(), payload)

    def new_stream(self):
        level = self.random.choice([0, 1, 6, 9])
        strategy = self.random.choice([zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED])
        return zlib.compressobj(level, zlib.DEFLATED, -self.window, 8, strategy)

    def in_blocks(self, stream, payload):
        data = b""
        for _ in range(self.random.choice([0, 0, 0, 1, 3])):
            place = self.random.randint(0, len(payload))
            flush = self.random.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
            data += stream.compress(payload[:place]) + stream.flush(flush)
            payload = payload[place:]
        data += stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL)

    def odd(self, payload):
        """What a client might send instead of a deflated message; it says nothing of what stands behind it."""
        stream = zlib.compressobj(6, zlib.DEFLATED, -self.window)
        whole = stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)
        stream = zlib.compressobj(6, zlib.DEFLATED, -self.window)
        final = stream.compress(payload) + stream.flush()
        place = self.random.randint(0, len(whole))
        # It refers to what lies farther back than a small window reaches.
        stream = zlib.compressobj(6, zlib.DEFLATED, -15)
        far = stream.compress(payload + self.random.randbytes(5000) + payload) + stream.flush(zlib.Z_SYNC_FLUSH)
        garbage = self.random.randbytes(self.random.randint(1, 50))
        flipped = bytearray(whole)
        flipped[self.random.randrange(len(flipped))] ^= 1 << self.random.randrange(8)
        return self.random.choice([
            whole,  # with its end
            far.removesuffix(TAIL),
            whole[:place], bytes(flipped), whole[:place] + garbage, whole + garbage, garbage,
            final, final + garbage, final + final + b"\0", final[:place],
            b"", b"\0", b"\0\0\0\xff\xff\0", b"\x02\0", b"\x03\0", b"\x03", b"\x01", b"\x06", b"\x07", b"\x05\0",
        ])  # fmt: skip


def inflate(decoder, payload):
    return decoder.decompress(payload) + decoder.decompress(TAIL)


def parameters(extension):
    """Those of the one extension that is accepted."""
    name, *rest = (part.strip() for part in extension.split(";"))
    assert name == NAME
    return rest
