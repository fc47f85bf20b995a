"""An echo server of Python's `websockets`: what it makes of a stream of frames is compared with barewire's answers.

usage: echo.py MESSAGE_BYTES yes|no      (whether contexts may be taken over; it prints the port)

It is the protocol of the library without its I/O, and a message is answered before the next frame is looked at. The
library's own servers hand it to a task, where the answer is lost if a Close stands right behind the message.
"""

import asyncio
import logging
import sys

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import DATA_OPCODES, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol


class Echo(ServerProtocol):
    """Puts messages together, checks that text is UTF-8 as the library's connections do, and sends them back."""

    def __init__(self, **options):
        super().__init__(**options)
        self.fragments = []

    def recv_frame(self, frame):
        super().recv_frame(frame)
        if frame.opcode not in DATA_OPCODES:
            return
        self.fragments.append(frame)
        if not frame.fin:
            return
        payload = b"".join(fragment.data for fragment in self.fragments)
        is_text = self.fragments[0].opcode is Opcode.TEXT
        self.fragments.clear()
        if is_text:
            payload.decode()
        (self.send_text if is_text else self.send_binary)(payload)


class Connection(asyncio.Protocol):
    def __init__(self, message_bytes, takeover):
        deflate = ServerPerMessageDeflateFactory(not takeover, not takeover)
        self.protocol = Echo(max_size=message_bytes, extensions=[deflate])

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.protocol.receive_data(data)
        self.answer()

    def eof_received(self):
        self.protocol.receive_eof()
        self.answer()

    def answer(self):
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.protocol.send_response(self.protocol.accept(event))
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()


async def serve(message_bytes, takeover):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(message_bytes, takeover), "127.0.0.1", 0, backlog=1024)
    print(f"WS server running on port {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


logging.disable()
asyncio.run(serve(int(sys.argv[1]), sys.argv[2] == "yes"))
