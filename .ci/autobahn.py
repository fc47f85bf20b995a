"""Judges one run of the Autobahn suite by its results.json: who may be less than OK, and which cases must have been
ended with which close code, really on the wire.

usage: autobahn.py RESULTS.json COUNT      COUNT: how many cases there must be
Exit status 0 if all is well; the last line is 'autobahn: N passed, N failed'.
"""

import json
import sys

NON_STRICT = {"6.4.3", "6.4.4"}
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}

# A violation is answered with 1002 (RFC 6455, section 7.4.1): oversized, fragmented or unknown control frames, reserved
# bits and opcodes, continuations out of place, malformed or forbidden close codes.
PROTOCOL_ERROR = """
    2.5
    3.1 3.2 3.3 3.4 3.5 3.6 3.7
    4.1.1 4.1.2 4.1.3 4.1.4 4.1.5 4.2.1 4.2.2 4.2.3 4.2.4 4.2.5
    5.1 5.2 5.9 5.10 5.11 5.12 5.13 5.14 5.15 5.16 5.17 5.18
    7.3.2 7.3.6 7.9.1 7.9.2 7.9.3 7.9.4 7.9.5 7.9.6 7.9.7 7.9.8 7.9.9 7.13.1 7.13.2
"""
# Text, or a close reason, that is not UTF-8 is answered with 1007.
INVALID_UTF8 = """
    6.3.1 6.3.2 6.4.1 6.4.2 6.4.3 6.4.4 6.6.1 6.6.3 6.6.4 6.6.6 6.6.8 6.6.10 6.8.1 6.8.2 6.10.1 6.10.2 6.10.3 6.11.5
    6.12.1 6.12.2 6.12.3 6.12.4 6.12.5 6.12.6 6.12.7 6.12.8 6.13.1 6.13.2 6.13.3 6.13.4 6.13.5
    6.14.1 6.14.2 6.14.3 6.14.4 6.14.5 6.14.6 6.14.7 6.14.8 6.14.9 6.14.10 6.15.1 6.16.1 6.16.2 6.16.3
    6.17.1 6.17.2 6.17.3 6.17.4 6.17.5 6.18.1 6.18.2 6.18.3 6.18.4 6.18.5 6.19.1 6.19.2 6.19.3 6.19.4 6.19.5
    6.20.1 6.20.2 6.20.3 6.20.4 6.20.5 6.20.6 6.20.7 6.21.1 6.21.2 6.21.3 6.21.4 6.21.5 6.21.6 6.21.7 6.21.8
    7.5.1
"""
# Close codes that an endpoint may send come back as they are; a Close without a code is answered by one without.
ECHOED = {
    "7.3.1": None, "7.7.1": 1000, "7.7.2": 1001, "7.7.3": 1002, "7.7.4": 1003, "7.7.5": 1007, "7.7.6": 1008,
    "7.7.7": 1009, "7.7.8": 1010, "7.7.9": 1011, "7.7.10": 3000, "7.7.11": 3999, "7.7.12": 4000, "7.7.13": 4999,
}  # fmt: skip

CODES = {**dict.fromkeys(PROTOCOL_ERROR.split(), 1002), **dict.fromkeys(INVALID_UTF8.split(), 1007), **ECHOED}


def faults(case, result):
    """What is wrong with one case, in words."""
    for what in ["behavior", "behaviorClose"]:
        verdict = result[what]
        allowed = {"OK"}
        allowed |= {"NON-STRICT"} if case in NON_STRICT else set()
        allowed |= {"INFORMATIONAL"} if case in INFORMATIONAL else set()
        if verdict not in allowed:
            yield f"{what} is {verdict}: {result['result']} {result['resultClose']}"
    # Everything else ends in good order.
    expected = CODES.get(case, 1000)
    if result["remoteCloseCode"] != expected:
        yield f"closed with {result['remoteCloseCode']}, not {expected}"


def main(path, count):
    with open(path) as file:
        results = json.load(file)
    passed = 0
    for case, result in results.items():
        found = list(faults(case, result))
        passed += not found
        for fault in found:
            print(f"{case}: {fault}")
    # Groups 12 and 13 are permessage-deflate, and may be run alone.
    only_deflate = all(case.startswith(("12.", "13.")) for case in results)
    missing = set() if only_deflate else CODES.keys() - results.keys()
    complete = len(results) == count and not missing
    if not complete:
        print(f"{len(results)} cases, not {count}; {len(missing)} of those with a code to look at are missing")
    failed = max(len(results) - passed, 0 if complete else 1)
    print(f"autobahn: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
