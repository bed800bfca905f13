"""A run beside a vendor that fails all the time, and the judgement of what it stored. Shared by the short test and the
long one; FINPIPE_SEED replays a failure."""

import os
import time

from feed_truth import Judgement, memory_problems
from live import TAPE, LiveTest, resident_bytes

FAULT_EVERY_S = 4  # a stall lasts as long: twice what the run takes for one
SAMPLE_S = 1


class FeedFaultsTest(LiveTest):
    def run_beside_faults(self, seconds, seed):
        """(judgement, exports that it judged, resident bytes of the run, one each second)."""
        self.simulate("--fault-every", FAULT_EVERY_S, "--faults", "all", "--seed", seed)
        run = self.run_live("--listen", "none")
        both = (run, self.simulator)
        self.wait_until(lambda: self.records("trades") > 0, "the first trades", both)
        resident = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            resident.append(resident_bytes(run))
            for process in both:
                self.assertIsNone(process.poll(), process.output.read_text())
            time.sleep(SAMPLE_S)
        ended_ms = time.time() * 1_000
        self.end(run)
        self.end(self.simulator)
        self.assert_verified()
        exports = self.exports()
        judgement = Judgement(TAPE, self.record, exports, ended_ms)
        print(
            f"seed {seed}: {dict(judgement.faults)}; {len(judgement.connections)} connections,"
            f" {len(judgement.stored)} trades stored, {len(judgement.missing)} missed; exact bars without a flag:"
            f" {dict(judgement.unflagged)}; {max(resident) >> 20} MiB"
        )
        return judgement, exports, resident

    def assert_kept(self, problems, seed):
        self.assertFalse(problems, f"FINPIPE_SEED={seed}\n" + "\n".join(problems))

    def assert_memory_flat(self, resident):
        self.assertEqual(memory_problems(resident), [])


def seed_or(default):
    return int(os.environ.get("FINPIPE_SEED", default))
