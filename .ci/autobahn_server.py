"""The Autobahn suite the other way round: its cases as a server, and a client under test that sends everything back. The
cases, what they judge, and the shape of results.json are those of the suite's own runner (runner3.py), which is imported
from where it lies.

usage: autobahn_server.py SUITE OUTDIR [--tls CERT KEY] [-i GLOB]... [-x GLOB]... [-t SECONDS] [-s FACTOR] CLIENT
CLIENT is run once, as `CLIENT --times N [--ca CERT] URL`: each of its connections gets the next case.
Exit status 0 if each case was run, whatever became of it: autobahn.py judges that.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("suite", help="the folder of runner3.py and cases3.py")
parser.add_argument("outdir", help="where results.json goes")
parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="serve wss, with these")
parser.add_argument("-i", action="append", metavar="GLOB", help="run these cases only")
parser.add_argument("-x", action="append", metavar="GLOB", default=[], help="leave these out")
parser.add_argument("-t", type=float, default=120, help="seconds for one case")
parser.add_argument("-s", type=float, default=1, help="stretch the suite's own time limits by this factor")
parser.add_argument("client", help="the release build of the example echo_client")
arguments = parser.parse_args()
# In place of this folder, whose autobahn.py is not the library.
sys.path[0] = arguments.suite

from autobahn.twisted import websocket
from autobahn.websocket import compress
from twisted.internet import reactor, ssl

# What the runner says of a case holds for either end, but it stands on the client's protocol by name.
websocket.WebSocketClientProtocol = websocket.WebSocketServerProtocol
websocket.WebSocketClientFactory = websocket.WebSocketServerFactory
import cases3
import runner3

# How often the client is looked after, and how long what it has left behind may take to be told, in seconds.
GLANCE, LINGER = 0.05, 10


def accept(offer, requestNoContextTakeover=False, requestMaxWindowBits=0):
    return compress.PerMessageDeflateOfferAccept(offer, requestNoContextTakeover, requestMaxWindowBits)


def load():
    """All cases. Those that deflate know what a server needs in its old spelling."""
    cases, _ = cases3.load()
    deflating = sys.modules[cases3.PKG + ".case12_x_x"]
    offer = compress.PerMessageDeflateOffer
    offer.acceptNoContextTakeover = property(lambda self: self.accept_no_context_takeover)
    offer.acceptMaxWindowBits = property(lambda self: self.accept_max_window_bits)
    deflating.PerMessageDeflateOffer = offer
    deflating.PerMessageDeflateOfferAccept = accept
    return cases


class Factory(websocket.WebSocketServerFactory):
    noisy = False

    def __init__(self, run):
        super().__init__(server="AutobahnTestSuite")
        self._batched_timer = runner3.ExactTimer
        self.setProtocolOptions(failByDrop=False, openHandshakeTimeout=5 * run.slow, closeHandshakeTimeout=run.slow)
        self.logFrames = True
        self.logOctets = False
        self.run = run

    def buildProtocol(self, addr):
        if not self.run.todo:
            return None
        fuzzer = runner3.Fuzzer(self.run, *self.run.todo.popleft())
        fuzzer.factory = self
        self.run.busy += 1
        return fuzzer


class Run(runner3.Run):
    """Waits to be connected to, where the suite's own connects."""

    client, deadline = None, 0

    def serve(self, client, tls):
        factory = Factory(self)
        if tls:
            certificate, key = tls
            context = ssl.DefaultOpenSSLContextFactory(key, certificate)
            port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        else:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        scheme = "wss" if tls else "ws"
        url = f"{scheme}://127.0.0.1:{port.getHost().port}"
        factory.setSessionParameters(url)
        flags = ["--times", str(len(self.todo)), *(["--ca", tls[0]] if tls else [])]
        self.client = subprocess.Popen([client, *flags, url], stdin=subprocess.DEVNULL)
        reactor.callWhenRunning(self.look_after_client)
        reactor.run()

    def look_after_client(self):
        """Until it is done, and a little longer for what is still to be told of it."""
        if self.client.poll() is None:
            self.deadline = time.monotonic() + LINGER
        elif not self.busy or time.monotonic() > self.deadline:
            return reactor.stop()
        reactor.callLater(GLANCE, self.look_after_client)

    def fill(self):
        pass


def main():
    def is_wanted(case):
        matches = lambda globs: any(fnmatch.fnmatch(case, glob) for glob in globs)
        return matches(arguments.i or ["*"]) and not matches(arguments.x)

    cases = [(case, cls) for case, cls in load() if is_wanted(case)]
    run = Run(None, cases, 1, arguments.t, arguments.s)
    run.serve(arguments.client, arguments.tls)
    os.makedirs(arguments.outdir, exist_ok=True)
    results = {case: run.results[case] for case in sorted(run.results, key=runner3.key)}
    with open(os.path.join(arguments.outdir, "results.json"), "w") as file:
        json.dump(results, file, indent=1)
    runner3.summary(results)
    return 0 if len(results) == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
