"""tools/embed.py: what it puts into a program is what the files hold, and changes when they do."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRINTER = """
#include "app/embedded_files.h"
#include <cstdio>
int main() {
  for (const auto& file : finpipe::embedded_page()) {
    std::printf("%s|%s|%d|%zu\\n", file.path.data(), file.content_type.data(), file.immutable, file.bytes.size());
    std::fwrite(file.bytes.data(), 1, file.bytes.size(), stdout);
    std::puts("");
  }
  std::fwrite(finpipe::embedded_tape().data(), 1, finpipe::embedded_tape().size(), stdout);
}
"""


class EmbedTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-embed-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.page = self.dir / "dist"
        (self.page / "assets").mkdir(parents=True)

    def embed(self, *args, expect=0):
        done = subprocess.run([sys.executable, "-B", ROOT / "tools/embed.py", *args], capture_output=True, text=True)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def printed(self, *page):
        tape = self.dir / "a.tape"
        tape.write_bytes(b"the tape\n")
        self.embed("page", self.dir / "page.cpp", *page)
        self.embed("tape", self.dir / "tape.cpp", tape)
        (self.dir / "main.cpp").write_text(PRINTER, encoding="ascii")
        sources = [self.dir / name for name in ("main.cpp", "page.cpp", "tape.cpp")]
        warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        subprocess.run(
            ["g++", "-std=c++23", *warnings, f"-I{ROOT}/src", *sources, "-o", self.dir / "printer"], check=True
        )
        return subprocess.run([self.dir / "printer"], check=True, capture_output=True).stdout

    def test_files_come_out_of_the_program_byte_for_byte(self):
        every_byte = bytes(range(256))
        (self.page / "index.html").write_bytes(b"<p>\"quoted\" )asm\" \\n</p>")
        (self.page / "assets/a-1234.js").write_bytes(every_byte)
        (self.page / "assets/empty.css").write_bytes(b"")
        expected = (
            b"/assets/a-1234.js|text/javascript; charset=utf-8|1|256\n" + every_byte + b"\n"
            b"/assets/empty.css|text/css; charset=utf-8|1|0\n\n"
            b"/index.html|text/html; charset=utf-8|0|24\n<p>\"quoted\" )asm\" \\n</p>\nthe tape\n"
        )
        self.assertEqual(self.printed(self.page), expected)

    def test_without_a_page_there_are_no_files(self):
        self.assertEqual(self.printed(), b"the tape\n")

    def test_the_source_changes_with_the_file(self):
        texts = []
        for content in (b"one", b"two"):
            (self.page / "index.html").write_bytes(content)
            self.embed("page", self.dir / "page.cpp", self.page)
            texts.append((self.dir / "page.cpp").read_text())
        self.assertNotEqual(*texts)

    def test_a_file_of_unknown_type_is_refused(self):
        (self.page / "data.bin").write_bytes(b"x")
        self.assertIn("content type", self.embed("page", self.dir / "page.cpp", self.page, expect=1))


if __name__ == "__main__":
    unittest.main()
