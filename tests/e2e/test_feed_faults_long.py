"""Two minutes beside a vendor that commits every kind of fault. What is stored of a connection is a beginning of what
was sent on it, trade for trade; the rest lies inside a gap, every outage is one, and no bar that misses a trade lacks a
flag; what is broken is a dead letter; memory is flat. FINPIPE_TEST_SECONDS shortens it, FINPIPE_SEED replays it."""

import os
import unittest

from feed_faults import FeedFaultsTest, seed_or

SECONDS = float(os.environ.get("FINPIPE_TEST_SECONDS", "120"))
# The vendor deals one of each, six refusals and six broken frames, before it begins anew.
KINDS = {"refuse": 6, "malformed": 6}
KINDS |= dict.fromkeys("disconnect drop stall half_open bad_opcode bad_utf8 oversize delay duplicate".split(), 1)


class FeedFaultsLong(FeedFaultsTest):
    def test_two_minutes_of_every_fault_lose_nothing_in_silence(self):
        seed = seed_or(20241126)
        judgement, _, resident = self.run_beside_faults(SECONDS, seed)
        self.assert_kept(judgement.problems, seed)
        self.assertGreater(judgement.unflagged["1s"], 10, "hardly anything was judged")
        if SECONDS < 120:
            return
        self.assert_memory_flat(resident)
        self.assertEqual([kind for kind, times in KINDS.items() if judgement.faults[kind] < times], [])


if __name__ == "__main__":
    unittest.main()
