"""What the client half makes of servers that say what no library says: answers to the upgrade byte by byte, frames right
behind them, silence, ends of all kinds.

Not here: well-behaved servers (test_client_half.py), frames of all kinds (`.ci/autobahn`).
"""

import asyncio
import base64
import hashlib
import ssl

from daemon import PATIENCE
from echo_client import ClientTest, tls

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def asked(reader):
    """The request, as a dictionary of its headers."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def accept(request):
    digest = hashlib.sha1((request["sec-websocket-key"] + GUID).encode()).digest()
    return base64.b64encode(digest).decode()


def switch(request, *lines, value=None):
    head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*head, f"Sec-WebSocket-Accept: {value or accept(request)}", *lines, "", ""]).encode()


def frame(opcode, payload):
    return bytes([0x80 | opcode, len(payload)]) + payload


async def frame_of_client(reader):
    """Opcode and payload of a small frame, which must be masked."""
    first, second = await reader.readexactly(2)
    assert second & 0x80 and second & 0x7F <= 125, second
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


async def all_of_client(reader):
    """What comes until the client ends its half."""
    return await asyncio.wait_for(reader.read(), PATIENCE)


class Raw(ClientTest):
    async def answer(self, bytes_for, *flags, ends=True, context=None):
        """One connection that is answered with this; then the server ends the stream, or waits for the client to."""

        async def serve(reader, writer):
            request = await asked(reader)
            writer.write(bytes_for(request))
            await writer.drain()
            if not ends:
                await all_of_client(reader)

        scheme = "wss" if context else "ws"
        async with self.listen(serve, context) as port:
            return await self.echo(f"{scheme}://127.0.0.1:{port}/", *flags)

    async def test_the_request_is_what_rfc_6455_asks_for(self):
        requests = []

        async def serve(reader, writer):
            requests.append(await asked(reader))

        async with self.listen(serve) as port:
            for _ in range(2):
                self.assert_ended(await self.echo(f"ws://127.0.0.1:{port}/", "--protocol", "a", "--protocol", "b"))
        for request in requests:
            self.assertEqual(len(base64.b64decode(request["sec-websocket-key"], validate=True)), 16)
            self.assertEqual(request["host"], f"127.0.0.1:{port}")
            self.assertEqual(request["upgrade"].lower(), "websocket")
            self.assertEqual(request["connection"].lower(), "upgrade")
            self.assertEqual(request["sec-websocket-version"], "13")
            self.assertEqual(request["sec-websocket-protocol"], "a, b")
        self.assertNotEqual(requests[0]["sec-websocket-key"], requests[1]["sec-websocket-key"])

    async def test_frames_in_the_segment_of_the_answer_are_taken(self):
        async def serve(reader, writer):
            request = await asked(reader)
            frames = frame(1, b"first") + frame(9, b"ping") + frame(2, b"second") + frame(8, b"\x0f\xa0end")
            writer.write(switch(request) + frames)
            seen = [await frame_of_client(reader) for _ in range(4)]
            self.assertEqual(sorted(seen[:3]), [(1, b"first"), (2, b"second"), (10, b"ping")])
            self.assertEqual(seen[3], (8, b"\x0f\xa0end"))
            self.assertEqual(await all_of_client(reader), b"")

        for context in [None, tls(), tls(version=ssl.TLSVersion.TLSv1_2)]:
            async with self.listen(serve, context) as port:
                told = await self.echo(f"{'wss' if context else 'ws'}://127.0.0.1:{port}/")
            self.assertEqual([event["event"] for event in told], ["open", "close"])
            self.assert_ended(told, code=4000, reason="end")

    async def test_an_answer_and_frames_may_come_byte_by_byte(self):
        async def serve(reader, writer):
            request = await asked(reader)
            for byte in switch(request) + frame(1, "ü".encode()) + frame(8, b"\x03\xe8"):
                writer.write(bytes([byte]))
                await writer.drain()
            self.assertEqual(await frame_of_client(reader), (1, "ü".encode()))
            self.assertEqual(await frame_of_client(reader), (8, b"\x03\xe8"))

        for context in [None, tls()]:
            async with self.listen(serve, context) as port:
                told = await self.echo(f"{'wss' if context else 'ws'}://127.0.0.1:{port}/")
            self.assert_ended(told, code=1000, kind="peer_closed")

    async def test_other_answers_may_come_before_it(self):
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        told = await self.answer(lambda request: early + switch(request) + frame(8, b""))
        self.assertEqual(told[0]["event"], "open")
        self.assert_ended(told, code=1005, reason="", kind="peer_closed")

    async def test_header_names_and_words_are_of_any_case(self):
        def answer(request):
            return (
                "HTTP/1.1 101 \r\nUPGRADE: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n"
                f"sec-WEBSOCKET-accept:{accept(request)}  \r\nServer:\r\n\r\n"
            ).encode() + frame(8, b"")

        self.assert_ended(await self.answer(answer), code=1005)

    async def test_a_refusal_is_told_whatever_frames_its_body(self):
        for head, body, told_body in [
            ("Content-Length: 5", b"later", "later"),
            ("Content-Length: 0", b"", ""),
            ("Content-Length: 9", b"cut", "cut"),
            ("Transfer-Encoding: chunked", b"3\r\nlat\r\n2;a=b\r\ner\r\n0\r\nTrailer: x\r\n\r\n", "later"),
            ("Transfer-Encoding: chunked", b"3\r\nlat\r\nff\r\ner", "later"),
            ("Connection: close", b"until the end", "until the end"),
            ("Connection: close", b"x" * 100_000, "x" * 16_384),
        ]:
            for context in [None, tls()]:
                answer = f"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n{head}\r\n\r\n".encode() + body
                told = await self.answer(lambda _: answer, context=context)
                refused = told[0]
                self.assertEqual([event["event"] for event in told], ["refused", "close"], head)
                self.assertEqual((refused["status"], refused["reason"]), (429, "Too Many"))
                self.assertEqual(refused["headers"], [["Retry-After", "7"], head.split(": ")])
                self.assertEqual(refused["body"], told_body)
                self.assert_ended(told, code=1006, kind="http_refused")

    async def test_a_refusal_with_a_length_is_told_though_the_server_keeps_the_connection(self):
        for answer in [
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
            b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        ]:
            told = await self.answer(lambda _: answer, ends=False)
            self.assertEqual((told[0]["status"], told[0]["body"]), (401, "no"))

    async def test_a_redirect_is_told_and_not_followed(self):
        answer = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        told = await self.answer(lambda _: answer)
        self.assertEqual((told[0]["status"], told[0]["headers"][0]), (302, ["Location", "ws://127.0.0.1:1/"]))

    async def test_an_answer_that_is_none_is_an_error_in_words(self):
        proper = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        for bytes_for, words in [
            (lambda request: switch(request, value="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "Accept that is not due"),
            (lambda request: switch(request, value=accept(request).swapcase()), "Accept that is not due"),
            (lambda request: switch(request, f"Sec-WebSocket-Accept: {accept(request)}"), "Sec-WebSocket-Accept"),
            (lambda request: switch(request).replace(b"Sec-WebSocket-Accept", b"X"), "no Sec-WebSocket-Accept"),
            (lambda request: switch(request).replace(b"websocket", b"h2c"), "websocket in Upgrade"),
            (lambda request: switch(request).replace(b"on: Upgrade", b"on: close"), "upgrade in Connection"),
            (lambda request: switch(request).replace(b"HTTP/1.1", b"HTTP/1.0"), "HTTP/1.0"),
            (lambda request: switch(request, "Sec-WebSocket-Protocol: c"), "subprotocol"),
            (lambda request: switch(request, "Sec-WebSocket-Protocol: A"), "subprotocol"),
            (lambda request: switch(request, "Sec-WebSocket-Extensions: x-foo"), "not offered"),
            (lambda request: switch(request, "Sec-WebSocket-Extensions: permessage-deflate"), "without server_no_context"),
            (lambda request: switch(request, "Sec-WebSocket-Extensions: permessage-deflate; a=b"), "not offered"),
            (lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ""),
            (lambda _: b"HTTP/1.1 101\r\n" + b"X: y\r\n" * 65 + b"\r\n", "64"),
            (lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000, ""),
            (lambda _: b"HTTP/1.1 103 Early\r\n\r\n" * 100, ""),
            (lambda _: b"\x15\x03\x03\x00\x02\x02\x28\r\n\r\n", ""),
        ]:
            told = await self.answer(bytes_for, "--protocol", "a")
            self.assertEqual([event["event"] for event in told], ["failed", "close"], told)
            self.assertIn(words, told[0]["why"])
            self.assert_ended(told, code=1006, kind="handshake")

    async def test_an_extension_is_an_error_where_none_was_offered(self):
        line = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
        told = await self.answer(lambda request: switch(request, line), "--no-deflate")
        self.assertIn("not offered", told[0]["why"])
        self.assert_ended(told, code=1006, kind="handshake")

    async def test_a_server_that_never_answers_has_its_time(self):
        for ends_of_head in [b"", b"HTTP/1.1 101 Switching Proto"]:
            told = await self.answer(lambda _: ends_of_head, "--timeout", "300", ends=False)
            self.assert_ended(told, code=1006, kind="head_timeout")

    async def test_a_server_that_never_shakes_hands_has_its_time(self):
        async def serve(reader, writer):
            self.assertEqual((await reader.readexactly(3))[0], 22, "a handshake of TLS")
            await all_of_client(reader)

        async with self.listen(serve) as port:
            told = await self.echo(f"wss://127.0.0.1:{port}/", "--timeout", "300")
        self.assert_ended(told, code=1006, kind="head_timeout")

    async def test_a_server_without_tls_is_told_apart(self):
        async def serve(reader, writer):
            await reader.readexactly(3)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await all_of_client(reader)

        async with self.listen(serve) as port:
            told = await self.echo(f"wss://127.0.0.1:{port}/")
        self.assert_ended(told, code=1006, kind="tls")

    async def test_a_stream_that_ends_is_no_close(self):
        for context in [None, tls()]:
            told = await self.answer(lambda _: b"", context=context)
            self.assert_ended(told, code=1006, kind="peer_vanished")
            told = await self.answer(lambda request: switch(request) + frame(1, b"x")[:2], context=context)
            self.assertEqual(told[0]["event"], "open")
            self.assert_ended(told, code=1006, kind="peer_vanished")

    async def test_a_stream_that_is_cut_below_tls_is_no_close(self):
        async def serve(reader, writer):
            writer.write(switch(await asked(reader)))
            await writer.drain()
            # Without TLS's own word for the end.
            writer.transport.abort()

        async with self.listen(serve, tls()) as port:
            told = await self.echo(f"wss://127.0.0.1:{port}/")
        self.assert_ended(told, code=1006)
        self.assertIn(told[-1]["kind"], ["peer_vanished", "transport", "tls"])

    async def test_a_server_that_falls_silent_is_found(self):
        async def serve(reader, writer):
            writer.write(switch(await asked(reader)))
            self.assertEqual((await frame_of_client(reader))[0], 9)
            self.assertEqual(await all_of_client(reader), b"", "cut without a Close")

        async with self.listen(serve) as port:
            told = await self.echo(f"ws://127.0.0.1:{port}/", "--heartbeat", "1000")
        self.assertEqual(told[0]["event"], "open")
        self.assert_ended(told, code=1006, kind="heartbeat_lost")

    async def test_a_frame_of_a_server_that_is_masked_is_1002(self):
        async def serve(reader, writer):
            writer.write(switch(await asked(reader)) + b"\x81\x81\0\0\0\0x")
            opcode, payload = await frame_of_client(reader)
            self.assertEqual((opcode, payload[:2]), (8, b"\x03\xea"))

        async with self.listen(serve) as port:
            told = await self.echo(f"ws://127.0.0.1:{port}/")
        self.assert_ended(told, code=1002, kind="protocol")

    async def test_where_nobody_listens_the_end_says_so(self):
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        told = await self.echo(f"ws://127.0.0.1:{port}/")
        self.assertEqual([event["event"] for event in told], ["failed", "close"])
        self.assertIn(f"connection refused by 127.0.0.1:{port}", told[0]["why"])
        self.assert_ended(told, code=1006, kind="not_connected")
