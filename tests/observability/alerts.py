#!/usr/bin/env python3
"""Fires each alert by the fault that it is for, on real processes watched by a real Prometheus and Alertmanager, and sees it
arrive at a pager or Slack and by mail, and then be resolved.

  alerts.py [NAME...]     the drills of these alerts, or all of them; needs root for small file systems
  alerts.py --table       the results so far as a table

  --faster N              rules, scrapes and messages wait only an Nth of their time
  --results FILE          where results are added; default build/alerts.jsonl
"""

import argparse
import json
import pathlib
import sys
import time
import traceback

import drills
import server_drills
from bench import Bench
from monitoring import ROOT, wait_until
from test_rules import ALERTS

FIRE_PATIENCE_S = 600
RESOLVE_PATIENCE_S = 600


def channels(name):
    return ("pager", "email") if ALERTS[name]["labels"]["severity"] == "page" else ("slack", "email")


def arrival(bench, drill, name, resolved, since):
    """When the last of its channels was told; None before."""
    wanted = [channel for channel in channels(name) if resolved or channel not in drill.broken_channels]
    told = [bench.sinks.first(channel, name, resolved, since) for channel in wanted]
    return max(message.at for message in told) if all(told) else None


def await_all(bench, drill, resolved, since, patience_s):
    """{name: seconds until it was told}"""
    seconds = {}

    def all_told():
        for name in drill.names:
            if name not in seconds and (at := arrival(bench, drill, name, resolved, since)):
                seconds[name] = round(at - since, 1)
                print(f"  {name} {'resolved' if resolved else 'fired'} after {seconds[name]} s", file=sys.stderr, flush=True)
        return len(seconds) == len(drill.names)

    if not wait_until(all_told, patience_s):
        raise AssertionError(
            f"{sorted(set(drill.names) - set(seconds))} not {'resolved' if resolved else 'fired'}\n"
            f"firing: {bench.monitoring.alerts()}\npending: {bench.monitoring.alerts('pending')}\ntold: {bench.sinks.messages}")
    return seconds


def play(drill, factor):
    """One drill: {name: (seconds to fire, seconds to resolve)}, and who else fired."""
    with Bench(factor) as bench:
        steps = drill.play(bench)
        next(steps)
        bench.watch()
        began = time.time()
        next(steps)
        fired = await_all(bench, drill, False, began, FIRE_PATIENCE_S)
        ended = max(time.time(), bench.over_at)
        next(steps, None)
        resolved = await_all(bench, drill, True, ended, RESOLVE_PATIENCE_S)
        others = {name for message in bench.sinks.messages for name in message.firing} - set(drill.names)
        return {name: (fired[name], resolved[name]) for name in drill.names}, sorted(others)


def table(results):
    """The newest result of each alert."""
    newest = {}
    for line in results.read_text().splitlines():
        result = json.loads(line)
        newest[result["alert"]] = result
    print("| alert | fault | seconds to fire | seconds to resolve | also told |\n|---|---|---|---|---|")
    for name in ALERTS:
        if result := newest.get(name):
            windows = "" if result["factor"] == 1 else f" (windows shortened {result['factor']} times)"
            print(f"| {name} | {result['fault']}{windows} | {result['fires_s']:.0f} | {result['resolves_s']:.0f} "
                  f"| {' '.join(result['others'])} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *ALERTS])
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--faster", type=int, default=1)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build/alerts.jsonl")
    parsed = parser.parse_args()
    if parsed.table:
        return table(parsed.results)
    parsed.results.parent.mkdir(exist_ok=True)
    failed = []
    for drill in [*drills.ALL, *server_drills.ALL]:
        if parsed.names and not set(parsed.names) & set(drill.names):
            continue
        print(f"{', '.join(drill.names)}: {drill.fault}", file=sys.stderr, flush=True)
        try:
            seconds, others = play(drill, parsed.faster)
        except Exception:  # noqa: BLE001 # the others are to be played all the same
            traceback.print_exc()
            failed.append(drill.names)
            continue
        with parsed.results.open("a") as file:
            for name, (fires_s, resolves_s) in seconds.items():
                file.write(json.dumps({"alert": name, "fault": drill.fault, "fires_s": fires_s, "resolves_s": resolves_s,
                                       "factor": parsed.faster, "others": others}) + "\n")
    if failed:
        sys.exit(f"failed: {failed}")


if __name__ == "__main__":
    main()
