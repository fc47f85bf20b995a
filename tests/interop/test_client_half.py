"""What the client half makes of Python's `websockets` as a server, over TLS of OpenSSL's and without.

Not here: servers that say what no library says (test_client_half_raw.py), Node's `ws` (client-half.test.mjs).
"""

import asyncio
import random
import ssl

from daemon import PATIENCE
from echo_client import CERTS, ClientTest, tls
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000, 1024 * 1024]


def words(size):
    return " ".join(f"word {i * 7919 % 1000}" for i in range(size // 5 + 1))[:size]


def messages():
    chance = random.Random(1)
    for size in SIZES:
        yield words(size)
        yield words(size).encode()
        yield chance.randbytes(size)
    yield "ü🦀" * 1000


class ClientHalf(ClientTest):
    async def meet(self, handler, *flags, scheme="ws", context=None, host="127.0.0.1", **options):
        """One connection of the client to this handler. What it told, and the server's end of the connection."""
        met = []

        async def handle(connection):
            met.append(connection)
            connection.outcome = asyncio.get_running_loop().create_future()
            try:
                await handler(connection)
            except Exception as error:
                connection.outcome.set_exception(error)
            else:
                connection.outcome.set_result(None)

        options = {"max_size": None, "ping_interval": None, **options}
        async with serve(handle, "127.0.0.1", 0, ssl=context, **options) as server:
            port = server.sockets[0].getsockname()[1]
            told = await self.echo(f"{scheme}://{host}:{port}/path?query", *flags)
            for connection in met:
                await asyncio.wait_for(connection.outcome, PATIENCE)
        return told, met

    async def check_echoes(self, connection):
        self.assertEqual(connection.request.path, "/path?query")
        for message in messages():
            await connection.send(message)
            self.assertEqual(await connection.recv(), message)
        # In fragments, some of them empty, and with a ping between two messages.
        await connection.send(["f", "", words(100_000), "ü", ""])
        self.assertEqual(await connection.recv(), "f" + words(100_000) + "ü")
        await connection.send([b"", bytes(70_000), b"\xff"])
        await asyncio.wait_for(await connection.ping(b"p" * 125), PATIENCE)
        self.assertEqual(await connection.recv(), bytes(70_000) + b"\xff")
        # Many at once, which come back in order.
        for i in range(500):
            await connection.send(f"{i} {words(i)}")
        self.assertEqual([await connection.recv() for _ in range(500)], [f"{i} {words(i)}" for i in range(500)])

    async def test_messages_of_all_sizes_come_back_whatever_carries_them(self):
        for scheme, context in [("ws", None), ("wss", tls())]:
            for flags, compression in [([], "deflate"), ([], None), (["--no-deflate"], "deflate")]:
                told, (server,) = await self.meet(
                    self.check_echoes, *flags, scheme=scheme, context=context, compression=compression
                )
                deflates = bool(server.protocol.extensions)
                self.assertEqual(deflates, not flags and compression is not None)
                self.assertEqual(told[0], {"event": "open", "protocol": None})
                self.assert_ended(told, code=1000, kind="peer_closed")
                self.assertEqual(server.close_code, 1000)

    async def test_every_window_that_a_server_may_ask_for_is_kept_to(self):
        async def handler(connection):
            (deflate,) = connection.protocol.extensions
            self.assertTrue(deflate.local_no_context_takeover and deflate.remote_no_context_takeover)
            for message in [words(300_000), words(50)]:
                await connection.send(message)
                self.assertEqual(await connection.recv(), message)

        for server_bits in [None, 9, 15]:
            for client_bits in [None, 9, 12, 15]:
                factory = ServerPerMessageDeflateFactory(
                    server_max_window_bits=server_bits, client_max_window_bits=client_bits
                )
                told, _ = await self.meet(handler, compression=None, extensions=[factory])
                self.assert_ended(told, code=1000)

    async def test_a_code_and_a_reason_are_told_and_echoed(self):
        for code, reason in [(1000, ""), (1001, "going"), (1011, "ü"), (1013, "x" * 123), (3000, ""), (4999, "own")]:
            told, (server,) = await self.meet(lambda connection: connection.close(code, reason))
            self.assert_ended(told, code=code, reason=reason, kind="peer_closed")
            self.assertEqual((server.close_code, server.close_reason), (code, reason))

    async def test_the_subprotocol_that_the_server_chooses_is_told(self):
        async def handler(connection):
            pass

        for subprotocols, chosen in [(["b", "a"], "b"), (["c"], None)]:
            flags = ["--protocol", "a", "--protocol", "b"]
            choose = lambda _, offered: next((name for name in subprotocols if name in offered), None)
            told, _ = await self.meet(handler, *flags, subprotocols=subprotocols, select_subprotocol=choose)
            self.assertEqual(told[0], {"event": "open", "protocol": chosen})

    async def test_a_refusal_is_told_with_status_headers_and_body(self):
        def refuse(connection, request):
            response = connection.respond(503, "not today\n")
            response.headers["Retry-After"] = "120"
            return response

        told, _ = await self.meet(None, process_request=refuse)
        refused = told[0]
        self.assertEqual((refused["event"], refused["status"], refused["body"]), ("refused", 503, "not today\n"))
        self.assertIn(["Retry-After", "120"], [[name.title(), value] for name, value in refused["headers"]])
        self.assert_ended(told, code=1006, kind="http_refused")

    async def test_a_message_above_the_limit_is_1009_and_nothing_of_it_comes_back(self):
        async def handler(connection):
            await connection.send(bytes(1000))
            self.assertEqual(await connection.recv(), bytes(1000))
            await connection.send(bytes(1001))
            await connection.wait_closed()

        for compression in ["deflate", None]:
            told, (server,) = await self.meet(handler, "--message-bytes", "1000", compression=compression)
            self.assert_ended(told, code=1009, kind="message_too_big")
            self.assertEqual(server.protocol.close_rcvd.code, 1009)

    async def test_the_clients_heartbeats_are_answered(self):
        async def handler(connection):
            await asyncio.sleep(3.5)
            await connection.send("still here")
            self.assertEqual(await connection.recv(), "still here")

        told, _ = await self.meet(handler, "--heartbeat", "1000")
        self.assert_ended(told, code=1000)

    async def test_both_versions_of_tls_are_spoken_to_a_name_and_to_an_address(self):
        async def handler(connection):
            seen.append((connection.transport.get_extra_info("ssl_object").version(), names.pop()))
            await connection.send(words(100_000))
            self.assertEqual(await connection.recv(), words(100_000))

        seen, names = [], []
        for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
            for host in ["localhost", "127.0.0.1"]:
                context = tls(version=version)
                context.sni_callback = lambda connection, name, context: names.append(name)
                told, _ = await self.meet(handler, scheme="wss", context=context, host=host)
                self.assert_ended(told, code=1000)
        # An address is no server name (RFC 6066, section 3).
        self.assertEqual(seen, [(version, name) for version in ["TLSv1.2", "TLSv1.3"] for name in ["localhost", None]])

    async def test_a_certificate_that_does_not_verify_is_told_in_words(self):
        for chain, words in [
            ("other", "for other names than `localhost`"),
            ("expired", "has expired"),
            ("early", "not valid yet"),
            ("self", "signed by nobody that is trusted here"),
        ]:
            for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
                context = tls(CERTS / f"{chain}.pem", version)
                told, met = await self.meet(None, scheme="wss", context=context, host="localhost")
                self.assertEqual([event["event"] for event in told], ["failed", "close"])
                self.assertIn(words, told[0]["why"])
                self.assert_ended(told, code=1006, kind="tls")
                self.assertEqual(met, [])
