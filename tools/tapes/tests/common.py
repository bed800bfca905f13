"""What the tests of the tape scripts share: paths, loading a script, running one, a small source file."""

import contextlib
import csv
import gzip
import importlib.util
import io
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCES = ROOT / "data" / "source"
BINANCE_CSV = SOURCES / "binance_trades_20240808_09.csv.gz"
HEADER = ["market", "symbol", "recv_ns", "event_ms", "trade_ms", "trade_id", "price", "qty", "buyer_is_maker"]


def load_script(path):
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_source(path, trades):
    """A source file; a row is (symbol, receive time ns, trade time ms, price, size) and perhaps a market, else spot."""
    with gzip.open(path, "wt", encoding="ascii", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        for number, (symbol, received_ns, time_ms, price, size, *market) in enumerate(trades):
            rows.writerow([*(market or ["spot"]), symbol, received_ns, time_ms, time_ms, number, price, size, 0])


class ScriptTest(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def run_script(self, script, *arguments):
        """(exit code, stdout, stderr) of a script's main."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = script.main([str(argument) for argument in arguments])
            except SystemExit as exit_request:
                code = exit_request.code
        return code, out.getvalue(), err.getvalue()
