import argparse
import asyncio
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from frames import read_frame, split
from streams import MESSAGE_BYTES, stream
from verdicts import verdict

HERE = Path(__file__).parent


def start(*command):
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    return process, int(re.search(r"on port (\d+)", line)[1])


async def main():
    lo, hi = map(int, sys.argv[3].split("-"))
    servers = {
        "barewire": start(sys.argv[1], "--plain-listen", "127.0.0.1:0", "--message-bytes", MESSAGE_BYTES),
        "ws": start("node", sys.argv[2], MESSAGE_BYTES),
        "websockets": start(sys.executable, HERE / "echo.py", MESSAGE_BYTES),
    }
    ports = {k: v[1] for k, v in servers.items()}
    sem = asyncio.Semaphore(24)
    shown = Counter()
    outcomes = Counter()

    async def one(seed):
        async with sem:
            s = stream(seed)
            try:
                vs = dict(zip(ports, await asyncio.gather(*(verdict(p, s) for p in ports.values()))))
            except TimeoutError:
                print("TIMEOUT", seed)
                return
        ours = vs["barewire"]
        outcomes[ours.code] += 1
        if ours.faults or ours.end != "eof":
            print("FAULT", seed, ours)
        for k in ["ws", "websockets"]:
            v = vs[k]
            if v != ours:
                sig = (k, ours.code, v.code, v.end, bool(v.faults), len(ours.messages)-len(v.messages), len(ours.pongs)-len(v.pongs))
                shown[sig] += 1
                if shown[sig] <= int(sys.argv[4]):
                    frames, rest = split(s.data)
                    print(f"--- seed {seed} {k}\n  ours   {ours}\n  theirs {v}")
                    for f in frames[-12:]:
                        print("   ", f)
                    found = read_frame(rest)
                    print("    rest", len(rest), found and str(found[0]), rest[:20].hex())

    try:
        await asyncio.gather(*(one(i) for i in range(lo, hi)))
    finally:
        for p, _ in servers.values():
            p.kill()
    print(outcomes)
    for k, n in shown.most_common():
        print(n, k)


asyncio.run(main())
