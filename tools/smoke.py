#!/usr/bin/env python3
"""Proves through the API that a pipeline works end to end: trades that are received now become bars that are served.

  tools/smoke.py URL [--patience SECONDS]

Says what holds, step by step; when one does not hold in time, what was seen instead, and where to look, with exit
code 1.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# How old a bar of a second may be to be one of now: its second, and what closes it.
FRESH_S = 30
NEW_BARS = 3


class Failed(Exception):
    pass


class Server:
    def __init__(self, url):
        self.url = url.rstrip("/")
        # This is no test of the proxy of this machine.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path, **query):
        """(status, text); the status is None when nobody answers."""
        address = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            with self.opener.open(address, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return None, str(error)

    def json(self, path, **query):
        status, text = self.get(path, **query)
        if status != 200:
            raise Failed(f"{path}: {status or 'no answer'}: {text[:300]}")
        return json.loads(text)


def eventually(what, where, patience_s, look):
    """Looks until there is something; returns it."""
    deadline = time.monotonic() + patience_s
    seen = "nothing"
    while True:
        try:
            found = look()
            if found:
                print(f"ok       {what}")
                return found
        except Failed as error:
            seen = str(error)
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not in {patience_s} s; last seen: {seen}\n         {where}")
        time.sleep(0.5)


def newest_bar(server, symbol):
    bars = server.json("/api/v1/bars", symbol=symbol, interval="1s", order="desc", limit=1)["bars"]
    return bars[0] if bars else None


def fresh_symbol(server):
    """A symbol with a bar of now."""
    seen = []
    for entry in server.json("/api/v1/symbols")["symbols"]:
        bar = newest_bar(server, entry["symbol"])
        if bar is None:
            continue
        age_s = time.time() - bar["start"] / 1000
        if age_s < FRESH_S:
            return entry["symbol"]
        seen.append(f"{entry['symbol']} {age_s:.0f} s old")
    raise Failed("the newest bars: " + (", ".join(seen[:5]) or "none"))


def smoke(server, patience_s):
    eventually("the server answers", "Is it up? docker compose ps; docker compose logs serve", patience_s,
               lambda: server.json("/healthz"))
    eventually("its log and store are there", "docker compose logs serve kafka cassandra", patience_s,
               lambda: server.json("/readyz"))
    if "<html" not in server.get("/")[1]:
        raise Failed("the page: there is none at /")
    print("ok       the page")
    symbol = eventually("bars of now", "docker compose logs ingest process; is a market open?", patience_s,
                        lambda: fresh_symbol(server))
    starts = set()

    def new_bars():
        bar = newest_bar(server, symbol)
        if bar:
            starts.add(bar["start"])
        if len(starts) <= NEW_BARS:
            raise Failed(f"{len(starts) - 1} new bars of {symbol}")
        return True

    eventually(f"{NEW_BARS} new bars of {symbol} since then", "docker compose logs ingest process", patience_s,
               new_bars)
    bars = server.json("/api/v1/bars", symbol=symbol, interval="1s", order="desc", limit=60)["bars"]
    final = [bar for bar in bars if bar["state"] == "final"]
    if not final:
        raise Failed(f"final bars of {symbol}: none among the newest {len(bars)}")
    print(f"ok       {len(final)} of its newest {len(bars)} bars are final")
    trades = server.json("/api/v1/trades", symbol=symbol, order="desc", limit=1)["trades"]
    if not trades:
        raise Failed(f"trades of {symbol}: none is stored")
    print("ok       trades are stored")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="of each step; default 120")
    parsed = parser.parse_args()
    try:
        smoke(Server(parsed.url), parsed.patience)
    except Failed as failed:
        print(f"FAILED   {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
