"""What Python's `websockets` makes of the daemon, and what it and Node's `ws` say to each other.

Not here: HTTP without an upgrade (test_curl.py), TLS itself (test_openssl.py).
"""

import base64
import json
import logging
import os
import re
import ssl
import subprocess
import sys
import threading

from daemon import PATIENCE, ROOT, DaemonTest, trust
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

MIB = 1024 * 1024

# It logs an internal error where the stream ends right behind a refusal; what counts is what it raises.
logging.getLogger("websockets.client").setLevel(logging.CRITICAL)


def basic(credentials):
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def ping(size):
    """A ping message of exactly this many bytes."""
    front, back = '{"type":"ping","payload":"', '"}'
    return front + "x" * (size - len(front) - len(back)) + back


def tls():
    """It reads in one thread and writes in another, which Python's ssl does not bear: in TLS 1.3 the tickets that follow the
    handshake meet the request now and then, and this is then never sent."""
    context = trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class Sessions(DaemonTest):
    """The base of the tests that open sessions."""

    LISTEN, SCHEME, TLS = "--listen", "wss", staticmethod(tls)

    def start(self, *flags):
        return super().start(*flags, listen=(self.LISTEN, "127.0.0.1:0"))

    def connect(self, daemon, login="user:pass", additional_headers=None, **options):
        headers = additional_headers or ({"Authorization": basic(login)} if login else {})
        url = f"{self.SCHEME}://localhost:{daemon.port}/ws"
        options = {"max_size": None, "proxy": None, **options}
        session = connect(url, ssl=self.TLS(), additional_headers=headers, **options)
        self.addCleanup(session.close)
        return session

    def open(self, daemon, **options):
        """A session that has been greeted."""
        session = self.connect(daemon, **options)
        self.assertEqual(self.next(session)["type"], "connected")
        return session

    def next(self, session):
        return json.loads(session.recv(PATIENCE))

    def ask(self, session, /, **message):
        session.send(json.dumps(message))
        return self.next(session)

    def assert_closed(self, session, code, reason):
        with self.assertRaises(ConnectionClosed) as closed:
            session.recv(PATIENCE)
        received = closed.exception.rcvd
        self.assertEqual((received.code, received.reason), (code, reason))


class Websockets(Sessions):
    def test_deflated_messages_go_both_ways_whatever_was_offered(self):
        takeover = ["--set", "deflate.server_context_takeover=true", "--set", "deflate.client_context_takeover=true"]
        payload = "barewire " * 3000
        for flags in [[], takeover]:
            daemon = self.start(*flags)
            for offer in [
                {},
                {"server_no_context_takeover": True},
                {"client_no_context_takeover": True},
                {"server_max_window_bits": 9},
                {"client_max_window_bits": 10},
            ]:
                factory = ClientPerMessageDeflateFactory(**offer)
                session = self.open(daemon, compression=None, extensions=[factory])
                (deflate,) = session.protocol.extensions
                self.assertEqual(deflate.remote_no_context_takeover, not flags or "server_no_context_takeover" in offer)
                self.assertEqual(deflate.local_no_context_takeover, not flags or "client_no_context_takeover" in offer)
                self.assertEqual(deflate.remote_max_window_bits, offer.get("server_max_window_bits", 15))
                for _ in range(3):
                    self.assertEqual(self.ask(session, type="ping", payload=payload)["payload"], payload)

    def test_a_basic_header_logs_in(self):
        session = self.connect(self.start("--user", "ännä:p:ß"), login="ännä:p:ß")
        self.assertEqual(self.next(session)["userId"], "ännä")

    def test_a_wrong_password_is_forbidden(self):
        daemon = self.start()
        with self.assertRaises(InvalidStatus) as refused:
            self.connect(daemon, login="user:wrong")
        self.assertEqual(refused.exception.response.status_code, 403)

    def test_without_credentials_an_upgrade_is_refused_where_no_message_may_follow(self):
        daemon = self.start("--set", "auth.methods=basic")
        with self.assertRaises(InvalidStatus) as refused:
            self.connect(daemon, login=None)
        self.assertEqual(refused.exception.response.status_code, 401)
        self.assertIn("Basic realm=", refused.exception.response.headers["WWW-Authenticate"])

    def test_without_credentials_the_first_message_logs_in(self):
        session = self.connect(self.start(), login=None)
        self.assertEqual(self.ask(session, type="auth", token=basic("user:pass")), {"type": "auth_success"})
        self.assertEqual(self.next(session)["type"], "connected")

    def test_a_wrong_token_is_told_and_closed(self):
        session = self.connect(self.start(), login=None)
        answer = self.ask(session, type="auth", token=basic("user:wrong"))
        self.assertEqual(answer, {"type": "error", "message": "Authentication failed"})
        self.assert_closed(session, 1008, "Authentication failed")

    def test_silence_instead_of_a_token_is_closed(self):
        session = self.connect(self.start("--set", "auth.timeout=200ms"), login=None)
        self.assert_closed(session, 1008, "Authentication timeout")

    def test_where_nobody_is_asked_everyone_is_anonymous(self):
        session = self.connect(self.start("--set", "auth.methods=none"), login=None)
        self.assertEqual(self.next(session)["userId"], "anonymous")

    def test_a_message_has_1_mib_and_not_one_byte_more(self):
        daemon = self.start()
        for compression in [None, "deflate"]:
            session = self.open(daemon, compression=compression)
            session.send(ping(MIB))
            self.assertEqual(len(self.next(session)["payload"]), MIB - len(ping(28)))
            session.send(ping(MIB + 1))
            self.assert_closed(session, 1009, "Message too big")

    def test_a_ping_frame_is_answered(self):
        session = self.open(self.start())
        self.assertTrue(session.ping("payload").wait(PATIENCE))

    def test_a_message_may_come_in_fragments(self):
        session = self.open(self.start())
        session.send(['{"type":', '', '"ping","id":', '"f"}'])
        self.assertEqual(self.next(session)["id"], "f")

    def test_a_binary_message_is_read_as_text(self):
        session = self.open(self.start())
        session.send('{"type":"ping","id":"ü"}'.encode())
        self.assertEqual(self.next(session)["id"], "ü")
        session.send([b'{"type":"ping","id":"\xc3', b'\xbc"}'])
        self.assertEqual(self.next(session)["id"], "ü")
        session.send(b"\xff")
        self.assertEqual(self.next(session)["code"], "bad_utf8")

    def test_the_subprotocol_json_is_selected_and_another_is_not(self):
        daemon = self.start()
        self.assertEqual(self.open(daemon, subprotocols=["mqtt", "json"]).subprotocol, "json")
        self.assertIsNone(self.open(daemon, subprotocols=["mqtt"]).subprotocol)

    def test_the_page_of_another_site_is_refused(self):
        daemon = self.start()
        with self.assertRaises(InvalidStatus) as refused:
            self.connect(daemon, origin="https://evil.example")
        self.assertEqual(refused.exception.response.status_code, 403)
        self.open(daemon, origin=f"https://localhost:{daemon.port}")

    def test_at_sigterm_every_session_is_closed_and_the_daemon_exits_with_0(self):
        daemon = self.start()
        sessions = [self.open(daemon), self.connect(daemon, login=None)]
        daemon.terminate()
        for session in sessions:
            self.assert_closed(session, 1001, "Server shutting down")
        self.assertEqual(daemon.exit_code(), 0)


class TwoKinds(Sessions):
    """Python's `websockets` and Node's `ws` at one daemon."""

    def node(self, daemon, login):
        command = ["node", os.environ["INTEROP_PEER"], f"wss://localhost:{daemon.port}/ws", login]
        peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        # A peer that says nothing is ended, and what waits for its line sees the end.
        guard = threading.Timer(PATIENCE * 2, peer.kill)
        guard.start()

        def end():
            guard.cancel()
            peer.kill()
            peer.wait()
            peer.stdin.close()
            peer.stdout.close()

        self.addCleanup(end)
        self.assertEqual(json.loads(peer.stdout.readline())["type"], "connected")
        return peer

    def tell(self, peer, /, **message):
        peer.stdin.write(json.dumps(message) + "\n")

    def hear(self, peer):
        return json.loads(peer.stdout.readline())

    def test_they_chat_through_a_channel(self):
        daemon = self.start("--user", "python:p", "--user", "node:n")
        session, peer = self.open(daemon, login="python:p"), self.node(daemon, "node:n")
        self.assertEqual(self.ask(session, type="subscribe", channel="tür"), {"type": "subscribed", "channel": "tür"})
        self.tell(peer, type="subscribe", channel="tür")
        self.assertEqual(self.hear(peer), {"type": "subscribed", "channel": "tür"})

        self.tell(peer, type="chat", channel="tür", payload=["🦀", 1.5, {"a": None}])
        for heard in [self.next(session), self.hear(peer)]:
            self.assertRegex(heard.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            expected = {"type": "chat", "channel": "tür", "userId": "node", "payload": ["🦀", 1.5, {"a": None}]}
            self.assertEqual(heard, expected)
        session.send(json.dumps({"type": "chat", "channel": "tür", "payload": "back", "self": False}))
        self.assertEqual(self.hear(peer)["payload"], "back")

        self.assertEqual(self.ask(session, type="unsubscribe", channel="tür")["type"], "unsubscribed")
        self.tell(peer, type="chat", channel="tür", payload="missed", id=1)
        self.assertEqual([self.hear(peer)["type"] for _ in range(2)], ["chat", "ack"])
        self.assertEqual(self.ask(session, type="ping")["type"], "pong", "nothing came before the pong")

    def test_without_a_channel_both_get_it(self):
        daemon = self.start()
        session, peer = self.open(daemon), self.node(daemon, "user:pass")
        self.assertEqual(self.ask(session, type="publish", payload="to all")["payload"], "to all")
        self.assertEqual(self.hear(peer)["payload"], "to all")

    def test_a_large_message_goes_from_one_to_the_other(self):
        daemon = self.start()
        session, peer = self.open(daemon), self.node(daemon, "user:pass")
        payload = "ä" * 100_000
        self.tell(peer, type="chat", payload=payload, self=False)
        self.assertEqual(self.next(session)["payload"], payload)
        session.send(json.dumps({"type": "chat", "payload": payload, "self": False}))
        self.assertEqual(self.hear(peer)["payload"], payload)

    def test_both_see_the_server_go(self):
        daemon = self.start()
        session, peer = self.open(daemon), self.node(daemon, "user:pass")
        daemon.terminate()
        self.assert_closed(session, 1001, "Server shutting down")
        self.assertEqual(peer.stdout.readline(), "closed 1001\n")
        self.assertEqual(daemon.exit_code(), 0)


class Readme(DaemonTest):
    """The lines to try do what the README says."""

    def test_the_lines_of_python_run(self):
        readme = (ROOT / "README.md").read_text()
        script = re.search(r"```python\n(.*?)```", readme, re.S)[1]
        script = script.replace("certs/dev-cert.pem", str(ROOT / "certs/dev-cert.pem"))
        script = script.replace("8443", str(self.start().port))
        code, output = self.run_tool(sys.executable, "-W", "error", "-c", script)
        self.assertEqual(code, 0, output)
        types = [json.loads(line)["type"] for line in output.splitlines()]
        self.assertEqual(types, ["connected", "subscribed", "chat"])

    def test_the_line_of_curl_runs(self):
        readme = (ROOT / "README.md").read_text()
        line = next(line for line in readme.splitlines() if line.startswith("curl "))
        line = line.replace("certs/dev-cert.pem", str(ROOT / "certs/dev-cert.pem"))
        line = line.replace("8443", str(self.start().port))
        code, output = self.run_tool("sh", "-c", f"{line} --silent --show-error")
        self.assertEqual((code, output), (0, '{"status":"ok"}'))

