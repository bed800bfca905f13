#!/usr/bin/env python3
"""What a program of ours is made of: an SPDX 2.3 document, and the licences that go with it.

  tools/sbom.py spdx --name NAME --version V [--dpkg STATUS] [--headers STATUS] --crates JSON --npm TREE > spdx.json
  tools/sbom.py notices --crates JSON --npm TREE > THIRD_PARTY_NOTICES

STATUS is a dpkg status file (/var/lib/dpkg/status): with --dpkg all of it is there at run time; with --headers the
development packages of tools/packages.sh are compiled in. JSON is what `cargo metadata` says of the Cassandra client
(crates that are linked in, not those of its tests), TREE the directory of the page's package-lock.json and
node_modules. The time of the document is SOURCE_DATE_EPOCH, or now.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
CARGO_LOCK = ROOT / "src/stores/cassandra/driver/Cargo.lock"
# What of the npm packages ends up in the page; the others build it.
BUNDLED = ("lightweight-charts",)
LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|notice|unlicense)([-_.].*)?$", re.IGNORECASE)


def dpkg_packages(status):
    """The packages that are installed: (name, version, architecture, source)."""
    for paragraph in pathlib.Path(status).read_text(encoding="utf-8").split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield fields["Package"], fields["Version"], fields["Architecture"], fields.get("Source", fields["Package"])


def header_packages(status):
    """Of the packages that are there to compile with, those that the program is made of."""
    wanted = subprocess.run([ROOT / "tools/packages.sh", "list", "run"], check=True, capture_output=True, text=True)
    names = {name for name in wanted.stdout.split() if name.endswith("-dev")}
    return [package for package in dpkg_packages(status) if package[0] in names or package[0] == "libstd-rust-web-dev"]


def linked_crates(metadata):
    """The crates that are linked in: what the client needs to run, without what its build scripts and tests need."""
    packages = {package["id"]: package for package in metadata["packages"]}
    needs = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}
    found, todo = set(), [metadata["resolve"]["root"]]
    while todo:
        crate = todo.pop()
        if crate not in found:
            found.add(crate)
            for dep in needs[crate]:
                if any(kind["kind"] is None for kind in dep["dep_kinds"]):
                    todo.append(dep["pkg"])
    found.discard(metadata["resolve"]["root"])
    return sorted((packages[crate] for crate in found), key=lambda crate: (crate["name"], crate["version"]))


def crate_checksums():
    lock = tomllib.loads(CARGO_LOCK.read_text(encoding="utf-8"))
    return {(crate["name"], crate["version"]): crate.get("checksum") for crate in lock["package"]}


def bundled_packages(tree):
    """The npm packages in the page, with what they need: (name, its entry in package-lock.json)."""
    entries = json.loads((pathlib.Path(tree) / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    found, todo = {}, list(BUNDLED)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = entries[f"node_modules/{name}"]
            todo += found[name].get("dependencies", {})
    return sorted(found.items())


def element(kind, name, version, licence, purl, sha256=None):
    """One package of an SPDX document."""
    identity = re.sub(r"[^A-Za-z0-9.-]", "-", f"SPDXRef-{kind}-{name}-{version}")
    package = {
        "SPDXID": identity,
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence or "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl},
        ],
    }
    if sha256:
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha256}]
    return package


def debian_element(package):
    name, version, architecture, source = package
    quoted = urllib.parse.quote(version, safe="")
    source = source.split()[0]
    release = re.search(r'^VERSION_ID="?([^"\n]+)', pathlib.Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE)
    where = f"arch={architecture}&distro=debian-{release[1] if release else 'unknown'}&upstream={source}"
    found = element("deb", name, version, None, f"pkg:deb/debian/{name}@{quoted}?{where}")
    found["sourceInfo"] = f"built from the Debian source package {source}"
    return found


def document(arguments):
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.datetime.now(datetime.UTC).timestamp())
    created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    purl = f"pkg:generic/finpipe@{arguments.version}"
    root = element("product", arguments.name, arguments.version, "Apache-2.0", purl)
    packages, relationships = [root], [("SPDXRef-DOCUMENT", "DESCRIBES", root["SPDXID"])]

    def add(package, relation):
        if package["SPDXID"] not in {known["SPDXID"] for known in packages}:
            packages.append(package)
        relationships.append((root["SPDXID"], relation, package["SPDXID"]))

    for package in dpkg_packages(arguments.dpkg) if arguments.dpkg else ():
        if package[0] != "finpipe":  # that is the root
            add(debian_element(package), "CONTAINS")
    for package in header_packages(arguments.headers) if arguments.headers else ():
        add(debian_element(package), "STATIC_LINK")
    checksums = crate_checksums()
    for crate in linked_crates(arguments.crates):
        name, version = crate["name"], crate["version"]
        # Old crates write "MIT/Apache-2.0" for the first of SPDX' operators.
        licence = (crate["license"] or "").replace("/", " OR ")
        purl = f"pkg:cargo/{name}@{version}"
        add(element("cargo", name, version, licence, purl, checksums.get((name, version))), "STATIC_LINK")
    for name, entry in bundled_packages(arguments.npm):
        purl = f"pkg:npm/{urllib.parse.quote(name, safe='/')}@{entry['version']}"
        add(element("npm", name, entry["version"], entry.get("license"), purl), "STATIC_LINK")
    digest = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()[:32]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{arguments.name}-{arguments.version}",
        "documentNamespace": f"urn:finpipe:sbom:{arguments.name}-{arguments.version}-{digest}",
        "creationInfo": {"created": created, "creators": ["Tool: finpipe-sbom"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relationships
        ],
    }


def licence_texts(directory):
    files = (path for path in pathlib.Path(directory).iterdir() if path.is_file())
    return sorted(path for path in files if LICENCE_FILE.match(path.name))


def notices(arguments):
    """The licences of what is linked in, each text once with all that are under it."""
    by_text = {}

    def add(name, licence, directory):
        texts = licence_texts(directory)
        if not texts:
            by_text.setdefault(f"(no text comes with it; its licence is {licence})", []).append(name)
        for path in texts:
            by_text.setdefault(path.read_text(encoding="utf-8", errors="replace").strip(), []).append(name)

    for crate in linked_crates(arguments.crates):
        name = f"{crate['name']} {crate['version']}"
        add(name, crate["license"], pathlib.Path(crate["manifest_path"]).parent)
    for name, entry in bundled_packages(arguments.npm):
        add(f"{name} {entry['version']}", entry.get("license"), pathlib.Path(arguments.npm) / "node_modules" / name)
    for name, version, *_ in header_packages(arguments.headers) if arguments.headers else ():
        text = pathlib.Path("/usr/share/doc") / name / "copyright"
        if text.is_file():
            by_text.setdefault(text.read_text(encoding="utf-8", errors="replace").strip(), []).append(f"{name} {version}")
    tape = (ROOT / "data/source/binance_trades_20240808_09.LICENSE").read_text(encoding="utf-8").strip()
    by_text.setdefault(tape, []).append("the bundled tape (data/SOURCES.md)")
    head = (
        "finpipe is under the Apache License 2.0. It contains, or is linked with, the following under their own\n"
        "licences. Those of Debian's packages are in /usr/share/doc/PACKAGE/copyright.\n"
    )
    rule = "=" * 120
    return head + "".join(f"\n{rule}\n{', '.join(names)}\n{rule}\n\n{text}\n" for text, names in by_text.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("spdx", "notices"))
    parser.add_argument("--name", default="finpipe")
    parser.add_argument("--version", default="0")
    parser.add_argument("--dpkg")
    parser.add_argument("--headers")
    parser.add_argument("--crates", required=True, type=lambda path: json.loads(pathlib.Path(path).read_text()))
    parser.add_argument("--npm", required=True)
    arguments = parser.parse_args()
    if arguments.what == "notices":
        sys.stdout.write(notices(arguments))
    else:
        json.dump(document(arguments), sys.stdout, indent=1)
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
