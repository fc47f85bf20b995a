"""What a server makes of a stream: the stream is sent, the raw answer is read to its end and taken apart.

Not here: the streams (streams.py), whether two verdicts agree (differences.py).
"""

import asyncio
import itertools
import socket
from collections import Counter
from dataclasses import dataclass

from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, read_frame, split

# Generous: nothing here is about time. A server that is silent for so long has failed.
PATIENCE = 60
REQUEST = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# A ping behind the last whole frame. Its pong says that all before it is answered, and that the server would go on.
FENCE = b"fence"


@dataclass
class Verdict:
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
            f"messages [{', '.join(messages)}], pongs [{', '.join(pongs)}], close {self.code}, {self.end}"
            + "".join(f", {fault}" for fault in self.faults)
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


async def verdict(port, stream):
    """What the server at this port makes of the stream."""
    async with asyncio.timeout(PATIENCE):
        with socket.socket() as peer:
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, ("127.0.0.1", port))
            await loop.sock_sendall(peer, REQUEST.format(port).encode())
            head, rest = await read_head(peer)
            answer = Answer(rest)
            end, _ = await asyncio.gather(read(peer, answer), write(peer, stream, answer))
    return judge(answer, end)


async def read_head(peer):
    data = b""
    while b"\r\n\r\n" not in data:
        received = await asyncio.get_running_loop().sock_recv(peer, 2**16)
        if not received:
            raise RuntimeError(f"no answer to the upgrade: {data!r}")
        data += received
    head, rest = data.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise RuntimeError(f"the upgrade was refused: {head!r}")
    return head, rest


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
    """Sends the whole frames and the fence, and when they are answered, the rest and FIN. Where the server has closed, the
    end of the stream is its to make: it is awaited without FIN."""
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


def judge(answer, end):
    messages, pongs, code, faults = [], [], None, []
    fragments = []
    for frame in answer.frames:
        if code is not None:
            faults.append(f"a frame behind the Close: {frame}")
        if frame.key is not None or frame.rsv or frame.length_bytes is not None:
            faults.append(f"a frame that no server may send: {frame}")
        if frame.opcode == CLOSE:
            code = int.from_bytes(frame.payload[:2], "big") if frame.payload else "none"
        elif frame.opcode == PONG:
            pongs.append(frame.payload)
        elif (frame.opcode == CONTINUATION) != bool(fragments) or frame.opcode not in [CONTINUATION, TEXT, BINARY]:
            faults.append(f"a frame that does not belong there: {frame}")
        else:
            fragments.append(frame)
            if frame.fin:
                kind = {TEXT: "text", BINARY: "binary"}[fragments[0].opcode]
                messages.append((kind, b"".join(fragment.payload for fragment in fragments)))
                fragments = []
    if fragments or answer.at < len(answer.data):
        faults.append("half a message at the end")
    return Verdict(messages, pongs, code, end, faults)
