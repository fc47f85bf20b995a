"""What a server makes of a stream: the stream is sent, the raw answer is read to its end and taken apart.

Not here: the streams (streams.py), whether two verdicts agree (differences.py).
"""

import asyncio
import itertools
import socket
import zlib
from dataclasses import dataclass, replace

from deflation import inflate, parameters
from frames import BINARY, CLOSE, CONTINUATION, NAMES, PING, PONG, RSV1, TEXT, read_frame, split

# Generous: nothing here is about time. A server that is silent for so long has failed.
PATIENCE = 60
REQUEST = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
# A ping behind the last whole frame. Its pong says that all before it is answered, and that the server would go on.
FENCE = b"fence"


@dataclass
class Verdict:
    # What it answers to the upgrade: the status, and the parameters of permessage-deflate if that is agreed on. Whether
    # it names the client's window is left out: it may, where that was offered (RFC 7692, section 7.1.2.2).
    status: int
    deflate: set | None
    # Kind and payload of each message that came back.
    messages: list
    # The payloads of the pongs.
    pongs: list
    # The code of the server's Close; "none" for one without a code, None where no Close came.
    code: int | str | None
    # How the server's side ended: "eof" or "reset".
    end: str
    # What no server may send.
    faults: list

    def __str__(self):
        messages = [f"{kind} {len(payload)}" for kind, payload in self.messages]
        pongs = ["fence" if pong == FENCE else str(len(pong)) for pong in self.pongs]
        return (
            f"{self.status}, deflate {self.deflate}, messages [{', '.join(messages)}], pongs [{', '.join(pongs)}], "
            f"close {self.code}, {self.end}" + "".join(f", {fault}" for fault in self.faults)
        )


class Answer:
    """The frames of a server as they come in."""

    def __init__(self, data):
        self.data = bytearray()
        self.at = 0
        self.frames = []
        self.settled = asyncio.Event()
        self.is_closed = False
        self.take(data)

    def take(self, data):
        self.data += data
        while (found := read_frame(self.data, self.at)) and found[1] <= len(self.data):
            frame, self.at = found
            self.frames.append(frame)
            self.is_closed |= frame.opcode == CLOSE
            if self.is_closed or frame.payload == FENCE:
                self.settled.set()


def agree(ours, theirs):
    """Whether two verdicts say the same. Of pongs one may have left out some, but not the last."""
    few, many = sorted([ours.pongs, theirs.pongs], key=len)
    rest = iter(many)
    return (
        all(pong in rest for pong in few)
        and few[-1:] == many[-1:]
        and replace(ours, pongs=[]) == replace(theirs, pongs=[])
    )


async def verdict(port, stream):
    """What the server at this port makes of the stream."""
    async with asyncio.timeout(PATIENCE):
        with socket.socket() as peer:
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, ("127.0.0.1", port))
            offer = f"Sec-WebSocket-Extensions: {stream.offer}\r\n" if stream.offer else ""
            await loop.sock_sendall(peer, f"{REQUEST.format(port)}{offer}\r\n".encode())
            status, deflate, rest = await read_head(peer)
            if status != 101:
                return Verdict(status, deflate, [], [], None, "eof", [])
            answer = Answer(rest)
            end, _ = await asyncio.gather(read(peer, answer), write(peer, stream, answer))
    return judge(deflate, answer, end)


async def read_head(peer):
    """The status, the parameters of permessage-deflate if it is agreed on, and what stands behind the head."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = await asyncio.get_running_loop().sock_recv(peer, 2**16)
        if not received:
            raise RuntimeError(f"no answer to the upgrade: {data!r}")
        data += received
    head, rest = data.split(b"\r\n\r\n", 1)
    start, *fields = head.decode().split("\r\n")
    fields = dict(field.lower().split(":", 1) for field in fields)
    deflate = None
    if agreed := fields.get("sec-websocket-extensions"):
        deflate = {value for value in parameters(agreed) if not value.startswith("client_max_window_bits")}
    return int(start.split()[1]), deflate, rest


async def read(peer, answer):
    try:
        while received := await asyncio.get_running_loop().sock_recv(peer, 2**18):
            answer.take(received)
        return "eof"
    except ConnectionResetError:
        return "reset"
    finally:
        answer.settled.set()


async def write(peer, stream, answer):
    """Sends the whole frames and the fence, and when they are answered, the rest and FIN. Where the server has closed,
    the end of the stream is its to make: it is awaited without FIN."""
    rest = split(stream.data)[1]
    whole = stream.data[: len(stream.data) - len(rest)]
    try:
        await write_in_pieces(peer, whole, stream.writes)
        await write_in_pieces(peer, bytes([0x80 | PING, 0x80 | len(FENCE), 0, 0, 0, 0]) + FENCE, stream.writes)
        await answer.settled.wait()
        await write_in_pieces(peer, rest, stream.writes)
        if not answer.is_closed:
            peer.shutdown(socket.SHUT_WR)
    except OSError:
        # The server is gone: how, the reading side sees.
        pass


async def write_in_pieces(peer, data, writes):
    at = 0
    for size in itertools.chain(writes, itertools.repeat(writes[-1])):
        if at >= len(data):
            return
        await asyncio.get_running_loop().sock_sendall(peer, data[at : at + size])
        at += size


def judge(deflate, answer, end):
    messages, pongs, code, faults = [], [], None, []
    fragments, decoder = [], None
    for frame in answer.frames:
        is_first = frame.opcode in [TEXT, BINARY]
        if code is not None:
            faults.append(f"a frame behind the Close: {frame}")
        if frame.key or frame.length_bytes or frame.rsv and (deflate is None or not is_first or frame.rsv != RSV1):
            faults.append(f"a frame that no server may send: {frame}")
        if frame.opcode == CLOSE:
            code = int.from_bytes(frame.payload[:2], "big") if frame.payload else "none"
        elif frame.opcode == PONG:
            pongs.append(frame.payload)
        elif frame.opcode == PING:
            # A heartbeat: it may come at any time.
            pass
        elif is_first == bool(fragments) or not is_first and frame.opcode != CONTINUATION:
            faults.append(f"a frame that does not belong there: {frame}")
        else:
            fragments.append(frame)
            if frame.fin:
                payload = b"".join(fragment.payload for fragment in fragments)
                if fragments[0].rsv:
                    if decoder is None or "server_no_context_takeover" in deflate:
                        decoder = zlib.decompressobj(-15)
                    payload = inflate(decoder, payload)
                messages.append((NAMES[fragments[0].opcode], payload))
                fragments = []
    if fragments or answer.at < len(answer.data):
        faults.append("half a message at the end")
    return Verdict(101, deflate, messages, pongs, code, end, faults)
