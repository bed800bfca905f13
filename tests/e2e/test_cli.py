"""Drives the real program: its commands, its output forms, its exit codes, and how it treats bad input.

Needs the environment variable FINPIPE (path of the program). Every test works in a directory of its own.
"""

import base64
import csv
import io
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["FINPIPE"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60

BAR_COLUMNS = "symbol,interval,start,open,high,low,close,volume,vwap,trades,state,flags,missing_ms,revision"
TRADE_COLUMNS = "symbol,event_time,seq,price,volume,conditions,received_at,writer,suspect"


def trade(price, time_ms, symbol="BINANCE:X", volume="1", conditions='"c":null,'):
    return '{%s"p":%s,"s":"%s","t":%d,"v":%s}' % (conditions, price, symbol, time_ms, volume)


def frame(*trades):
    return '{"data":[%s],"type":"trade"}' % ",".join(trades)


class CliTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FINPIPE")}

    def command(self, *args):
        return [PROGRAM, *map(str, args)]

    def finpipe(self, *args, expect=0, **options):
        done = subprocess.run(
            self.command(*args), cwd=self.dir, env=self.environment, capture_output=True, timeout=DEADLINE_S, **options
        )
        self.assertEqual(done.returncode, expect, f"{args}\n{done.stdout.decode()}\n{done.stderr.decode()}")
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        return done

    def start(self, *args):
        process = subprocess.Popen(
            self.command(*args), cwd=self.dir, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def wait_for_line(self, process, text):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            line = process.stderr.readline()
            if text in line:
                return
            if not line:
                self.fail(f"ended without '{text}': {process.wait()}")
        self.fail(f"no '{text}' in time")

    def tape(self, *lines, name="a.tape", end="\n"):
        (self.dir / name).write_bytes(("\n".join(lines) + end).encode())
        return f"tape:{name}"

    def binance_lines(self, count):
        with open(ROOT / "data/binance.tape", encoding="ascii") as tape:
            return [next(tape).rstrip("\n") for _ in range(count)]

    def run_tape(self, feed, *args, **options):
        return self.finpipe("run", "--feed", feed, "--exit-at-end", *args, **options)

    def exported(self, *args):
        return self.finpipe("export", *args).out

    def rows(self, *args):
        return list(csv.DictReader(io.StringIO(self.exported(*args))))

    def dead_letters(self):
        return [(row["reason"], base64.b64decode(row["raw_base64"]).decode()) for row in self.rows("dead-letters")]


class Usage(CliTest):
    def test_help_of_every_command_has_examples(self):
        commands = [[], ["run"], ["export"], ["verify"], ["checkpoint"], ["config"], ["check"], ["version"]]
        commands += [["export", kind] for kind in ("bars", "revisions", "trades", "gaps", "dead-letters")]
        commands += [["checkpoint", "show"], ["checkpoint", "reset"]]
        for command in commands:
            out = self.finpipe(*command, "--help").out
            self.assertIn("Examples:\n  finpipe ", out, command)

    def test_what_cannot_be_understood_exits_2(self):
        for args in (
            ["--nonsense"],
            [],
            ["fly"],
            ["run", "--fast"],
            ["run", "--feed"],
            ["export"],
            ["export", "candles"],
            ["export", "trades", "--interval", "1m"],
            ["checkpoint", "drop"],
            ["export", "bars", "--interval", "2m"],
            ["export", "bars", "--from", "yesterday"],
            ["export", "bars", "--symbols", "A,,B"],
        ):
            done = self.finpipe(*args, expect=2)
            self.assertEqual(done.out, "", args)
            self.assertIn("finpipe: E1", done.err, args)

    def test_malformed_urls_exit_2_and_say_the_form(self):
        for flag, url, words in (
            ("--feed", "data/a.tape", "tape:PATH"),
            ("--feed", "tape:", "tape:PATH"),
            ("--feed", "finnhub:", "not in this version"),
            ("--feed", "wss://me:secret@host", "not in this version"),
            ("--log", "kafka://host:9092", "not in this version"),
            ("--log", "embedded", "embedded:DIR"),
            ("--store", "http://host", "embedded:DIR"),
        ):
            args = ["--feed", self.tape(frame(trade("1", 1700000000000)))] if flag != "--feed" else []
            done = self.finpipe("run", "--exit-at-end", *args, flag, url, expect=2)
            self.assertIn("E101 bad_url", done.err)
            self.assertIn(words, done.err)
            self.assertNotIn("secret", done.err)

    def test_run_without_a_feed_names_the_flag(self):
        self.assertIn("--feed tape:PATH", self.finpipe("run", expect=2).err)

    def test_version(self):
        self.assertRegex(self.finpipe("version").out, r"^finpipe \d+\.\d+\.\d+\n$")


class Config(CliTest):
    def test_precedence_and_sources_are_shown(self):
        (self.dir / "finpipe.toml").write_text('log = "embedded:t"\nstore = "embedded:t"\npartitions = 3\n')
        (self.dir / ".env").write_text("FINPIPE_STORE=embedded:e\nFINPIPE_SYMBOLS=A,B\n")
        self.environment["FINPIPE_SYMBOLS"] = "C"
        out = self.finpipe("config", "--exit-at-end").out
        lines = {line.split(" = ")[0]: " ".join(line.split(" = ")[1].split()) for line in out.splitlines()[1:]}
        self.assertEqual(lines["log"], '"embedded:t" # finpipe.toml:1')
        self.assertEqual(lines["store"], '"embedded:e" # .env:1')
        self.assertEqual(lines["partitions"], "3 # finpipe.toml:3")
        self.assertEqual(lines["symbols"], '"C" # environment')
        self.assertEqual(lines["exit-at-end"], "true # command line")
        self.assertEqual(lines["log-level"], '"info" # default')

    def test_its_output_is_a_settings_file(self):
        before = self.finpipe("config", "--log", 'embedded:a "b"\\c', "--partitions", "2").out
        (self.dir / "finpipe.toml").write_text(before)
        after = self.finpipe("config").out
        values = [[line.split("#")[0].rstrip() for line in text.splitlines()] for text in (before, after)]
        self.assertEqual(values[0], values[1])

    def test_credentials_are_redacted(self):
        self.environment["FINPIPE_FEED"] = "wss://me:secret@host/path"
        out = self.finpipe("config").out
        self.assertIn("wss://***@host/path", out)
        self.assertNotIn("secret", out)

    def test_unknown_names_and_bad_values_exit_2_with_file_and_line(self):
        (self.dir / ".env").write_text("\nFINPIPE_LGO=x\n")
        self.assertIn(".env:2: FINPIPE_LGO", self.finpipe("config", expect=2).err)
        (self.dir / ".env").unlink()
        (self.dir / "finpipe.toml").write_text("partitions = [1]\n")
        self.assertIn("finpipe.toml:1: partitions", self.finpipe("config", expect=2).err)
        (self.dir / "finpipe.toml").unlink()
        self.assertIn("log-level", self.finpipe("config", "--log-level", "loud", expect=2).err)


class RunAndExport(CliTest):
    def test_real_frames_become_trades_and_bars(self):
        done = self.run_tape(f"tape:{ROOT}/data/finnhub.tape")
        self.assertIn("start (UTC)", done.out)
        received = int(done.out.split(" received")[0].split()[-1].replace(",", ""))
        dead = len(self.dead_letters())
        trades = self.exported("trades")
        self.assertEqual(trades.splitlines()[0], TRADE_COLUMNS)
        self.assertEqual(len(trades.splitlines()) - 1 + dead, received)
        first = next(r for r in csv.DictReader(io.StringIO(trades)) if r["symbol"] == "AAPL")
        self.assertEqual(
            [first[k] for k in ("event_time", "price", "volume", "conditions", "writer", "suspect")],
            ["2023-03-31T18:15:37.580Z", "164.0601", "5", "1 12", "live", ""],
        )
        bars = self.exported("bars")
        self.assertEqual(bars.splitlines()[0], BAR_COLUMNS)
        order = [(r["symbol"], ["1s", "1m", "5m", "15m", "1h", "1d"].index(r["interval"]), r["start"])
                 for r in csv.DictReader(io.StringIO(bars))]
        self.assertEqual(order, sorted(order))
        self.assertEqual(self.exported("revisions").splitlines()[0], BAR_COLUMNS + ",reason,closed_at")
        self.assertEqual(self.exported("gaps"), "symbol,from,to,reason,filled\n")
        self.assertEqual(self.finpipe("verify").returncode, 0)

    def test_a_second_run_of_the_same_tape_adds_nothing(self):
        feed = self.tape(*self.binance_lines(300))
        self.run_tape(feed)
        kinds = ("bars", "revisions", "trades")
        before = [self.exported(kind) for kind in kinds]
        self.assertGreater(len(before[2].splitlines()), 300)
        done = self.run_tape(feed)
        self.assertIn("0 appended", done.out)
        self.assertEqual([self.exported(kind) for kind in kinds], before)
        self.finpipe("verify")

    def test_partitions_do_not_change_what_is_exported(self):
        feed = self.tape(*self.binance_lines(300))
        self.run_tape(feed)
        one = [self.exported(kind) for kind in ("bars", "trades")]
        parts = ["--log", "embedded:l4", "--store", "embedded:s4"]
        self.run_tape(feed, *parts, "--partitions", 4)
        four = [self.exported(kind, "--store", "embedded:s4") for kind in ("bars", "trades")]
        self.assertEqual(one, four)
        self.finpipe("verify", *parts)
        self.assertIn("E507", self.run_tape(feed, *parts, "--partitions", 2, expect=1).err)

    def test_selection_by_symbol_interval_and_time(self):
        self.run_tape(self.tape(*self.binance_lines(300)))
        everything = self.rows("bars")
        some = self.rows("bars", "--symbols", "BINANCE:ETHUSDT", "--interval", "1m,1s")
        self.assertEqual(some, [r for r in everything
                                if r["symbol"] == "BINANCE:ETHUSDT" and r["interval"] in ("1m", "1s")])
        starts = sorted({r["start"] for r in everything if r["interval"] == "1s"})
        low, high = starts[1], starts[-1]
        some = self.rows("bars", "--interval", "1s", "--from", low, "--to", high)
        self.assertEqual(some, [r for r in everything if r["interval"] == "1s" and low <= r["start"] < high])
        trades = self.rows("trades")
        some = self.rows("trades", "--from", low, "--to", high)
        self.assertEqual(some, [r for r in trades if low <= r["event_time"] < high])
        self.assertTrue(0 < len(some) < len(trades))

    def test_symbols_that_were_not_asked_for_are_left_out(self):
        self.run_tape(self.tape(*self.binance_lines(300)), "--symbols", "BINANCE:ETHUSDT")
        self.assertEqual({r["symbol"] for r in self.rows("trades")}, {"BINANCE:ETHUSDT"})

    def test_conditions_and_odd_symbols_survive_export(self):
        t = 1700000000000
        self.run_tape(self.tape(frame(
            trade("1", t, conditions=""), trade("1.5", t, conditions='"c":null,'), trade("2e-9", t, conditions='"c":[],'),
            trade("3", t, conditions='"c":["1","12"],'), trade("4", t, symbol='A,\\"B'))))
        rows = self.rows("trades")
        self.assertEqual([(r["symbol"], r["price"], r["conditions"]) for r in rows],
                         [('A,"B', "4", ""), ("BINANCE:X", "1", "-"), ("BINANCE:X", "1.5", ""),
                          ("BINANCE:X", "0.000000002", "[]"), ("BINANCE:X", "3", "1 12")])

    def test_output_goes_to_a_file(self):
        self.run_tape(self.tape(*self.binance_lines(50)))
        done = self.finpipe("export", "trades", "--output", "t.csv")
        self.assertEqual(done.out, "")
        self.assertIn("rows=", done.err)
        self.assertEqual((self.dir / "t.csv").read_text(), self.exported("trades"))
        self.finpipe("export", "trades", "--output", "none/t.csv", expect=1)

    def test_reset_makes_the_same_bars_in_a_new_generation(self):
        feed = self.tape(*self.binance_lines(300))
        self.run_tape(feed)
        before = [self.exported(kind) for kind in ("bars", "revisions", "trades")]
        self.assertIn("generation   0", self.finpipe("checkpoint", "show").out)
        self.assertIn("partition 0: generation 1 begins at offset 0", self.finpipe("checkpoint", "reset").out)
        self.assertEqual(self.exported("bars"), BAR_COLUMNS + "\n")
        self.run_tape(feed)
        self.assertEqual([self.exported(kind) for kind in ("bars", "revisions", "trades")], before)
        self.finpipe("verify")
        shown = self.finpipe("checkpoint", "show").out
        self.assertIn("generation   1", shown)
        self.assertIn(", 0 to go", shown)

    def test_reset_mends_a_store_of_another_log(self):
        feed = self.tape(*self.binance_lines(100))
        self.run_tape(feed)
        before = self.exported("bars")
        shutil.rmtree(self.dir / "finpipe-data/log")
        self.assertIn("E502", self.run_tape(feed, expect=1).err)
        self.finpipe("checkpoint", "reset")
        self.run_tape(feed)
        self.assertEqual(self.exported("bars"), before)


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
        for args in (["export", "bars"], ["export", "dead-letters"], ["verify"], ["checkpoint", "show"], ["checkpoint", "reset"]):
            self.assertIn("E200 not_found", self.finpipe(*args, expect=1).err)
            self.assertFalse((self.dir / "finpipe-data/store").exists())

    def test_a_second_process_on_the_same_directory_is_refused(self):
        feed = self.tape(*self.binance_lines(50))
        first = self.start("run", "--feed", feed)
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


class Signals(CliTest):
    def test_sigterm_ends_within_two_seconds_with_everything_stored(self):
        feed = self.tape(*self.binance_lines(6000))
        process = self.start("run", "--feed", feed)
        self.wait_for_line(process, "started")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual(process.returncode, 0, err)
        self.finpipe("verify")
        appended = int(out.split(" appended")[0].split()[-1].replace(",", ""))
        self.assertEqual(len(self.rows("trades")), appended)
        self.assertIn(", 0 to go", self.finpipe("checkpoint", "show").out)
        # A second start goes on where it ended.
        self.run_tape(feed)
        here = [self.exported(kind) for kind in ("trades", "bars", "revisions")]
        self.run_tape(feed, "--log", "embedded:l2", "--store", "embedded:s2")
        self.assertEqual(here, [self.exported(kind, "--store", "embedded:s2") for kind in ("trades", "bars", "revisions")])

    def test_without_exit_at_end_it_stays_until_a_signal(self):
        process = self.start("run", "--feed", self.tape(*self.binance_lines(50)))
        self.wait_for_line(process, "the tape has ended")
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0)
        self.assertIn("start (UTC)", out)

    def test_no_core_dump_is_allowed(self):
        process = self.start("run", "--feed", self.tape(*self.binance_lines(5)))
        self.wait_for_line(process, "the tape has ended")
        limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])


class Check(CliTest):
    def test_all_is_well(self):
        feed = self.tape(*self.binance_lines(50))
        out = self.finpipe("check", "--feed", feed).out
        self.assertIn("new, `finpipe run` will make it", out)
        self.assertFalse((self.dir / "finpipe-data").exists())
        self.run_tape(feed)
        out = self.finpipe("check", "--feed", feed, "--policies", ROOT / "policies").out
        self.assertNotIn("problem", out)
        self.assertIn("1 partitions", out)
        self.assertIn("generation 0", out)

    def test_each_problem_is_a_line_with_a_remedy(self):
        self.run_tape(self.tape(*self.binance_lines(50)))
        (self.dir / "policies").mkdir()
        (self.dir / "policies/crypto.toml").write_text("nonsense = 1\n")
        (self.dir / "other").mkdir()
        (self.dir / "other/file").write_text("x")
        for args, words in (
            (["--feed", "tape:none.tape"], "E200 not_found"),
            (["--feed", "nonsense"], "E101 bad_url"),
            (["--policies", "policies"], "E104 bad_policy"),
            (["--partitions", "4"], "E507"),
            (["--log", "embedded:other"], "E206"),
            (["--store", "embedded:other"], "E206"),
        ):
            out = self.finpipe("check", *args, expect=1).out
            problems = [line for line in out.splitlines() if line.startswith("problem")]
            self.assertTrue(any(words in line for line in problems), out)

    def test_a_checkpoint_of_another_log_is_found(self):
        feed = self.tape(*self.binance_lines(50))
        self.run_tape(feed)
        self.run_tape(feed, "--log", "embedded:l2", "--store", "embedded:s2")
        self.assertIn("E502", self.finpipe("check", "--log", "embedded:l2", expect=1).out)


class Logging(CliTest):
    def test_json_lines(self):
        done = self.run_tape(self.tape(*self.binance_lines(50)), "--log-format", "json")
        lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
        self.assertIn("started", [line["message"] for line in lines])

    def test_level(self):
        self.assertEqual(self.run_tape(self.tape(*self.binance_lines(50)), "--log-level", "error").err, "")


if __name__ == "__main__":
    unittest.main()
