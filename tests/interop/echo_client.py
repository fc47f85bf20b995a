"""The client half under test: the example echo_client, run against a server of the test's own. Every wait has an end.

Not here: the servers, and what is expected (test_client_half.py, test_client_half_raw.py).
"""

import asyncio
import json
import logging
import os
import ssl
import unittest
from contextlib import asynccontextmanager

from daemon import PATIENCE, ROOT

# They log what a client does not take; what counts is what it tells.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
logging.getLogger("websockets.server").setLevel(logging.CRITICAL)

ECHO_CLIENT = os.environ["INTEROP_ECHO_CLIENT"]
CERTS = ROOT / "tests/certs"


def tls(chain=CERTS / "server.pem", version=None):
    """A server's side. The certificates are those of the crate's own tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, CERTS / "key.pem")
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class ClientTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        # The loop of a test tells of every step that is slow, which says nothing here.
        asyncio.get_running_loop().set_debug(False)

    async def echo(self, url, *flags):
        """What the client tells of one connection to there, which does not come back."""
        command = [ECHO_CLIENT, "--ca", str(CERTS / "ca.pem"), *flags, url]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self.assertEqual(process.returncode, 0)
        return [json.loads(line) for line in output.splitlines()]

    def assert_ended(self, told, /, **expected):
        """The last thing it told is the end, and has these."""
        end = told[-1]
        self.assertEqual(end["event"], "close", told)
        self.assertEqual({name: end[name] for name in expected}, expected, told)

    @asynccontextmanager
    async def listen(self, serve, context=None):
        """A server on a port that the system picks, which is yielded. What goes wrong in `serve(reader, writer)` fails the
        test, and it is over when the test is."""
        served = []

        async def handle(reader, writer):
            served.append(asyncio.current_task())
            try:
                await serve(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        try:
            yield server.sockets[0].getsockname()[1]
            await asyncio.wait_for(asyncio.gather(*served), PATIENCE)
        finally:
            for task in served:
                task.cancel()
            server.close()
