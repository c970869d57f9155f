#!/usr/bin/env python3
"""Writes the bill of materials of the products, as CycloneDX 1.5: `make sbom`.

Writes target/sbom/posterframe-lambda.cdx.json (the function) and target/sbom/posterframe.cdx.json (the command line program): every
crate in the graph of each, and every C library that a crate contains, with FFmpeg's patches as its pedigree.

CycloneDX can express that a component is the source of another one with patches (`pedigree`), and SPDX 2.3 cannot. This script uses
`cargo metadata` and `cargo tree`, because cargo-cyclonedx knows no C libraries, and these are what scanners of crates miss.

Crates that only run at build time (build scripts, procedural macros and their dependencies) have the scope `excluded`. The graph
covers both machines on which the program runs. There is no time and no random number: the same commit gives the same files.
"""

import functools
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from libav_table import LIBAV, ROOT, load, locked
from update_libav import crate, zlib_version

TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
# The products, and the options of their builds (Makefile: `lambda`; the program with its default features).
PRODUCTS = {
    "posterframe-lambda": ("--no-default-features", "--features", "static,lambda,png,webp"),
    "posterframe": ("--features", "static"),
}
# The crate whose presence in the graph shows that the library is linked; and file and pattern of the library's own version.
FOUND_BY = {
    "ffmpeg": ("ffmpeg-sys-next", None, None),
    "dav1d": ("ffmpeg-sys-next", "vendor/meson.build", r"version: '([^']+)'"),
    "zlib": ("ffmpeg-sys-next", None, None),
    "libwebp": ("libwebp-sys", "vendor/configure.ac", r"AC_INIT\(\[libwebp\], \[([^\]]+)\]"),
    "sqlite": ("libsqlite3-sys", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION\s+"([^"]+)"'),
    "aws-lc": ("aws-lc-sys", "aws-lc/include/openssl/base.h", r'AWSLC_VERSION_NUMBER_STRING "([^"]+)"'),
}


def metadata(*options):
    command = ["cargo", "metadata", "--quiet", "--locked", "--format-version", "1", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout)


@functools.cache
def tree(kinds, target, options):
    """Returns name and version of each compiled crate. The graph of `cargo metadata` alone also has the crates of tests and examples."""
    command = ["cargo", "tree", "--quiet", "--locked", "--edges", kinds, "--prefix", "none", "--format", "{p}", "--target", target, *options]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.splitlines()
    return {(words[0], words[1].removeprefix("v")) for words in map(str.split, lines) if words}


def graph_of(options):
    """Returns packages, edges, and the ids of the crates in the program itself, for both machines."""
    packages, edges, inside, root = {}, {}, set(), None
    for target in TARGETS:
        graph = metadata("--filter-platform", target, *options)
        root = graph["resolve"]["root"]
        compiled, linked = tree("normal,build", target, options), tree("normal,no-proc-macro", target, options)
        here = {package["id"]: package for package in graph["packages"] if (package["name"], package["version"]) in compiled}
        packages.update(here)
        inside |= {id for id, package in here.items() if (package["name"], package["version"]) in linked}
        for node in graph["resolve"]["nodes"]:
            if node["id"] in here:
                needs = {dep["pkg"] for dep in node["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])}
                edges.setdefault(node["id"], set()).update(needs & here.keys())
    return packages, edges, inside, root


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def license_of(expression):
    return [{"expression": expression.replace("/", " OR ")}] if expression else []


def crate_component(package, checksums, inside):
    name, version = package["name"], package["version"]
    component = {
        "type": "library",
        "bom-ref": purl(package),
        "name": name,
        "version": version,
        "scope": "required" if package["id"] in inside else "excluded",
        "purl": purl(package),
    }
    if package.get("license"):
        component["licenses"] = license_of(package["license"])
    if checksum := checksums.get((name, version)):
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return component


def library_component(library, checksums, patches):
    """Returns a C library's component: the library, the crate that contains its source with the crate's hash, and the patches."""
    component = {
        "type": "library",
        "bom-ref": f"c:{library.name}@{library.version}",
        "name": library.name,
        "version": library.version,
        "scope": "required",
        "licenses": license_of(library.license),
        "purl": library.purl,
        "cpe": library.cpe,
    }
    checksum = checksums.get((library.crate, library.crate_version))
    source = {"type": "distribution", "url": f"https://crates.io/crates/{library.crate}/{library.crate_version.replace('+', '%2B')}"}
    if checksum:
        source["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    component["externalReferences"] = [source]
    if patches:
        component["pedigree"] = {
            "ancestors": [{"type": "library", "name": library.name, "version": library.version, "purl": library.purl}],
            "patches": patches,
        }
    return component


def pedigree(root, advisories):
    """Returns the patches of vendor/libav, each with the faults that it fixes."""
    found = []
    for path in sorted((root / LIBAV / "patches").glob("*.patch")):
        mended = [advisory for advisory in advisories if advisory.patch == path.name]
        resolves = [
            {"type": "security", "id": advisory.id, "name": advisory.title, "source": {"name": "CVE", "url": advisory.source}} for advisory in mended
        ]
        patch = {"type": "unofficial", "diff": {"text": {"contentType": "text/x-diff", "content": path.read_text(encoding="utf-8")}, "url": path.name}}
        if resolves:
            patch["resolves"] = resolves
        found.append(patch)
    return found


def carried(library, package):
    """Returns the version in the source itself, or None if the version is not checked there."""
    _, file, pattern = FOUND_BY[library.name]
    if file is None:
        return None
    found = re.search(pattern, (package / file).read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "unknown"


def bill(name, options, libraries, advisories, checksums, sources):
    packages, edges, inside, root = graph_of(options)
    refs = {id: purl(packages[id]) for id in edges}
    components = [crate_component(packages[id], checksums, inside) for id in edges if id != root]
    linked = {packages[id]["name"]: id for id in inside}
    dependencies = {refs[id]: {refs[need] for need in needs} for id, needs in edges.items()}
    for library in libraries.values():
        by = FOUND_BY[library.name][0]
        if by not in linked:
            continue
        package = sources.get(library.crate) or pathlib.Path(packages[linked[by]]["manifest_path"]).parent
        says = zlib_version(package) if library.name == "zlib" else carried(library, package)
        if says not in (None, library.version):
            sys.exit(f"sbom: {library.crate} carries {library.name} {says}, and {LIBAV}/advisories.toml has {library.version}")
        component = library_component(library, checksums, pedigree(ROOT, advisories) if library.name == "ffmpeg" else [])
        components.append(component)
        dependencies[refs[linked[by]]].add(component["bom-ref"])
        dependencies[component["bom-ref"]] = set()
    this = packages[root]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": refs[root], "name": name, "version": this["version"], "purl": refs[root],
                "licenses": license_of(this["license"]),
            },
            "properties": [{"name": "posterframe:cargo-options", "value": " ".join(options)}],
        },
        "components": sorted(components, key=lambda component: component["bom-ref"]),
        "dependencies": [{"ref": ref, "dependsOn": sorted(needs)} for ref, needs in sorted(dependencies.items())],
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    number = f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{number}", **document}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/sbom"
    libraries, advisories = load((ROOT / LIBAV / "advisories.toml").read_text(encoding="utf-8"))
    checksums = {}
    for lock in ("Cargo.lock", str(LIBAV / "pins.lock")):
        for name, some in locked((ROOT / lock).read_text(encoding="utf-8")).items():
            checksums.update({(name, package["version"]): package["checksum"] for package in some if "checksum" in package})
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        sources = {name: crate(ROOT, name, pathlib.Path(work) / name) for name in ("ffmpeg-src", "libdav1d-sys")}
    for name, options in PRODUCTS.items():
        document = bill(name, options, libraries, advisories, checksums, sources)
        path = folder / f"{name}.cdx.json"
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        crates = sum(component["bom-ref"].startswith("pkg:cargo") for component in document["components"])
        print(f"{path}: {crates} crates, {len(document['components']) - crates} C libraries")


if __name__ == "__main__":
    main()
