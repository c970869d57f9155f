"""Reads and checks vendor/libav/advisories.toml, for advisories_libav.py, update_libav.py and sbom.py."""

import dataclasses
import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBAV = pathlib.Path("vendor/libav")
# As in components.txt, which lists a name if it is compiled in.
LISTED = ("demuxer", "decoder", "parser", "bsf", "encoder")
# build.sh disables these kinds completely: no muxer, protocol, filter, hardware or device, and of other libraries only dav1d and zlib.
ABSENT = ("muxer", "protocol", "filter", "hwaccel", "device", "external")
# The parts of a library that are always compiled.
ALWAYS = ("core",)


class Malformed(Exception):
    """The table contains an impossible value, or a required value is missing."""


@dataclasses.dataclass(frozen=True)
class Library:
    """A C library, and the crate whose package contains its source."""

    name: str
    version: str
    crate: str
    crate_version: str
    lock: str
    license: str
    purl: str
    cpe: str


@dataclasses.dataclass(frozen=True)
class Advisory:
    """One known fault."""

    id: str
    title: str
    library: str
    component: tuple
    affected: tuple
    source: str
    fixed_in: tuple = ()
    reachable: bool | None = None
    reason: str = ""
    patch: str = ""
    published: str = ""

    def affects(self, version):
        """Whether this version has the fault, according to the table."""
        version = number(version)
        fixed = [number(release) for release in self.fixed_in]
        if fixed and (version >= max(fixed) or any(release[:2] == version[:2] and version >= release for release in fixed)):
            return False
        return any(in_range(version, one, open_end=not fixed) for one in self.affected)

    def compiled_in(self, listed):
        """Whether one of the faulty components is in the build that has the `kind:name`s `listed`."""
        return any(one in listed or one.split(":")[0] in ALWAYS for one in self.component)

    def state(self, version, listed):
        """Returns `fixed`, `not compiled in`, `unreachable`, `patched` or `open`; `undecided` if the entry has no reachability."""
        if not self.affects(version):
            return "fixed"
        if not self.compiled_in(listed):
            return "not compiled in"
        if self.reachable is None:
            return "undecided"
        if not self.reachable:
            return "unreachable"
        return "patched" if self.patch else "open"


def number(text):
    """Returns `9.0.2` as numbers. A missing part is 0."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", text):
        raise Malformed(f"'{text}' is no version")
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (4 - len(parts)))


def bounds(text):
    """Returns the comparisons of `>=9.0, <9.0.2`, each as its sign and its version."""
    for part in text.split(","):
        found = re.fullmatch(r"\s*(<=|<|>=|=)\s*(\S+)\s*", part)
        if not found:
            raise Malformed(f"'{text}' is no range of versions")
        yield found[1], found[2]


def in_range(version, text, open_end):
    """Whether the version is in the range. With `open_end`, a range that ends with `<=` has no end: no fix is known."""
    for sign, bound in bounds(text):
        bound = number(bound)
        holds = {"<": version < bound, "<=": open_end or version <= bound, ">=": version >= bound, "=": version == bound}
        if not holds[sign]:
            return False
    return True


def components(text):
    """Returns the `kind:name`s of components.txt."""
    found = set()
    for line in text.splitlines():
        kind, colon, names = line.partition(":")
        if colon and kind in LISTED:
            found.update(f"{kind}:{name}" for name in names.split())
    return found


def locked(text):
    """Returns the versions of each crate in a Cargo.lock."""
    found = {}
    for package in tomllib.loads(text)["package"]:
        found.setdefault(package["name"], []).append(package)
    return found


def many(value):
    return tuple(value) if isinstance(value, list) else (value,)


def fields(kind, entry):
    """Builds a `kind` from a table of the file. Unknown fields, missing fields and wrong types are errors."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    name = entry.get("id") or entry.get("name") or "an entry without a name"
    if unknown := sorted(entry.keys() - known.keys()):
        raise Malformed(f"{name}: unknown: {', '.join(unknown)}")
    lists = {field for field in known if known[field].type is tuple}
    values = {key: many(value) if key in lists else value for key, value in entry.items()}
    for key, value in values.items():
        if key == "reachable":
            good = isinstance(value, bool)
        else:
            good = all(isinstance(one, str) and one.strip() for one in many(list(value) if key in lists else value)) and value != ()
        if not good:
            raise Malformed(f"{name}: {key} is not of its form")
    try:
        return kind(**values)
    except TypeError as error:
        raise Malformed(f"{name}: {str(error).split(')', 1)[-1].strip()}") from None


def check(advisory, libraries):
    """Checks one entry by itself."""
    name = advisory.id
    if not re.fullmatch(r"CVE-[0-9]{4}-[0-9]{4,}", name):
        raise Malformed(f"{name} is no CVE")
    if advisory.library not in libraries:
        raise Malformed(f"{name}: '{advisory.library}' is none of the libraries")
    for one in advisory.component:
        kind, _, rest = one.partition(":")
        if kind not in LISTED + ABSENT + ALWAYS or not re.fullmatch(r"[a-z0-9_]+", rest):
            raise Malformed(f"{name}: '{one}' is no component of a known kind")
        if advisory.library != "ffmpeg" and kind not in ALWAYS:
            raise Malformed(f"{name}: {advisory.library} has no components but core")
    for one in advisory.affected:
        for sign, bound in bounds(one):
            number(bound)
            if sign == "<" and bound not in advisory.fixed_in:
                raise Malformed(f"{name}: affected ends before {bound}, which fixed_in does not have")
    for release in advisory.fixed_in:
        number(release)
    if advisory.reachable is False and not advisory.reason:
        raise Malformed(f"{name}: not reachable, without a reason")
    if advisory.patch and advisory.reachable is not True:
        raise Malformed(f"{name}: a patch for what is not said to be reachable")
    if advisory.published and not re.fullmatch(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", advisory.published):
        raise Malformed(f"{name}: published '{advisory.published}'")
    if not re.fullmatch(r"https://\S+", advisory.source):
        raise Malformed(f"{name}: source '{advisory.source}'")


def load(text):
    """Returns the libraries by name, and the advisories, of the table's text."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(f"no TOML: {error}") from None
    if unknown := table.keys() - {"searched", "library", "advisory"}:
        raise Malformed(f"unknown: {', '.join(sorted(unknown))}")
    libraries = {}
    for entry in table.get("library", []):
        library = fields(Library, entry)
        number(library.version)
        libraries[library.name] = library
    advisories, seen = [], set()
    for entry in table.get("advisory", []):
        advisory = fields(Advisory, entry)
        check(advisory, libraries)
        if advisory.id in seen:
            raise Malformed(f"{advisory.id} is there twice")
        seen.add(advisory.id)
        advisories.append(advisory)
    if not libraries or not advisories:
        raise Malformed("no libraries, or no advisories")
    return libraries, advisories
