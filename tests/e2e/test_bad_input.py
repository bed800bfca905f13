"""Bad input of every kind: a clear error or a dead letter, and the rest goes on."""

import os
import resource
import signal
import unittest

from program import CliTest, frame, trade


class BadInput(CliTest):
    def test_each_kind_is_a_dead_letter_with_its_bytes_and_the_rest_goes_on(self):
        t = 1700000000000
        deep = '{"type":' + "[" * 40 + "]" * 40 + "}"
        bad = [
            ("bad_json", '{"data":[{"p":1,"s":'),
            ("unknown_frame", '{"type":"weather"}'),
            ("wrong_type", frame(trade('"1"', t))),
            ("bad_json", frame(trade("NaN", t))),
            ("bad_price", frame(trade("-1", t))),
            ("number_out_of_range", frame(trade("1e30", t))),
            ("number_out_of_range", frame(trade("1", t, volume="99999999999999999999"))),
            ("bad_symbol", frame(trade("1", t, symbol=""))),
            ("bad_symbol", frame(trade("1", t, symbol="A" * 5000))),
            ("time_in_future", frame(trade("1", t + 86400000))),
            ("time_too_old", frame(trade("1", 900000000000))),
            ("missing_field", frame('{"p":1,"s":"X","t":%d}' % t)),
            ("bad_tape_line", "12345 " + frame(trade("1", t))),
        ]
        received = t * 1000000
        lines = []
        for i, (reason, text) in enumerate(bad):
            lines.append(text if reason == "bad_tape_line" else f"{received + i} {text}")
            lines.append(f"{received + i} {frame(trade(str(i + 1), t + i))}")
        lines.append(f"{received} {deep}")
        lines.append(f"{received} " + '{"type":"' + "x" * 2000000 + '"}')
        lines.append('{"data":[{"p":1')
        done = self.run_tape(self.tape(*lines, end=""))
        found = self.dead_letters()
        self.assertEqual(sorted(reason for reason, _ in found),
                         sorted([reason for reason, _ in bad] + ["too_deep", "frame_too_large", "torn_tape_line"]))
        raws = {raw for _, raw in found}
        for reason, text in bad:
            whole = text in raws
            inner = any(raw in text for raw in raws if raw)
            self.assertTrue(whole or inner or reason.startswith("time_"), text[:100])
        self.assertEqual([r["price"] for r in self.rows("trades")], [str(i + 1) for i in range(len(bad))])
        self.assertIn(f"{len(bad) + 3} dead-lettered;", done.out)
        self.finpipe("verify")

    def test_a_missing_tape_is_named(self):
        done = self.run_tape("tape:none.tape", expect=1)
        self.assertIn("E200 not_found", done.err)
        self.assertIn("none.tape", done.err)
        self.assertFalse((self.dir / "finpipe-data").exists())

    def test_missing_data_is_named(self):
        for args in ("export bars", "export dead-letters", "verify", "checkpoint show", "checkpoint reset"):
            self.assertIn("E200 not_found", self.finpipe(*args.split(), expect=1).err)
            self.assertFalse((self.dir / "finpipe-data/store").exists())

    def test_a_second_process_on_the_same_directory_is_refused(self):
        feed = self.tape(*self.binance_lines(50))
        first = self.start_run("--feed", feed)
        self.wait_for_line(first, "the tape has ended")
        self.assertIn("E202 directory_in_use", self.run_tape(feed, expect=1).err)
        self.assertIn("E202 directory_in_use", self.finpipe("checkpoint", "reset", expect=1).err)
        # Readers stand beside it.
        self.assertGreater(len(self.rows("trades")), 50)
        self.finpipe("verify")
        self.finpipe("checkpoint", "show")
        self.finpipe("check")

    def test_a_read_only_directory_is_an_error(self):
        feed = self.tape(*self.binance_lines(50))
        if os.geteuid() == 0:
            # Root may write anywhere but where the system itself refuses.
            done = self.run_tape(feed, "--log", "embedded:/proc/finpipe/log", expect=1)
        else:
            locked = self.dir / "locked"
            locked.mkdir(mode=0o500)
            done = self.run_tape(feed, "--log", "embedded:locked/log", expect=1)
        self.assertRegex(done.err, r"E20[0-9] ")

    def test_a_write_that_the_system_refuses_ends_the_run_and_loses_nothing(self):
        feed = self.tape(*self.binance_lines(2000))

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        done = self.run_tape(feed, expect=1, preexec_fn=small_files)
        self.assertRegex(done.err, r"E20[1-5] ")
        self.run_tape(feed)
        self.finpipe("verify")
        here = self.exported("trades")
        self.run_tape(feed, "--log", "embedded:l2", "--store", "embedded:s2")
        self.assertEqual(here, self.exported("trades", "--store", "embedded:s2"))

    def test_a_directory_of_something_else_is_left_alone(self):
        (self.dir / "mine").mkdir()
        (self.dir / "mine/letter.txt").write_text("hello")
        done = self.run_tape(self.tape(*self.binance_lines(5)), "--log", "embedded:mine", expect=1)
        self.assertIn("E206 wrong_format", done.err)
        self.assertEqual([p.name for p in (self.dir / "mine").iterdir()], ["letter.txt"])

    def test_another_older_tape_into_the_same_log_is_refused(self):
        lines = self.binance_lines(100)
        self.run_tape(self.tape(*lines[50:]))
        done = self.run_tape(self.tape(*lines[:50], name="older.tape"), expect=1)
        self.assertIn("E501", done.err)


if __name__ == "__main__":
    unittest.main()
