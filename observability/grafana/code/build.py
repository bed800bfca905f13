#!/usr/bin/env python3
"""Writes the dashboards and their page: observability/grafana/dashboards/*.json and docs/dashboards.md.

`--into DIRECTORY` writes them below another directory instead. Needs grafana-foundation-sdk, and gets it.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
DASHBOARDS = pathlib.Path("observability/grafana/dashboards")
PAGE = pathlib.Path("docs/dashboards.md")
# The version of the library tells the Grafana that it is made for.
LIBRARY = "grafana-foundation-sdk==1769699379!11.6.0"
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tools"), str(pathlib.Path(__file__).resolve().parent)]

if importlib.util.find_spec("grafana_foundation_sdk") is None:
    from services.cache import python_with

    python = python_with(LIBRARY)
    os.execv(python, [str(python), "-B", *sys.argv])

from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402

from boards import cassandra, kafka, ledger, market, page, pipeline, runbook  # noqa: E402

BOARDS = (market, pipeline, kafka, cassandra, ledger, runbook)


def files():
    """{path from the root: text}"""
    built = [module.board() for module in BOARDS]
    texts = {
        DASHBOARDS / f"{board.uid.removeprefix('finpipe-')}.json": (
            json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        )
        for board in built
    }
    return texts | {PAGE: page.text([json.loads(text) for text in texts.values()])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=pathlib.Path, default=ROOT, help="default: the root of this source tree")
    into = parser.parse_args().into
    for path, text in files().items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).write_text(text)
        print(path)


if __name__ == "__main__":
    main()
