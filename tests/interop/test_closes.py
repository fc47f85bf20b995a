"""How sessions end, as Python's `websockets` sees it: each code and reason that the daemon sends, and what becomes of its
own.

Not here: 1001, logins and messages (test_websockets.py).
"""

import contextlib
import json

from test_websockets import MIB, Sessions
from websockets.exceptions import ConnectionClosed


def close(code):
    """A Close frame under a mask of zeroes, with a code that `websockets` would not send."""
    return b"\x88\x82\0\0\0\0" + code.to_bytes(2, "big")


def settings(*keys):
    return [flag for key in keys for flag in ("--set", key)]


def fragments(session):
    with contextlib.suppress(ConnectionClosed):
        session.send(iter(["{", "", ""]))


FAULTS = [
    (1002, "Protocol error", [], lambda session: session.socket.sendall(b"\x81\0")),
    (1002, "Protocol error", [], lambda session: session.socket.sendall(b"\x88\x81\0\0\0\0\3")),
    (1007, "Invalid UTF-8", [], lambda session: session.send(b"\xff", text=True)),
    (1007, "Invalid UTF-8", [], lambda session: session.socket.sendall(b"\x88\x83\0\0\0\0\3\xe8\xff")),
    (1008, "Too many fragments", settings("limits.fragments=2"), fragments),
    (
        1008,
        "Message timeout",
        settings("limits.message_timeout=200ms"),
        lambda session: session.socket.sendall(b"\1\x81\0\0\0\0{"),
    ),
    (
        1008,
        "Too many control frames",
        settings("limits.control_frames_per_second=1"),
        lambda session: session.socket.sendall(b"\x89\x80\0\0\0\0" * 6),
    ),
    (
        1008,
        "Rate limit exceeded",
        settings("limits.messages_per_window=1"),
        lambda session: session.socket.sendall(b"\x81\x82\0\0\0\0{}" * 101),
    ),
    (1009, "Message too big", [], lambda session: session.send("x" * (MIB + 1))),
    (
        1013,
        "Server overloaded",
        # It is told at once, or when its message is due: as the reads fall.
        settings("limits.max_memory=1MiB", "limits.message_timeout=3s"),
        lambda session: session.socket.sendall(b"\x01\xff" + MIB.to_bytes(8, "big") + b"\0\0\0\0" + b"x" * MIB),
    ),
    (1012, "Server restarting", settings("drain.spread=200ms"), None),
]


class Closes(Sessions):
    # Without TLS: here one thread still writes while another reads the end of the stream already.
    LISTEN, SCHEME, TLS = "--plain-listen", "ws", staticmethod(lambda: None)

    def assert_ends(self, session, code, reason):
        """Reads on to the Close, whatever comes before it."""
        with self.assertRaises(ConnectionClosed) as closed:
            while True:
                session.recv(10)
        received = closed.exception.rcvd
        self.assertEqual((received.code, received.reason), (code, reason))

    def test_each_fault_is_told_by_its_code_and_reason(self):
        for code, reason, flags, commit in FAULTS:
            with self.subTest(f"{code} {reason}"):
                daemon = self.start(*flags)
                session = self.open(daemon, compression=None)
                if commit:
                    commit(session)
                else:
                    daemon.terminate()
                self.assert_ends(session, code, reason)

    def test_each_code_that_a_client_may_send_comes_back_with_its_reason(self):
        daemon = self.start()
        reason = "é" * 60 + "end"
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]:
            session = self.open(daemon)
            session.send(json.dumps({"type": "ping", "id": code}))
            session.close(code, reason)
            self.assertEqual(self.next(session)["id"], code, "the answer comes before it")
            received = session.protocol.close_rcvd
            self.assertEqual((received.code, received.reason), (code, reason))

    def test_a_code_that_no_frame_may_carry_is_1002(self):
        daemon = self.start()
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]:
            session = self.open(daemon)
            session.socket.sendall(close(code))
            self.assert_ends(session, 1002, "Protocol error")
