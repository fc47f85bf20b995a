"""Streams of frames that a client might send behind its upgrade, from a seed: a conversation, as the RFC has it, and in
most streams a few breakages of its frames or its bytes.

Not here: how frames are encoded (frames.py), who is sent them (verdicts.py).
"""

from dataclasses import dataclass, replace
from random import Random

from deflation import BAD_OFFERS, GOOD_OFFERS, Deflater
from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, Frame, cut

# Above 65,536, so that each form of a length is on both sides of it.
MESSAGE_BYTES = 70_000
EDGES = [0, 1, 2, 124, 125, 126, 127, 128, 129]
LARGE = [65_535, 65_536, 65_537, MESSAGE_BYTES - 1, MESSAGE_BYTES, MESSAGE_BYTES + 1]
HUGE = [MESSAGE_BYTES + 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
CHARACTERS = ["a", "Z", "0", " ", "\0", "ß", "\x80", "߿", "ࠀ", "€", "퟿", "\ue000", "\uffff", "𐀀", "🦀", "\U0010ffff"]
# A byte that never is, overlong, a surrogate, past the last character, cut short, a tail without a head, five bytes.
BAD_TEXT = [b"\xff", b"\xc0\x80", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x9f\xa6"]
BAD_TEXT += [b"\xc3", b"\x80", b"\xf8\x88\x80\x80\x80"]
GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
# Registered since the RFC, reserved, never to be sent, out of range.
OTHER_CODES = [1012, 1013, 1014, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 0, 1, 999, 5000, 65_535]


@dataclass
class Stream:
    seed: int
    # What is sent behind the upgrade. Leaving some of them out is how a stream is made shorter.
    pieces: list
    # How many bytes go into each write; the last counts on and on.
    writes: list
    # What it says of extensions, or None.
    offer: str | None
    # Whether it is for servers that let contexts be taken over.
    takeover: bool

    @property
    def data(self):
        return b"".join(self.pieces)


def stream(seed):
    random = Random(seed)
    takeover, offer, deflater = random.random() < 0.5, None, None
    if random.random() < 0.6:
        offer = random.choice(BAD_OFFERS if random.random() < 0.1 else [*GOOD_OFFERS])
    if offer in GOOD_OFFERS:
        takes_over = takeover and "client_no_context_takeover" not in offer
        deflater = Deflater(random, GOOD_OFFERS[offer], takes_over)
    frames = conversation(random, deflater)
    for _ in range(random.choice([0, 0, 1, 1, 1, 2, 3])):
        random.choice(BREAKAGES)(random, frames)
    if deflater and random.random() < 0.4:
        random.choice(DEFLATED)(random, frames, deflater)
    pieces = [frame.encode() for frame in frames]
    if random.random() < 0.2:
        pieces = random.choice(DAMAGES)(random, pieces)
    writes = random.choice([[2**20], [2**20], [random.randint(1, 9)], [random.randint(1, 300) for _ in range(9)]])
    # Not a thousand writes for a large message.
    writes = writes if sum(map(len, pieces)) < 2000 else [*writes, 2**14]
    return Stream(seed, pieces, writes, offer, takeover)


# --- as the RFC has it ---


def conversation(random, deflater=None):
    frames = []
    for _ in range(random.choice([0, 1, 1, 2, 2, 3, 5])):
        frames += [control(random) for _ in range(random.choice([0, 0, 0, 1, 2]))]
        frames += message(random, deflater)
    if random.random() < 0.6:
        frames.append(close(random, random.choice(GOOD_CODES)))
    return frames


def message(random, deflater=None):
    payload, opcode = payload_of(random, size(random)), BINARY
    if random.random() < 0.6:
        payload, opcode = text(random, size(random)), TEXT
    if deflater and random.random() < 0.7:
        return fragments(random, opcode, deflater.deflate(payload), RSV1)
    return fragments(random, opcode, payload)


def fragments(random, opcode, payload, rsv=0):
    """The frames of one message, with control frames between them."""
    places = [random.randint(0, len(payload)) for _ in range(random.choice([0, 0, 0, 1, 2, 4]))]
    pieces = cut(payload, places)
    frames = []
    for i, piece in enumerate(pieces):
        if frames and random.random() < 0.3:
            frames.append(control(random))
        fin, key = i + 1 == len(pieces), random_key(random)
        frames.append(Frame(CONTINUATION if i else opcode, piece, fin, 0 if i else rsv, key))
    return frames


def control(random):
    return Frame(
        random.choice([PING, PING, PONG]),
        payload_of(random, random.choice([0, 1, 4, 124, 125])),
        key=random_key(random),
    )


def close(random, code):
    payload = code.to_bytes(2, "big") + text(random, random.choice([0, 0, 5, 122, 123]))
    return Frame(CLOSE, random.choice([payload, payload, payload, b""]), key=random_key(random))


def random_key(random):
    return random.choice([b"\0\0\0\0", random.randbytes(4), random.randbytes(4)])


def size(random):
    kind = random.random()
    if kind < 0.85:
        return random.randint(0, 300)
    if kind < 0.95:
        return random.choice(EDGES)
    return random.choice([*LARGE, random.randint(0, MESSAGE_BYTES)])


def payload_of(random, size):
    return random.randbytes(size) if size < 1000 else random.randbytes(100) * (size // 100) + bytes(size % 100)


def text(random, size):
    """UTF-8 of exactly this many bytes."""
    words = "".join(random.choices(CHARACTERS, k=min(size, 100))).encode()
    words *= size // max(len(words), 1) + 1
    whole = words[:size].decode(errors="ignore").encode()
    return whole + b"." * (size - len(whole))


# --- broken frames ---


def some(random, frames):
    """The place of one of the frames; there is one then."""
    if not frames:
        frames += message(random)
    return random.randrange(len(frames))


def change(random, frames, **changes):
    i = some(random, frames)
    frames[i] = replace(frames[i], **changes)


def insert(random, frames, new):
    frames.insert(random.randint(0, len(frames)), new)


def set_reserved_bits(random, frames):
    change(random, frames, rsv=random.choice([1, 2, 4, 4, 7]))


def set_opcode(random, frames):
    change(random, frames, opcode=random.randrange(16))


def leave_out_mask(random, frames):
    change(random, frames, key=None)


def flip_fin(random, frames):
    i = some(random, frames)
    frames[i] = replace(frames[i], fin=not frames[i].fin)


def write_length_long(random, frames):
    change(random, frames, length_bytes=random.choice([2, 8]))


def announce_too_much(random, frames):
    change(random, frames, length=random.choice(HUGE))


def announce_wrong(random, frames):
    i = some(random, frames)
    length = len(frames[i].payload) + random.choice([-4, -1, 1, 2, 6, 100])
    frames[i] = replace(frames[i], length=max(length, 0))


def insert_long_control(random, frames):
    payload = payload_of(random, random.choice([126, 127, 200, MESSAGE_BYTES, MESSAGE_BYTES + 1]))
    insert(random, frames, Frame(random.choice([CLOSE, PING, PONG]), payload, key=random_key(random)))


def insert_fragmented_control(random, frames):
    insert(random, frames, replace(random.choice([control(random), close(random, 1000)]), fin=False))


def spoil_text(random, frames):
    i = some(random, frames)
    payload = frames[i].payload
    at = random.choice([0, len(payload), random.randint(0, len(payload))])
    frames[i] = replace(frames[i], payload=payload[:at] + random.choice(BAD_TEXT) + payload[at:])


def cut_text(random, frames):
    """A text whose last character, or a character somewhere, is in two fragments, with or without its end."""
    character = random.choice(["ß", "€", "🦀"]).encode()
    at = random.randint(1, len(character) - 1)
    frames.append(Frame(TEXT, text(random, 5) + character[:at], fin=random.random() < 0.2))
    frames.extend([control(random)] if random.random() < 0.3 else [])
    frames.append(
        Frame(CONTINUATION, random.choice([character[at:], character[at:], b"", b"x"]), key=random_key(random))
    )


def insert_close(random, frames):
    payload = random.choice(GOOD_CODES + OTHER_CODES * 2).to_bytes(2, "big") + text(random, random.choice([0, 3, 123]))
    odd = [b"", random.randbytes(1), random.randbytes(2), payload + random.choice(BAD_TEXT)]
    insert(random, frames, Frame(CLOSE, random.choice([payload] * 4 + odd), key=random_key(random)))


def insert_continuation(random, frames):
    payload = payload_of(random, size(random))
    insert(random, frames, Frame(CONTINUATION, payload, fin=random.random() < 0.7, key=random_key(random)))


def insert_message(random, frames):
    at = random.randint(0, len(frames))
    frames[at:at] = message(random)


def insert_control(random, frames):
    insert(random, frames, control(random))


def fill_to_the_limit(random, frames):
    """A message of the largest size, or one byte more, in fragments that come close to it early."""
    payload = payload_of(random, MESSAGE_BYTES + random.choice([-1, 0, 0, 1]))
    places = sorted(
        MESSAGE_BYTES - random.choice([0, 0, 1, 5, 124, 125, 126, 300]) for _ in range(random.randint(1, 3))
    )
    for i, piece in enumerate(cut(payload, [min(place, len(payload)) for place in places])):
        frames.append(Frame(CONTINUATION if i else BINARY, piece, fin=i == len(places), key=random_key(random)))
        frames.extend([control(random)] if random.random() < 0.3 else [])


def drop(random, frames):
    del frames[some(random, frames)]


def double(random, frames):
    i = some(random, frames)
    frames.insert(i, frames[i])


def swap(random, frames):
    i, j = some(random, frames), some(random, frames)
    frames[i], frames[j] = frames[j], frames[i]


def go_on(random, frames):
    """More of it, behind a Close where there was one."""
    frames.extend(conversation(random))


BREAKAGES = [
    set_reserved_bits, set_opcode, leave_out_mask, flip_fin, write_length_long, announce_too_much, announce_wrong,
    insert_long_control, insert_fragmented_control, spoil_text, spoil_text, cut_text, insert_close, insert_close,
    insert_continuation, insert_message, insert_control, fill_to_the_limit, drop, double, swap, go_on,
]  # fmt: skip


# --- deflated messages ---


def insert_odd(random, frames, deflater):
    data = deflater.odd(payload_of(random, random.choice([10, 300, 300, 6000])))
    at = random.choice([len(frames), random.randint(0, len(frames))])
    frames[at:at] = fragments(random, random.choice([TEXT, BINARY]), data, RSV1)


def deflate_to_the_limit(random, frames, deflater):
    """What inflates to the largest size or a little more or less; it is small itself, or as large, or a bit larger."""
    size = MESSAGE_BYTES + random.choice([-1, 0, 0, 1, 1, 100, 1_000_000])
    payload = random.choice([bytes(size), payload_of(random, size), b"0123456789" * (size // 10) + bytes(size % 10)])
    if size < 100_000 and random.random() < 0.3:
        payload = random.randbytes(size)
    frames += fragments(random, BINARY, deflater.deflate(payload), RSV1)


def deflate_bad_text(random, frames, deflater):
    before, behind = text(random, random.randint(0, 50)), text(random, random.choice([0, 0, 50]))
    payload = before + random.choice(BAD_TEXT) + behind
    frames += fragments(random, random.choice([TEXT, TEXT, BINARY]), deflater.deflate(payload), RSV1)


DEFLATED = [insert_odd, insert_odd, insert_odd, deflate_to_the_limit, deflate_bad_text]


# --- damaged bytes ---


def truncate(random, pieces):
    return cut_off(pieces, random.randint(0, sum(map(len, pieces))))


def truncate_at_header(random, pieces):
    """Within the first bytes of some piece."""
    i = random.randint(0, len(pieces))
    return cut_off(pieces, sum(map(len, pieces[:i])) + random.randint(0, 14))


def cut_off(pieces, end):
    kept = []
    for piece in pieces:
        kept.append(piece[:end])
        end -= len(kept[-1])
    return [piece for piece in kept if piece]


def flip_bit(random, pieces):
    if not any(pieces):
        return pieces
    i = random.choice([i for i, piece in enumerate(pieces) if piece])
    # Headers are where bits matter.
    at = random.randrange(min(len(pieces[i]), random.choice([2, 14, 2**20])))
    piece = bytearray(pieces[i])
    piece[at] ^= 1 << random.randrange(8)
    return [*pieces[:i], bytes(piece), *pieces[i + 1 :]]


def insert_noise(random, pieces):
    i = random.randint(0, len(pieces))
    return [*pieces[:i], random.randbytes(random.randint(1, 40)), *pieces[i:]]


DAMAGES = [truncate, truncate, truncate_at_header, flip_bit, flip_bit, insert_noise]
