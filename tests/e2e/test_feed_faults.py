"""A quarter of a minute beside a failing vendor: see test_feed_faults_long.py."""

import unittest

from feed_faults import FeedFaultsTest, seed_or

SECONDS = 15


class FeedFaults(FeedFaultsTest):
    def test_what_is_stored_is_what_was_sent_and_the_rest_lies_in_gaps(self):
        seed = seed_or(1)
        judgement, _ = self.run_beside_faults(SECONDS, seed)
        self.assert_kept(judgement.problems, seed)
        self.assertGreater(judgement.unflagged["1s"], 0, "nothing was judged")


if __name__ == "__main__":
    unittest.main()
