"""What tools/sbom.py says a program is made of."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

STATUS = """Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.19-1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libfmt-dev
Status: install ok installed
Architecture: amd64
Version: 9.1.0+ds1-2
"""


def dependency(crate, *kinds):
    return {"pkg": crate, "dep_kinds": [{"kind": kind} for kind in kinds]}


class Sbom(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.dir = pathlib.Path(self.directory.name)
        (self.dir / "status").write_text(STATUS)
        packages = []
        for crate in ("ours", "scylla", "for-builds", "for-tests"):
            (self.dir / crate).mkdir()
            (self.dir / crate / "LICENSE-MIT").write_text(f"The licence of {crate}.\n")
            manifest = str(self.dir / crate / "Cargo.toml")
            version = "1.9.0" if crate == "scylla" else "1.0.0"
            package = {"id": crate, "name": crate, "version": version, "license": "MIT/Apache-2.0"}
            packages.append(package | {"manifest_path": manifest})
        deps = [dependency("scylla", None), dependency("for-builds", "build"), dependency("for-tests", "dev")]
        others = [{"id": crate, "deps": []} for crate in ("scylla", "for-builds", "for-tests")]
        resolve = {"root": "ours", "nodes": [{"id": "ours", "deps": deps}, *others]}
        (self.dir / "crates.json").write_text(json.dumps({"packages": packages, "resolve": resolve}))
        charts = {"version": "5.2.1", "license": "Apache-2.0", "dependencies": {"fancy-canvas": "2"}}
        modules = {
            "node_modules/lightweight-charts": charts,
            "node_modules/fancy-canvas": {"version": "2.1.0", "license": "MIT"},
            "node_modules/vite": {"version": "8.3.8", "license": "MIT"},
        }
        (self.dir / "package-lock.json").write_text(json.dumps({"packages": modules}))
        for name in ("lightweight-charts", "fancy-canvas"):
            (self.dir / "node_modules" / name).mkdir(parents=True)
        (self.dir / "node_modules/lightweight-charts/NOTICE").write_text("By TradingView.\n")

    def run_tool(self, what, *arguments):
        parts = ["--crates", self.dir / "crates.json", "--npm", self.dir]
        command = [sys.executable, "-B", ROOT / "tools/sbom.py", what, *parts]
        environment = {"SOURCE_DATE_EPOCH": "1700000000", "PATH": "/usr/bin:/bin"}
        return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, env=environment).stdout

    def test_it_names_what_is_there_and_what_is_linked_in(self):
        arguments = ["--version", "1.2.3", "--dpkg", self.dir / "status", "--headers", self.dir / "status"]
        text = self.run_tool("spdx", *arguments)
        self.assertEqual(text, self.run_tool("spdx", *arguments))
        found = json.loads(text)
        self.assertEqual(found["creationInfo"]["created"], "2023-11-14T22:13:20Z")
        packages = {package["SPDXID"]: package for package in found["packages"]}
        self.assertEqual(len(packages), len(found["packages"]))
        self.assertEqual(packages["SPDXRef-cargo-scylla-1.9.0"]["licenseDeclared"], "MIT OR Apache-2.0")
        # That of Cargo.lock.
        self.assertEqual(len(packages["SPDXRef-cargo-scylla-1.9.0"]["checksums"][0]["checksumValue"]), 64)
        purl = next(package for package in packages.values() if package["name"] == "libssl3")["externalRefs"][0]
        self.assertRegex(purl["referenceLocator"], r"^pkg:deb/debian/libssl3@.*&distro=debian-\d+&upstream=openssl$")
        related = {}
        for relation in found["relationships"]:
            name = packages[relation["relatedSpdxElement"]]["name"]
            related.setdefault(relation["relationshipType"], set()).add(name)
        self.assertEqual(related["DESCRIBES"], {"finpipe"})
        self.assertEqual(related["CONTAINS"], {"libssl3", "libfmt-dev"})
        self.assertEqual(related["STATIC_LINK"], {"libfmt-dev", "scylla", "lightweight-charts", "fancy-canvas"})

    def test_notices_hold_the_licences_of_headers(self):
        text = self.run_tool("notices", "--headers", self.dir / "status")
        self.assertIn(pathlib.Path("/usr/share/doc/libfmt-dev/copyright").read_text().strip(), text)

    def test_notices_hold_each_licence_once_and_name_what_brings_none(self):
        text = self.run_tool("notices")
        self.assertIn("scylla 1.9.0\n", text)
        self.assertIn("The licence of scylla.", text)
        self.assertIn("By TradingView.", text)
        self.assertIn("nkaz001", text)
        self.assertNotIn("for-builds", text)
        self.assertNotIn("for-tests", text)
        self.assertIn("fancy-canvas 2.1.0", text)
        self.assertIn("(no text comes with it; its licence is MIT)", text)


if __name__ == "__main__":
    unittest.main()
