import json
import unittest

from common import ROOT, ScriptTest, load_script

repeat_tape = load_script("tools/tapes/repeat_tape.py")

HOUR_NS = 3_600_000_000_000
TAPE = (
    b'1000000000 {"data":[{"c":null,"p":1,"s":"A","t":2271,"v":1},'
    b'{"c":null,"p":1,"s":"B","t":2272,"v":1}],"type":"trade"}\n'
    b'2000000007 {"type":"ping"}\n'
    b'61000000000 {"data":[{"c":["1"],"p":1.5,"s":"A","t":62270,"v":0.1}],"type":"trade"}\n'
)


class RepeatTape(ScriptTest):
    def repeat(self, text, *arguments):
        source, target = self.directory / "in.tape", self.directory / "out.tape"
        source.write_bytes(text)
        code, out, err = self.run_script(repeat_tape, source, target, *arguments)
        return code, out, err, target.read_bytes() if target.exists() else None

    def test_one_copy_is_the_tape_itself(self):
        code, out, _, text = self.repeat(TAPE, "--copies", 1)
        self.assertEqual((code, text), (0, TAPE))

    def test_copies_move_receive_and_trade_times_by_the_same_whole_minutes(self):
        # The tape spans exactly a minute, so with a minute between copies two minutes are not more than that: three.
        code, out, _, text = self.repeat(TAPE, "--copies", 3)
        self.assertEqual(code, 0)
        self.assertEqual(out, "copies=3 shift_minutes=3 lines=9 trades=9\n")
        lines = text.splitlines(keepends=True)
        self.assertEqual(b"".join(lines[:3]), TAPE)
        self.assertEqual(
            lines[3:6],
            [
                b'181000000000 {"data":[{"c":null,"p":1,"s":"A","t":182271,"v":1},'
                b'{"c":null,"p":1,"s":"B","t":182272,"v":1}],"type":"trade"}\n',
                b'182000000007 {"type":"ping"}\n',
                b'241000000000 {"data":[{"c":["1"],"p":1.5,"s":"A","t":242270,"v":0.1}],"type":"trade"}\n',
            ],
        )
        self.assertTrue(lines[6].startswith(b"361000000000 "))

    def test_a_larger_shift_can_be_asked_for_but_no_overlap(self):
        code, out, _, text = self.repeat(TAPE, "--copies", 2, "--shift-minutes", 60)
        self.assertEqual(code, 0)
        self.assertTrue(text.splitlines()[3].startswith(str(1_000_000_000 + HOUR_NS).encode()))
        code, _, err, _ = self.repeat(TAPE, "--copies", 2, "--shift-minutes", 2)
        self.assertEqual(code, 1)
        self.assertIn("3 is the least", err)

    def test_lines_without_receive_time_are_measured_by_their_trades(self):
        tape = b'{"data":[{"t":1000},{"t":999}],"type":"trade"}\n{"msg":"no","type":"error"}\n'
        code, out, _, text = self.repeat(tape, "--copies", 2, "--shift-minutes", "auto")
        self.assertEqual((code, out), (0, "copies=2 shift_minutes=2 lines=4 trades=4\n"))
        self.assertEqual(text, tape + tape.replace(b"1000", b"121000").replace(b":999", b":120999"))

    def test_what_is_no_trade_time_stays_as_it_is(self):
        tape = rb'5 {"msg":"a \"t\":7 inside","type":"error"}' + b"\n6 {broken \xff\xfe\r\n\n7\n"
        code, _, _, text = self.repeat(tape, "--copies", 2)
        self.assertEqual(code, 0)
        moved = tape.replace(b"5 {", b"120000000005 {").replace(b"6 {", b"120000000006 {")
        self.assertEqual(text, tape + moved)

    def test_a_torn_last_line_is_refused(self):
        code, _, err, text = self.repeat(TAPE[:-1], "--copies", 2)
        self.assertEqual((code, text), (1, None))
        self.assertIn("torn", err)

    def test_wrong_use_is_refused(self):
        self.assertEqual(self.repeat(TAPE, "--copies", 0)[0], 2)
        self.assertEqual(self.repeat(TAPE, "--copies", 2, "--shift-minutes", "soon")[0], 2)
        source = self.directory / "in.tape"
        self.assertEqual(self.run_script(repeat_tape, source, source, "--copies", 2)[0], 2)
        self.assertEqual(source.read_bytes(), TAPE)
        missing = self.directory / "missing.tape"
        self.assertEqual(self.run_script(repeat_tape, missing, self.directory / "x", "--copies", 2)[0], 1)

    def test_copies_of_the_bundled_tape_stay_in_order(self):
        target = self.directory / "out.tape"
        code, out, _ = self.run_script(repeat_tape, ROOT / "data" / "binance.tape", target, "--copies", 3)
        self.assertEqual((code, out), (0, "copies=3 shift_minutes=12 lines=18843 trades=103257\n"))
        stamps, first_times, last_times = [], [], []
        for line in target.read_text().splitlines():
            head, _, text = line.partition(" ")
            stamps.append(int(head))
            times = [trade["t"] for trade in json.loads(text).get("data", [])]
            first_times.append(min(times, default=None))
            last_times.append(max(times, default=None))
        self.assertTrue(all(before < after for before, after in zip(stamps, stamps[1:])))
        length = len(stamps) // 3
        for copy in (1, 2):
            start = copy * length
            gap_ms = first_times[start] - last_times[start - 1]
            self.assertTrue(60_000 < gap_ms <= 120_000, gap_ms)


if __name__ == "__main__":
    unittest.main()
