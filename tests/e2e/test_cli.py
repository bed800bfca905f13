"""The command line, the settings, `check` and logging of the real program."""

import json
import subprocess
import unittest

from program import PROGRAM, ROOT, CliTest, frame, trade


class Usage(CliTest):
    def test_help_of_every_command_has_examples(self):
        commands = [[], ["run"], ["export"], ["verify"], ["checkpoint"], ["config"], ["check"], ["version"], ["simulate"]]
        commands += [["void"], ["unvoid"]]
        commands += [["export", kind] for kind in ("bars", "revisions", "trades", "gaps", "voids", "dead-letters")]
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
            ["export", "bars", "--interval", "24h"],
            ["export", "revisions", "--interval", "2m"],
            ["export", "bars", "--session", "open"],
            ["export", "bars", "--interval", "1d", "--session", "regular"],
            ["export", "bars", "--fill", "zero"],
            ["export", "bars", "--as-of", "now"],
            ["export", "trades", "--adjusted"],
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
            ("--feed", "wss:host", "wss://HOST"),
            ("--feed", "wss://me:secret@host", "wss://HOST"),
            ("--feed", "sim://x", "sim:PATH"),
            ("--log", "kafka://host/a/b", "names of topics"),
            ("--log", "kafka://me:secret@host", "FINPIPE_KAFKA_PASSWORD"),
            ("--log", "embedded", "embedded:DIR"),
            ("--store", "http://host", "embedded:DIR"),
            ("--store", "cassandra://host", "KEYSPACE"),
            ("--store", "cassandra://me:secret@host/k", "FINPIPE_CASSANDRA_PASSWORD"),
        ):
            args = ["--feed", self.tape(frame(trade("1", 1700000000000)))] if flag != "--feed" else []
            done = self.finpipe("run", "--exit-at-end", *args, flag, url, expect=2)
            self.assertIn("E101 bad_url", done.err)
            self.assertIn(words, done.err)
            self.assertNotIn("secret", done.err)

    def test_the_vendor_needs_a_key(self):
        done = self.finpipe("run", "--feed", "finnhub:", "--listen", "none", expect=1)
        self.assertIn("E732 missing_key", done.err)
        self.assertIn("FINNHUB_API_KEY", done.err)

    def test_listening_beyond_this_machine_is_refused_with_the_remedy(self):
        done = self.finpipe("run", "--feed", "sim:", "--listen", "0.0.0.0:0", expect=1)
        self.assertIn("E731 insecure_listen", done.err)
        self.assertIn("--insecure-listen", done.err)
        for listen in ("8080", "127.0.0.1", "127.0.0.1:99999", ":80", "::1:80"):
            self.assertIn("E102", self.finpipe("run", "--feed", "sim:", "--listen", listen, expect=2).err)

    def test_a_key_or_password_in_the_clear_is_not_allowed_by_allowing_to_listen(self):
        self.environment |= {"FINNHUB_API_KEY": "key", "FINPIPE_INSECURE_LISTEN": "true"}
        done = self.finpipe("run", "--feed", "ws://192.0.2.1", "--listen", "none", expect=2)
        self.assertIn("E101 bad_url", done.err)
        self.environment |= {"FINPIPE_KAFKA_USER": "me", "FINPIPE_KAFKA_PASSWORD": "secret"}
        plain = ["--log", "kafka://192.0.2.1", "--kafka-mechanism", "PLAIN", "--listen", "none"]
        done = self.finpipe("ingest", "--feed", "sim:", *plain, expect=2)
        self.assertIn("E102 bad_setting", done.err)

    def test_one_whose_complaints_nobody_can_read_ends_as_it_would(self):
        with open("/dev/full", "w") as nobody:
            done = subprocess.run([PROGRAM, "run", "--fast"], stderr=nobody, stdout=subprocess.DEVNULL, cwd=self.dir)
            self.assertEqual(done.returncode, 2)
            done = subprocess.run([PROGRAM, "check", "--create"], stderr=nobody, stdout=subprocess.DEVNULL, cwd=self.dir)
            self.assertEqual(done.returncode, 2)

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

    def test_the_password_of_cassandra_is_redacted_and_has_no_flag(self):
        self.environment["FINPIPE_CASSANDRA_USER"] = "me"
        self.environment["FINPIPE_CASSANDRA_PASSWORD"] = "secret"
        out = self.finpipe("config", "--store", "cassandra://x:secret@host/k").out
        self.assertIn('cassandra-user = "me"', out)
        self.assertIn('cassandra-password = "***"', out)
        self.assertNotIn("secret", out)
        done = self.finpipe("config", "--cassandra-password", "secret", expect=2)
        self.assertNotIn("cassandra-password", self.finpipe("run", "--help").out)
        self.assertIn("--cassandra-user", self.finpipe("export", "bars", "--help").out)
        self.assertIn("E100", done.err)

    def test_unknown_names_and_bad_values_exit_2_with_file_and_line(self):
        (self.dir / ".env").write_text("\nFINPIPE_LGO=x\n")
        self.assertIn(".env:2: FINPIPE_LGO", self.finpipe("config", expect=2).err)
        (self.dir / ".env").unlink()
        (self.dir / "finpipe.toml").write_text("partitions = [1]\n")
        self.assertIn("finpipe.toml:1: partitions", self.finpipe("config", expect=2).err)
        (self.dir / "finpipe.toml").unlink()
        self.assertIn("log-level", self.finpipe("config", "--log-level", "loud", expect=2).err)


class Check(CliTest):
    def test_all_is_well(self):
        feed = self.tape(*self.binance_lines(50))
        out = self.finpipe("check", "--feed", feed).out
        self.assertIn("new, `finpipe run` will make it", out)
        self.assertFalse((self.dir / "finpipe-data").exists())
        self.run_tape(feed)
        out = self.finpipe("check", "--feed", feed, "--policies", ROOT / "policies").out
        self.assertNotIn("FAULT", out)
        self.assertIn("partitions: 1; records: ", out)
        self.assertIn("generation 0", out)

    def test_each_problem_is_a_line_with_a_remedy(self):
        self.run_tape(self.tape(*self.binance_lines(50)))
        (self.dir / "policies").mkdir()
        (self.dir / "policies/crypto.toml").write_text("nonsense = 1\n")
        (self.dir / "other").mkdir()
        (self.dir / "other/file").write_text("x")
        for args, words in (
            (["--feed", "tape:none.tape"], "E200"),
            (["--feed", "nonsense"], "E101"),
            (["--policies", "policies"], "E104"),
            (["--partitions", "4"], "E507"),
            (["--log", "embedded:other"], "E206"),
            (["--store", "embedded:other"], "E20"),
        ):
            out = self.finpipe("check", *args, expect=1).out
            faults = [line for line in out.splitlines() if line.startswith("FAULT")]
            self.assertTrue(any(words in line for line in faults), out)

    def test_create_is_for_a_store_with_servers(self):
        done = self.finpipe("check", "--create", expect=2)
        self.assertIn("--store cassandra://", done.err)
        self.assertIn("--cassandra-replication", self.finpipe("check", "--help").out)

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
