"""What openssl makes of the TLS side.

Not here: what is said inside it (test_curl.py, test_websockets.py).
"""

import tempfile
from pathlib import Path

from daemon import CA, DaemonTest

REQUEST = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
BODY = '{"status":"ok"}'


class Openssl(DaemonTest):
    def setUp(self):
        self.daemon = self.start()

    def s_client(self, *arguments, stdin=REQUEST):
        target = ["-connect", f"localhost:{self.daemon.port}", "-servername", "localhost"]
        # -ign_eof: the end comes from the server.
        return self.run_tool("openssl", "s_client", *target, "-CAfile", CA, "-ign_eof", *arguments, stdin=stdin)

    def test_tls_1_2_and_1_3_are_spoken(self):
        for flag, name in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")]:
            code, output = self.s_client(flag)
            self.assertEqual(code, 0, output)
            for part in [f"New, {name}, Cipher is ", "Verify return code: 0 (ok)", BODY]:
                self.assertIn(part, output)

    def test_older_versions_are_refused(self):
        code, output = self.s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        self.assertNotEqual(code, 0, output)
        self.assertRegex(output, "alert (protocol version|handshake failure)")

    def test_a_cipher_that_does_not_authenticate_is_refused(self):
        code, output = self.s_client("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA")
        self.assertNotEqual(code, 0, output)
        self.assertIn("alert handshake failure", output)

    def test_the_protocol_inside_is_agreed_on(self):
        code, output = self.s_client("-alpn", "h2,http/1.1")
        self.assertEqual(code, 0, output)
        self.assertIn("ALPN protocol: http/1.1", output)
        code, output = self.s_client("-alpn", "h2")
        self.assertNotEqual(code, 0, output)
        self.assertIn("no application protocol", output)

    def test_a_session_is_resumed_by_its_ticket(self):
        with tempfile.TemporaryDirectory() as folder:
            for flag in ["-tls1_2", "-tls1_3"]:
                ticket = str(Path(folder, f"ticket{flag}"))
                code, output = self.s_client(flag, "-sess_out", ticket)
                self.assertEqual(code, 0, output)
                self.assertIn("New, TLS", output)
                code, output = self.s_client(flag, "-sess_in", ticket)
                self.assertEqual(code, 0, output)
                self.assertIn("Reused, TLS", output)
                self.assertIn(BODY, output)

    def test_five_connections_in_a_row_are_resumed(self):
        code, output = self.s_client("-tls1_2", "-reconnect")
        self.assertEqual(code, 0, output)
        self.assertEqual(output.count("Reused, TLSv1.2"), 5, output)

    def test_the_end_is_a_close_notify_and_no_cut(self):
        for flag in ["-tls1_2", "-tls1_3"]:
            code, output = self.s_client(flag, "-msg")
            self.assertEqual(code, 0, output)
            received = output.partition(BODY)[2]
            self.assertRegex(received, r"<<< TLS 1\.[23], Alert \[length 0002\], warning close_notify")
            self.assertNotIn("unexpected eof", output)
