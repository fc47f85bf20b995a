"""The same streams of frames through barewire, Node's `ws` and Python's `websockets`: what comes back is the same, or
the difference is a known one. One that is not, and one that is known and does not come up any more, is a failure.

usage: main.py ECHO ECHO.MJS [FROM-TO]     (barewire's echo example, and echo.mjs beside its node_modules)
Without a range: the seeds that are always the same. Others are for a person to look at: one in tens of thousands shows a
corner of the other two that the list does not know yet.

Not here: the streams (streams.py), the verdicts (verdicts.py), what is known (differences.py).
"""

import asyncio
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from differences import BAREWIRE, KNOWN, OFFER, WEBSOCKETS, WS, explain
from frames import split
from reading import Reading
from streams import MESSAGE_BYTES, stream
from verdicts import agree, verdict

FIXED = range(3000)
# What is rare comes up in these.
RARE = [
    3661, 3728, 3775, 4003, 4008, 4263, 5278, 5419, 5514, 6069, 6343, 7235, 8853, 9296, 11_908, 12_676, 16_359,
    17_753, 18_957, 21_613, 23_213, 26_550, 902_261_805, 902_262_556,
    1_000_030_227,
]  # fmt: skip
AT_ONCE = 16


class Server:
    """One of the three, in one of two ways: contexts may be taken over or not."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        started = re.fullmatch(r"(?:HTTP \+ )?WS server running on port (\d+)\n", self.process.stdout.readline())
        if not started:
            raise RuntimeError(f"{command[0]} did not start")
        self.port = int(started[1])

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def start(echo, echo_mjs, takeover):
    flag = "yes" if takeover else "no"
    barewire = ["--plain-listen", "127.0.0.1:0", "--message-bytes", MESSAGE_BYTES, *["--takeover"] * takeover]
    return {
        BAREWIRE: Server(echo, *barewire),
        WS: Server("node", echo_mjs, MESSAGE_BYTES, flag),
        WEBSOCKETS: Server(sys.executable, Path(__file__).with_name("echo.py"), MESSAGE_BYTES, flag),
    }


class Check:
    def __init__(self, servers):
        self.servers = servers
        self.places = asyncio.Semaphore(AT_ONCE)
        # In which streams each known difference came up, and nothing else would explain it.
        self.seen = {}
        self.codes = Counter()
        self.passed, self.failed = 0, 0

    async def run(self, seeds):
        await asyncio.gather(*(self.one(seed) for seed in seeds))

    async def one(self, seed):
        async with self.places:
            its = stream(seed)
            try:
                verdicts = await self.ask(its)
                unknown = self.compare(its, verdicts)
                if unknown:
                    await self.report(its, unknown)
            except Exception as error:
                self.failed += 1
                print(f"seed {seed}: {error!r}", flush=True)
                return
        self.codes[verdicts[BAREWIRE].code] += 1
        self.failed += unknown is not None
        self.passed += unknown is None

    async def ask(self, its):
        servers = self.servers[its.takeover]
        return dict(zip(servers, await asyncio.gather(*(verdict(server.port, its) for server in servers.values()))))

    def compare(self, its, verdicts, count=True):
        """The server whose verdict is not barewire's, and nobody knows why; barewire itself where it broke a rule."""
        ours = verdicts[BAREWIRE]
        if ours.faults or ours.end != "eof":
            return BAREWIRE
        for server, theirs in verdicts.items():
            if agree(ours, theirs):
                continue
            known = explain(Reading(its, ours.deflate), server, ours, theirs)
            if not known:
                return server
            # Where several fit, each might be the one that is not needed.
            for (name, difference), *others in known:
                if count and not others:
                    self.seen.setdefault((name, difference.what), set()).add(its.seed)
        return None

    async def report(self, its, server):
        """Leaves out what can be left out while the difference stays, and shows the rest."""
        i = 0
        while i < len(its.pieces):
            shorter = replace(its, pieces=its.pieces[:i] + its.pieces[i + 1 :])
            if self.compare(shorter, await self.ask(shorter), count=False) == server:
                its = shorter
            else:
                i += 1
        verdicts = await self.ask(its)
        frames, rest = split(its.data)
        print(f"seed {its.seed}: {server} differs, and nobody knows why")
        print(f"    offer {its.offer}, takeover {its.takeover}, writes of {its.writes} bytes")
        for frame in frames:
            print(f"    {frame}")
        print(f"    and {len(rest)} bytes: {rest[:60].hex()}")
        for name, its_verdict in verdicts.items():
            print(f"  {name}: {its_verdict}", flush=True)

    def tell(self):
        for difference in [OFFER, *KNOWN]:
            for server in difference.servers:
                seeds = sorted(self.seen.get((server, difference.what), set()))
                print(f"{len(seeds):6}  {server} {difference.what}; seeds {seeds[:3]}; right: {difference.right}")

    def stale(self):
        """Known differences that do not come up: they are not known any more."""
        places = [(server, difference.what) for difference in [OFFER, *KNOWN] for server in difference.servers]
        stale = [place for place in places if place not in self.seen]
        for server, what in stale:
            print(f"{server} does not differ any more: it {what}")
        return len(stale)


async def main(echo, echo_mjs, seeds=None):
    servers = {takeover: start(echo, echo_mjs, takeover) for takeover in [False, True]}
    try:
        check, failed = Check(servers), 0
        if seeds:
            first, behind = map(int, seeds.split("-"))
            await check.run(range(first, behind))
        else:
            await check.run([*FIXED, *RARE])
            failed += check.stale()
    finally:
        for server in [*servers[False].values(), *servers[True].values()]:
            server.end()
    check.tell()
    print(f"barewire closed with {dict(check.codes.most_common())}")
    failed += check.failed
    print(f"{check.passed} passed, {failed} failed", flush=True)
    return 1 if failed or not check.passed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
