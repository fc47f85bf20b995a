"""Every way to come in, by Python's `websockets` and by curl: a password, a token in the header, as a subprotocol, in the
first message; and how each is refused.

Not here: Node and a browser (*.test.mjs).
"""

import base64
import hashlib
import hmac
import json
import tempfile
import time
from pathlib import Path

from daemon import CA
from test_websockets import Sessions, basic
from websockets.exceptions import InvalidStatus

SECRET = b"a secret of the tests, 32 bytes and more"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(secret=SECRET, **claims):
    """A token by hand (RFC 7515), good for an hour."""
    claims = {"sub": "anna", "exp": int(time.time()) + 3600, **claims}
    signed = ".".join(encode(json.dumps(part).encode()) for part in [{"alg": "HS256", "typ": "JWT"}, claims])
    return signed + "." + encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


class Logins(Sessions):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        secret = Path(folder.name) / "secret"
        secret.write_bytes(SECRET + b"\n")
        self.daemon = self.start("--set", f"auth.jwt_secret_file={secret}", "--set", "limits.auth_failures_per_minute=8")

    def bearer(self, jwt):
        return {"login": None, "additional_headers": {"Authorization": "Bearer " + jwt}}

    def refused(self, **options):
        with self.assertRaises(InvalidStatus) as refused:
            self.connect(self.daemon, **options)
        return refused.exception.response

    def curl(self, *headers):
        """The status of an upgrade, and what comes behind it until a second has passed."""
        upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        upgrade += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers]
        lines = [part for header in upgrade for part in ("--header", header)]
        command = ["curl", "--silent", "--include", "--no-buffer", "--noproxy", "*", "--cacert", CA, "--http1.1"]
        _, output = self.run_tool(*command, "--max-time", "1", *lines, f"https://localhost:{self.daemon.port}/ws")
        return int(output.split()[1]), output

    def test_a_password_or_a_token_in_the_header(self):
        self.assertEqual(self.next(self.connect(self.daemon))["userId"], "user")
        self.assertEqual(self.next(self.connect(self.daemon, **self.bearer(token())))["userId"], "anna")

    def test_a_token_as_subprotocol(self):
        jwt = token()
        for offers, selected in [([jwt], jwt), (["json", "bearer." + jwt], "json")]:
            session = self.connect(self.daemon, login=None, subprotocols=offers)
            self.assertEqual(session.subprotocol, selected)
            self.assertEqual(self.next(session)["userId"], "anna")

    def test_either_in_the_first_message(self):
        for credentials, user in [(basic("user:pass"), "user"), (token(), "anna")]:
            session = self.connect(self.daemon, login=None)
            self.assertEqual(self.ask(session, type="auth", token=credentials), {"type": "auth_success"})
            self.assertEqual(self.next(session)["userId"], user)

    def test_wrong_ones_are_refused_until_there_are_too_many(self):
        self.assertEqual(self.refused(login="user:wrong").status_code, 403)
        for wrong in [token(b"another secret of the tests, as long"), token(exp=1), token(sub=7)]:
            self.assertEqual(self.refused(**self.bearer(wrong)).status_code, 401)
            self.assertEqual(self.refused(login=None, subprotocols=[wrong]).status_code, 401)
        session = self.connect(self.daemon, login=None)
        self.assertEqual(self.ask(session, type="auth", token="no token at all")["message"], "Authentication failed")
        self.assert_closed(session, 1008, "Authentication failed")
        response = self.refused()
        self.assertEqual(response.status_code, 429)
        self.assertTrue(1 <= int(response.headers["Retry-After"]) <= 60, response.headers["Retry-After"])

    def test_curl_by_every_header(self):
        for header in ["Authorization: " + basic("user:pass"), "Authorization: Bearer " + token()]:
            status, output = self.curl(header)
            self.assertEqual(status, 101, output)
            self.assertIn('"type":"connected"', output)
        jwt = token()
        status, output = self.curl("Sec-WebSocket-Protocol: " + jwt)
        self.assertEqual(status, 101)
        self.assertIn(f"Sec-WebSocket-Protocol: {jwt}", output)
        self.assertEqual(self.curl("Authorization: " + basic("user:wrong"))[0], 403)
        self.assertEqual(self.curl("Authorization: Bearer " + token(exp=1))[0], 401)
