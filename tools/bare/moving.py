#!/usr/bin/env python3
"""Waits until what `./run` serves moves: the page is there, and new one-second bars come.

  tools/bare/moving.py LOG PID      LOG: the output of ./run, which process PID is writing; exits 1 when it has ended
"""

import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def get(address, path):
    with urllib.request.urlopen(address + path, timeout=10) as answer:
        return answer.read().decode()


def newest_bar(address):
    symbols = json.loads(get(address, "/api/v1/symbols"))["symbols"]
    if not symbols:
        return None
    query = urllib.parse.urlencode({"symbol": symbols[0]["symbol"], "interval": "1s", "order": "desc", "limit": 1})
    bars = json.loads(get(address, "/api/v1/bars?" + query))["bars"]
    return bars[0]["start"] if bars else None


def main(log, pid):
    seen = set()
    while alive(pid):
        with open(log, encoding="utf-8", errors="replace") as text:
            found = re.search(r"^Page and API: (http://\S+?)/?$", text.read(), re.MULTILINE)
        if found:
            assert "<html" in get(found[1], "/"), "there is no page"
            seen.add(newest_bar(found[1]))
            # Live bars, not those of the six hours before.
            if len([start for start in seen if start and time.time() - start / 1000 < 5]) >= 3:
                return 0
        time.sleep(0.2)
    print("./run has ended", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
