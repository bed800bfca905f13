"""Reads what `llvm-cov export -summary-only` writes and prints how many lines of the named files were reached.

  coverage_table.py TARGET FILE...     exits 1 when it is less than 80 % of all of them
"""

import json
import sys

WANTED_PERCENT = 80

target, *sources = sys.argv[1:]
total = reached = 0
files = json.load(sys.stdin)["data"][0]["files"]
for source in sources:
    for file in files:
        if file["filename"].endswith("/" + source):
            lines = file["summary"]["lines"]
            print(f"{target:10} {source:40} {lines['covered']:5} of {lines['count']:5} {lines['percent']:6.1f} %")
            total += lines["count"]
            reached += lines["covered"]
percent = 100 * reached / max(total, 1)
print(f"{target:10} {'total':40} {reached:5} of {total:5} {percent:6.1f} %")
sys.exit(percent < WANTED_PERCENT)
