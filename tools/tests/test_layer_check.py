"""Every rule of the layer check fires on a violating sample, and stays silent on its lawful neighbour."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import layer_check  # noqa: E402


def violations_of(files):
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return layer_check.check(root)[0]


class LayerCheckTest(unittest.TestCase):
    def assert_fires(self, rule, files, line=1):
        if isinstance(files, tuple):
            files = dict([files])
        found = violations_of(files)
        self.assertEqual([(v.rule, v.line) for v in found], [(rule, line)], found)

    def assert_silent(self, *files):
        self.assertEqual(violations_of(dict(files)), [])

    def test_a_lower_floor_is_included_freely(self):
        self.assert_silent(
            ("src/app/run.cpp", '#include "pipeline/ports.h"\n#include "base/error.h"\n#include "app/cli.h"\n'),
            ("src/pipeline/process.cpp", '#include "telemetry/metrics.h"\n#include "bars/engine.h"\n'),
        )

    def test_an_upper_floor_is_not_included(self):
        self.assert_fires("floor", ("src/base/error.cpp", '#include "base/error.h"\n#include "market/trade.h"\n'), 2)

    def test_a_module_of_the_same_floor_is_not_included(self):
        self.assert_fires("floor", ("src/logs/memory.cpp", '#include "stores/memory.h"\n'))
        self.assert_fires("floor", ("src/bars/engine.cpp", '#include "codec/json.h"\n'))

    def test_tests_of_a_module_stand_on_its_floor(self):
        self.assert_fires("floor", ("src/pipeline/tests/process_test.cpp", '#include "logs/memory.h"\n'))
        self.assert_silent(("tests/contract/log_test.cpp", '#include "logs/memory.h"\n#include "stores/memory.h"\n'))

    def test_a_module_without_a_floor_is_found(self):
        self.assert_fires("floor", ("src/utils/strings.h", "#pragma once\n"))

    def test_an_include_names_its_module(self):
        self.assert_fires("floor", ("src/base/error.cpp", '#include "error.h"\n'))
        self.assert_fires("floor", ("src/base/error.cpp", '#include "utils/strings.h"\n'))

    def test_values_and_engine_do_not_know_telemetry(self):
        for module in ("codec", "bars"):
            self.assert_fires("forbidden", (f"src/{module}/a.h", '#include "telemetry/log.h"\n'))
        self.assert_fires("forbidden", ("src/market/a.h", '#include "telemetry/log.h"\n'))

    def test_a_vendor_stays_in_its_adapter(self):
        rocksdb = "#include <rocksdb/db.h>\n"
        self.assert_silent(("src/logs/embedded_log.cpp", rocksdb), ("src/stores/embedded.cpp", rocksdb))
        self.assert_fires("vendor", ("src/logs/memory.cpp", rocksdb))
        self.assert_fires("vendor", ("src/logs/embedded_log.h", rocksdb))
        self.assert_fires("vendor", ("src/app/cli.h", "#include <CLI/CLI.hpp>\n"))
        self.assert_fires("vendor", ("src/pipeline/ingest.cpp", "#include <spdlog/spdlog.h>\n"))
        self.assert_fires("vendor", ("src/feeds/tape.cpp", "#include <simdjson.h>\n"))
        self.assert_fires("vendor", ("src/base/time.cpp", "#include <date/tz.h>\n"))
        self.assert_fires("vendor", ("src/telemetry/log.cpp", "#include <toml++/toml.h>\n"))
        self.assert_fires("vendor", ("src/endpoint/server.cpp", "#include <prometheus/registry.h>\n"))

    def test_the_network_s_vendors_stay_in_its_sources_and_private_headers(self):
        beast = "#include <boost/beast/websocket/stream.hpp>\n"
        self.assert_silent(
            ("src/net/websocket_stream.cpp", beast),
            ("src/net/tls_impl.h", "#include <openssl/types.h>\n#include <boost/asio/ssl/context.hpp>\n"),
        )
        self.assert_fires("vendor", ("src/net/websocket_client.h", beast))
        self.assert_fires("vendor", ("src/feeds/finnhub.cpp", beast))
        self.assert_fires("vendor", ("src/endpoint/api.cpp", "#include <openssl/evp.h>\n"))

    def test_a_private_header_is_for_its_own_module(self):
        include = '#include "net/transport_impl.h"\n'
        self.assert_silent(("src/net/connector.cpp", include), ("src/net/tests/transport_test.cpp", include))
        self.assert_fires("private", ("src/feeds/finnhub.cpp", include))
        self.assert_fires("private", ("tests/e2e/live_test.cpp", include))

    def test_an_unknown_vendor_is_found(self):
        self.assert_fires("vendor", ("src/base/text.cpp", "#include <boost/algorithm/string.hpp>\n"))

    def test_standard_posix_and_fmt_headers_are_free(self):
        self.assert_silent(("src/base/io.cpp", "#include <vector>\n#include <sys/stat.h>\n#include <fmt/format.h>\n"))

    def test_tests_and_benchmarks_may_include_any_vendor(self):
        self.assert_silent(
            ("src/codec/tests/avro_test.cpp", "#include <avro.h>\n#include <gtest/gtest.h>\n"),
            ("src/codec/bench/frame_bench.cpp", "#include <rapidjson/reader.h>\n"),
            ("tests/e2e/damage_test.cpp", "#include <rocksdb/db.h>\n"),
        )

    def test_clocks_are_read_through_the_seam(self):
        for call in (
            "std::chrono::system_clock::now()",
            "steady_clock::now()",
            "clock_gettime(CLOCK_REALTIME, &t)",
            "gettimeofday(&t, nullptr)",
            "std::time(nullptr)",
            "time(NULL)",
            "::time(&t)",
        ):
            self.assert_fires("seam", ("src/feeds/tape.cpp", f"\nauto t = {call};\n"), 2)
            self.assert_silent(("src/base/clock.cpp", f"auto t = {call};\n"))
            self.assert_silent(("src/bars/bench/engine_bench.cpp", f"auto t = {call};\n"))

    def test_randomness_comes_through_the_seam_or_from_a_seed(self):
        for call in (
            "std::random_device{}()",
            "rand()",
            "std::rand()",
            "srand(7)",
            "drand48()",
            "getrandom(p, n, 0)",
            "std::mt19937 generator;",
            "std::mt19937_64 generator{};",
            "std::mt19937_64{}()",
        ):
            self.assert_fires("seam", ("src/pipeline/ingest.cpp", f"x = {call};\n"))
            self.assert_fires("seam", ("src/pipeline/tests/ingest_test.cpp", f"x = {call};\n"))
        self.assert_silent(("src/base/random.cpp", "std::random_device device;\n"))
        self.assert_silent(("src/pipeline/tests/ingest_test.cpp", "std::mt19937_64 generator(seed);\n"))

    def test_nothing_sleeps_not_even_a_test(self):
        for call in ("std::this_thread::sleep_for(1s)", "sleep_until(t)", "usleep(1)", "nanosleep(&t, 0)", "sleep(1)"):
            self.assert_fires("seam", ("src/app/run.cpp", f"{call};\n"))
            self.assert_fires("seam", ("tests/e2e/kill_test.cpp", f"{call};\n"))

    def test_comments_literals_and_names_alike_are_no_calls(self):
        self.assert_silent(
            ("src/app/a.cpp", '// std::rand() and sleep(1)\n/* #include "tests/x.h" \n */ auto s = "time(NULL) rand()";\n'),
            ("src/app/b.cpp", 'auto s = R"(usleep(1) ")" ;\nauto n = 1\'000\'000; char c = \'"\'; char d = \'"\';\n'),
            ("src/app/c.cpp", "engine.clock(); Engine::clock(); event_time(0); operand(1); strand(2); asleep(3);\n"),
        )

    def test_a_call_after_a_digit_separator_is_still_seen(self):
        self.assert_fires("seam", ("src/app/a.cpp", "auto n = 1'000; usleep(n); auto m = 2'000;\n"))

    def test_market_and_bars_have_no_io_and_no_threads(self):
        for header in ("chrono", "thread", "mutex", "iostream", "unistd.h"):
            self.assert_fires("purity", ("src/bars/engine.cpp", f"#include <{header}>\n"))
            self.assert_fires("purity", ("src/market/trade.h", f"#include <{header}>\n"))
            self.assert_silent(("src/pipeline/ingest.cpp", f"#include <{header}>\n"))

    def test_market_bars_and_codec_have_no_clock_and_no_randomness(self):
        for module in ("market", "bars", "codec"):
            for header in ("base/clock.h", "base/random.h"):
                self.assert_fires("purity", (f"src/{module}/a.cpp", f'#include "{header}"\n'))
                self.assert_silent((f"src/{module}/tests/a_test.cpp", f'#include "{header}"\n'))

    def test_verify_does_not_include_bars(self):
        self.assert_fires("independence", ("src/pipeline/verify_bars.cpp", '#include "bars/engine.h"\n'))
        self.assert_silent(("src/pipeline/process.cpp", '#include "bars/engine.h"\n'))

    def test_verify_does_not_reach_bars_through_a_header(self):
        files = {
            "src/pipeline/verify.cpp": '#include "pipeline/verify.h"\n#include "pipeline/process.h"\n',
            "src/pipeline/verify.h": '#include "market/bar.h"\n',
            "src/pipeline/process.h": '#include "pipeline/partition.h"\n',
            "src/pipeline/partition.h": '#include "bars/engine.h"\n',
            "src/market/bar.h": "#pragma once\n",
        }
        self.assert_fires("independence", files, 2)
        self.assertIn("pipeline/process.h -> pipeline/partition.h -> bars/engine.h", violations_of(files)[0].message)

    def test_a_directory_s_anonymous_namespaces_do_not_define_a_name_twice(self):
        def source(definition):
            return f"namespace {{\n\n{definition}\n\n}}  // namespace\n"

        for one, other in (("constexpr int kMost = 1;", "constexpr int kMost = 2;"),
                           ("struct Flags {};", "class Flags {};"),
                           ("int most(int a, long b) {\n}", "long most(int x, long y) {\n}")):
            with self.subTest(one):
                self.assert_fires("homonym", {"src/base/a.cpp": source(one), "src/base/b.cpp": source(other)}, 3)
        self.assert_silent(("src/base/a.cpp", source("int most(int a) {\n}")), ("src/base/b.cpp", source("int most(long a) {\n}")))
        self.assert_silent(("src/base/a.cpp", source("struct Flags {};")), ("src/base/tests/a.cpp", source("struct Flags {};")))

    def test_a_tree_without_sources_does_not_pass(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(layer_check.main([directory]), 1)


if __name__ == "__main__":
    unittest.main()
