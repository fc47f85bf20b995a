"""The program under test, and the base of the tests that talk to it: each starts the daemon it needs on a port the
system picks, and ends it. Every wait has an end.

Not here: what is expected (test_*.py).
"""

import os
import re
import signal
import ssl
import subprocess
import unittest
from pathlib import Path

ROOT = Path(os.environ["INTEROP_ROOT"])
PROGRAM = os.environ["INTEROP_PROGRAM"]
CA = str(ROOT / "certs/dev-cert.pem")
PATIENCE = 10


class Daemon:
    """A running daemon; `ports` has one for each listener, in the order of its start-up lines."""

    def __init__(self, *flags, listen=("--listen", "127.0.0.1:0")):
        command = [PROGRAM, *listen, "--log-level", "off", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ports = []
        for line in self.process.stdout:
            started = re.fullmatch(r"HTTPS? \+ WSS? server running on port (\d+)\n", line)
            if not started:
                break
            self.ports.append(int(started[1]))
        if not self.ports:
            raise RuntimeError(f"the daemon did not start: {line!r}")
        self.port = self.ports[0]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self):
        return self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class DaemonTest(unittest.TestCase):
    def start(self, *flags, **listen):
        daemon = Daemon(*flags, **listen)
        self.addCleanup(daemon.kill)
        return daemon

    def run_tool(self, *command, stdin=""):
        """Exit code and output, both streams together, of a program that is done within the patience."""
        done = subprocess.run(
            command, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE
        )
        return done.returncode, done.stdout.decode(errors="replace")


def trust():
    """TLS that trusts the development certificate, and checks the name in it."""
    return ssl.create_default_context(cafile=CA)
