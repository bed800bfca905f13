#!/usr/bin/env python3
"""What it costs to be scraped: the processor time of a `finpipe run` that has seen 10,000 symbols, while /metrics is
fetched every second and while it is not, a minute of each in turns; and the size of the page. Fails beyond 300 kB, or 1 %
of a core in the median of the turns.

  benchmarks/scrape.py [--turns N] [--log URL] [--store URL]   after a build; FINPIPE names the program

Without URLs the parts are embedded. Servers must be there (`make services-up`); what the URLs name is created in them.
"""

import argparse
import http.client
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("FINPIPE", ROOT / "build/finpipe")
SYMBOLS = 10_000
SPAN_S = 60
START_MS = 1_700_000_000_000
MOST_BYTES = 300_000
MOST_OF_A_CORE = 0.01


def write_tape(path):
    """A trade of each symbol, a hundred a frame."""
    with open(path, "w", encoding="ascii") as tape:
        for first in range(0, SYMBOLS, 100):
            time_ms = START_MS + first
            trades = (f'{{"p":50,"s":"BINANCE:S{number}USDT","t":{time_ms},"v":1}}' for number in range(first, first + 100))
            tape.write(f'{time_ms}000000 {{"data":[{",".join(trades)}],"type":"trade"}}\n')


def processor_s(process):
    """Used so far, by all of its threads."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def span(process, scrape):
    """The share of a core that the process uses while `scrape` is called each second."""
    before, begin = processor_s(process), time.monotonic()
    for second in range(1, SPAN_S + 1):
        scrape()
        time.sleep(max(0.0, begin + second - time.monotonic()))
    return (processor_s(process) - before) / (time.monotonic() - begin)


def measure(process, turns):
    while not (found := re.search(r"http://([\d.:]+)", process.stdout.readline())):
        pass
    client = http.client.HTTPConnection(found[1])

    def scrape():
        client.request("GET", "/metrics")
        return client.getresponse().read().decode()

    def value(page, name):
        return float(re.search(rf"\n{name} (\S+)", page)[1])

    # All symbols are read, and in the store.
    while (value(page := scrape(), "finpipe_processor_records_total") < SYMBOLS
           or value(page, "finpipe_processor_commit_age_seconds") > 0):
        time.sleep(1)
    print(f"{len(page):,} bytes, {sum(not line.startswith('#') for line in page.splitlines()):,} values", flush=True)
    costs = []
    for _ in range(turns):
        client.close()  # else the server does: nothing is asked for a minute; the next request opens another
        without, scraped = span(process, lambda: None), span(process, scrape)
        costs.append(scraped - without)
        print(f"of a core: {without:.2%} without, {scraped:.2%} scraped each second", flush=True)
    return len(page) <= MOST_BYTES and statistics.median(costs) <= MOST_OF_A_CORE


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--log")
    parser.add_argument("--store")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="finpipe-scrape-") as work:
        tape = pathlib.Path(work, "tape")
        write_tape(tape)
        parts = ["--feed", f"tape:{tape}", "--log", given.log or f"embedded:{work}/log",
                 "--store", given.store or f"embedded:{work}/store"]
        if given.log or given.store:
            subprocess.run([PROGRAM, "check", "--create", *parts], check=True)
        process = subprocess.Popen([PROGRAM, "run", *parts, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        try:
            kept = measure(process, given.turns)
        finally:
            process.terminate()
            process.wait()
    if not kept:
        sys.exit(f"more than {MOST_BYTES:,} bytes, or {MOST_OF_A_CORE:.0%} of a core")


if __name__ == "__main__":
    main()
