"""A quarter of a minute beside a failing vendor: see test_feed_faults_long.py. And whether the judge would see it if
something were wrong."""

import csv
import io
import unittest

from feed_faults import FeedFaultsTest, seed_or
from feed_truth import Judgement, rows
from live import TAPE

SECONDS = 15
SEED = 7  # broken frame, stall, duplicate


def with_rows(text, change):
    """The CSV with what `change` makes of its rows."""
    out = io.StringIO()
    table = csv.DictWriter(out, text.partition("\n")[0].split(","), lineterminator="\n")
    table.writeheader()
    table.writerows(change(rows(text)))
    return out.getvalue()


def without_middle(table):
    return table[: len(table) // 2] + table[len(table) // 2 + 1 :]


def middle_with(name, value):
    def change(table):
        table[len(table) // 2][name] = value
        return table

    return change


def unflagged(table):
    return [row | {"flags": "", "missing_ms": "0"} for row in table]


def without_one_unflagged_trade(table):
    row = next(row for row in table if row["interval"] == "1s" and row["flags"] == "")
    row["trades"] = str(int(row["trades"]) - 1)
    return table


def from_the_beginning_of_the_day(table):
    return [row | {"from": row["from"][:11] + "00:00:00.000Z"} for row in table]


TAMPERINGS = {
    "a stored trade is taken away": ("trades", without_middle, "no beginnings"),
    "a stored trade has another price": ("trades", middle_with("price", "1"), "no beginnings"),
    "a trade is called a suspect": ("trades", middle_with("suspect", "repeated_run"), "is suspect, but came once"),
    "there are no gaps": ("gaps", lambda table: [], "lies in no gap"),
    "gaps are far too long": ("gaps", from_the_beginning_of_the_day, "with allowances"),
    "bars have no flags": ("bars", unflagged, "lacks a trade without a flag"),
    "a bar is missing": ("bars", without_middle, "is missing"),
    "a bar has another close": ("bars", middle_with("close", "1"), "its stored trades give"),
    "a bar without a flag counts one trade less": ("bars", without_one_unflagged_trade, "the truth is"),
}


class FeedFaults(FeedFaultsTest):
    def test_what_is_stored_is_what_was_sent_and_the_rest_lies_in_gaps(self):
        seed = seed_or(SEED)
        judgement, exports, _ = self.run_beside_faults(SECONDS, seed)
        self.assert_kept(judgement.problems, seed)
        self.assertGreater(judgement.unflagged["1s"], 0, "nothing was judged")
        for what, (which, change, words) in TAMPERINGS.items():
            with self.subTest(what):
                self.assert_seen({**exports, which: with_rows(exports[which], change)}, words, judgement.ended_ms)
        with self.subTest("a dead letter is there that nobody sent"):
            letters = [*exports["dead-letters"], ("bad_json", "{")]
            self.assert_seen({**exports, "dead-letters": letters}, "never sent", judgement.ended_ms)

    def assert_seen(self, exports, words, ended_ms):
        self.assertIn(words, "\n".join(Judgement(TAPE, self.record, exports, ended_ms).problems))


if __name__ == "__main__":
    unittest.main()
