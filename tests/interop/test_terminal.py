"""`barewire connect` on a terminal, and with a server that is not ours.

Not here: pipes, and the daemon as its server (tests/connect.rs).
"""

import os
import pty
import re
import selectors
import threading
import time

from daemon import PATIENCE, PROGRAM, ROOT, DaemonTest
from websockets.sync.server import serve

# Orders for a terminal, a forged line, and a text that is read backwards.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u009b31m\rbarewire: open\nline \u202e é \\"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(command[0], command)
        self.shown = b""

    def wait_for(self, part=None):
        """Reads until `part` is shown, or else to the end."""
        end = time.monotonic() + PATIENCE
        selector = selectors.DefaultSelector()
        selector.register(self.fd, selectors.EVENT_READ)
        while part is None or part not in self.shown:
            if not selector.select(end - time.monotonic()):
                raise TimeoutError(f"no {part!r} in {self.shown!r}")
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                piece = b""
            if not piece and part is None:
                return
            if not piece:
                raise EOFError(f"no {part!r} in {self.shown!r}")
            self.shown += piece

    def type(self, keys):
        os.write(self.fd, keys)

    def exit_code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class OnATerminal(DaemonTest):
    def peer(self, handler):
        """The URL of a server that does this with each session."""
        server = serve(handler, "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    def test_nothing_of_a_servers_drives_the_terminal_and_control_d_closes(self):
        def handler(session):
            session.send(HOSTILE)
            session.send(session.recv())
            for _ in session:
                pass

        terminal = Terminal(PROGRAM, "connect", self.peer(handler))
        terminal.wait_for(b"line")
        terminal.type(b"what is typed\n")
        terminal.wait_for(b"what is typed\r\nwhat is typed\r\n")
        terminal.type(b"\x04")
        terminal.wait_for()
        self.assertEqual(terminal.exit_code(), 0, terminal.shown)
        shown = terminal.shown.decode()
        line = r"\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\rbarewire: open\nline \u{202e} é " + "\\"
        self.assertIn(line + "\r\n", shown)
        self.assertNotRegex(shown.replace("\r\n", ""), r"[\x00-\x1f\x7f-\x9f\u202e]")

    def test_control_c_closes_in_good_order(self):
        closed = []

        def handler(session):
            for _ in session:
                pass
            closed.append(session.close_code)

        terminal = Terminal(PROGRAM, "connect", self.peer(handler), "--no-input")
        terminal.wait_for(b"open")
        terminal.type(b"\x03")
        terminal.wait_for()
        self.assertEqual(terminal.exit_code(), 0, terminal.shown)
        self.doCleanups()
        self.assertEqual(closed, [1000])

    def test_answers_of_a_server_that_takes_its_time_are_waited_for(self):
        def handler(session):
            for message in session:
                time.sleep(0.01)
                session.send(message)

        lines = "".join(f"{number} " + "deflated " * 100 + "\n" for number in range(50))
        url = self.peer(handler)
        # Its pongs come from another thread than its answers.
        code, output = self.run_tool(PROGRAM, "connect", url, "-q", "--wait", "1s", stdin=lines)
        self.assertEqual((code, output), (0, lines))

    def test_the_line_of_the_readme_runs(self):
        readme = (ROOT / "README.md").read_text()
        line = re.search(r"^echo .*(?= \| cargo run --release -- connect)", readme, re.M)[0]
        flags = re.search(r"-- (connect wss://localhost:8443/ws .*)$", readme, re.M)[1]
        flags = flags.replace("8443", str(self.start().port))
        code, output = self.run_tool("sh", "-c", f"{line} | '{PROGRAM}' {flags} -q")
        self.assertEqual(code, 0, output)
        self.assertRegex(output, r'\A\{"type":"connected".*\n\{"type":"pong".*\n\Z')
