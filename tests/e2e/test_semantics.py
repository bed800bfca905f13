"""docs/semantics.md tells the truth: each of its tapes is played, each command run, each answer compared."""

import re
import shlex
import subprocess
import unittest

from program import DEADLINE_S, PROGRAM, ROOT, CliTest

BLOCK = re.compile(r"^```(tape|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def commands(console):
    """(command, answer) of each prompt in a console block; a backslash at the end of a line continues it."""
    parts = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    for part in parts:
        command, _, answer = part.replace("\\\n", "").partition("\n")
        yield command, answer


class Semantics(CliTest):
    def test_every_example_is_what_the_program_says(self):
        (self.dir / "bin").mkdir()
        (self.dir / "bin" / "finpipe").write_text(f'#!/bin/sh\nexec {shlex.quote(PROGRAM)} "$@"\n')
        (self.dir / "bin" / "finpipe").chmod(0o755)
        environment = self.environment | {"PATH": f"{self.dir / 'bin'}:{self.environment['PATH']}"}
        examples, answers, place = 0, 0, None
        for kind, text in BLOCK.findall((ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")):
            if kind == "tape":
                examples += 1
                place = self.dir / str(examples)
                place.mkdir()
                (place / "example.tape").write_text(text, encoding="utf-8")
                continue
            for command, answer in commands(text):
                done = subprocess.run(
                    ["sh", "-c", command], cwd=place, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
                )
                self.assertEqual((done.returncode, done.stdout), (0, answer), f"example {examples}: {command}\n{done.stderr}")
                answers += bool(answer)
        self.assertGreaterEqual(examples, 7)
        self.assertGreaterEqual(answers, examples)


if __name__ == "__main__":
    unittest.main()
