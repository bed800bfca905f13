"""What tests of `finpipe check` share: its lines, taken apart, and that they name one fault, with its remedy and no other."""

import collections
import re

from program import ROOT

Line = collections.namedtuple("Line", "level name evidence remedy")


def documented_remedies():
    """What docs/reference says that is to be done, by the name in what check prints: of errors that of the error."""
    texts = {}
    for page in ("findings.md", "errors.md"):
        for row in (ROOT / "docs/reference" / page).read_text().splitlines():
            if name := re.match(r"\| (?:E\d+ \| )?`([a-z0-9_.]+)` \| .* \| (.+) \|$", row):
                texts[name[1]] = name[2]
    return texts


class Checked:
    """What `check` has said and its exit code; `test` is told when something is not as it must be."""

    def __init__(self, test, said, exit_code):
        self.test, self.said = test, said
        self.lines = []
        for line in said.splitlines():
            if remedy := re.fullmatch(r" {7}-> (.+)", line):
                self.lines[-1] = self.lines[-1]._replace(remedy=remedy[1])
            else:
                found = re.fullmatch(r"(ok|warn|FAULT) +(\S+) +(.+)", line)
                test.assertTrue(found, said)
                self.lines.append(Line(*found.groups(), ""))
        test.assertTrue(self.lines)
        test.assertEqual(exit_code, int(bool(self.faults())), said)

    def of(self, level):
        return [line for line in self.lines if line.level == level]

    def faults(self):
        return self.of("FAULT")

    def assert_line(self, level, name, evidence):
        """There is one of that name, with the remedy that is documented."""
        lines = [line for line in self.of(level) if line.name == name]
        self.test.assertEqual(len(lines), 1, self.said)
        self.test.assertRegex(lines[0].evidence, evidence)
        texts = documented_remedies()
        self.test.assertEqual(lines[0].remedy, texts.get(name) or texts[name.split(".")[1]])
        return self

    def assert_fault(self, name, evidence):
        """It is the one fault that was found."""
        self.test.assertEqual([line.name for line in self.faults()], [name], self.said)
        return self.assert_line("FAULT", name, evidence)

    def assert_warning(self, name, evidence):
        return self.assert_line("warn", name, evidence)

    def assert_no_fault(self):
        self.test.assertEqual(self.faults(), [], self.said)
        return self
