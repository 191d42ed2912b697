#!/usr/bin/env python3
"""Checks records of Baro without Baro: Python 3.11 and its standard library; `cryptography` for signatures.

    python verify.py package DIR_OR_ZIP --key VKEY [--key VKEY] [--checkpoint FILE [--consistency FILE]]
                                    check an exported package: the log's signature, every proof, every record against
                                    its trail, every file, every signature's content
    python verify.py proofs DIR     run conformance cases of Merkle proofs

VKEY is the public key of the log, from a source that you trust: not from the package. FILE is a checkpoint of the same
log that was kept elsewhere; when it is of another size, a consistency proof (one base64 hash a line) goes with it.
Exit status: 0 all holds; 1 something does not, and each line says what; 2 it could not be checked in full.

Everything here follows the public specifications (RFC 9162, C2SP signed-note and tlog-checkpoint), and shares
nothing with the program that wrote the records.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any


class Wrong(Exception):
    """What is checked does not hold."""


# --- hashes and proofs: RFC 9162, section 2.1, by its recursive definitions


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_inclusion(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> None:
    """Raises Wrong unless the entry with the hash `leaf` is at `index` of the tree with this size and root."""
    need(is_number(index) and is_number(size) and index < size, "no such entry")
    need_hashes([leaf, root, *proof])
    need(root_by_inclusion(index, size, leaf, proof) == root, "the proof leads to another root")


def root_by_inclusion(index: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes:
    """PATH(m, D[n]): the last hash is of the part of the tree that does not hold the entry."""
    if size == 1:
        need(not proof, "the proof is too long")
        return leaf
    need(bool(proof), "the proof is too short")
    left = largest_power_below(size)
    if index < left:
        return node_hash(root_by_inclusion(index, left, leaf, proof[:-1]), proof[-1])
    return node_hash(proof[-1], root_by_inclusion(index - left, size - left, leaf, proof[:-1]))


def check_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: list[bytes]) -> None:
    """Raises Wrong unless the tree (size2, root2) begins with the tree (size1, root1).

    Nothing follows from an empty tree: it is consistent with itself only.
    """
    need(is_number(size1) and is_number(size2) and size1 <= size2, "the later log is smaller")
    need_hashes([root1, root2, *proof])
    if size1 == size2:
        need(not proof, "trees of one size need no proof")
        need(root1 == root2, "trees of one size have different roots")
        need(size1 > 0 or root1 == hashlib.sha256(b"").digest(), "this is not the root of an empty tree")
        return
    need(size1 > 0, "an empty log proves nothing about a later one")
    first, second = roots_by_consistency(size1, size2, root1, proof, whole=True)
    need(first == root1, "the proof leads to another first root")
    need(second == root2, "the proof leads to another second root")


def roots_by_consistency(
    size1: int, size2: int, root1: bytes, proof: list[bytes], *, whole: bool
) -> tuple[bytes, bytes]:
    """SUBPROOF(m, D[n], b): the roots of both trees, as the proof has them."""
    if size1 == size2:
        if whole:
            need(not proof, "the proof is too long")
            return root1, root1
        need(len(proof) == 1, "the proof has a wrong length")
        return proof[0], proof[0]
    need(bool(proof), "the proof is too short")
    left = largest_power_below(size2)
    if size1 <= left:
        first, second = roots_by_consistency(size1, left, root1, proof[:-1], whole=whole)
        return first, node_hash(second, proof[-1])
    first, second = roots_by_consistency(size1 - left, size2 - left, root1, proof[:-1], whole=False)
    return node_hash(proof[-1], first), node_hash(proof[-1], second)


def largest_power_below(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**64


def need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def need_hashes(values: list[bytes]) -> None:
    need(all(type(value) is bytes and len(value) == 32 for value in values), "a hash is not 32 bytes long")


# --- signed notes: C2SP signed-note, tlog-checkpoint, tlog-cosignature


def read_checkpoint(note: str, vkeys: list[str], origin: str | None = None) -> tuple[str, int, bytes, dict[str, int]]:
    """(origin, size, root, witnesses: name → time in seconds) of a checkpoint that a trusted key of the log signed.

    Raises Wrong for a malformed note, another log than `origin`, or a trusted key's signature that does not hold.
    """
    body, signatures = split_note(note)
    lines = body.split("\n")
    need(len(lines) >= 4 and lines[-1] == "" and all(lines[:-1]), "a checkpoint has an origin, a size and a root")
    need(re.fullmatch(r"0|[1-9][0-9]{0,19}", lines[1]) is not None, "the size is no plain decimal number")
    size, root = int(lines[1]), base64_exactly(lines[2])
    need(is_number(size) and len(root) == 32, "the size or the root is not one")
    need((size == 0) == (root == hashlib.sha256(b"").digest()), "the root does not fit the size")
    need(origin is None or lines[0] == origin, f"the checkpoint is of the log {lines[0]}, not of {origin}")
    keys = {(name, key_id): (kind, key) for name, key_id, kind, key in map(read_key, vkeys)}
    by_log, witnesses = False, {}
    for name, key_id, signature in signatures:
        if (name, key_id) not in keys:
            continue
        kind, key = keys[name, key_id]
        if kind == 4:
            need(len(signature) == 72, "a cosignature has 72 bytes")
            moment = int.from_bytes(signature[:8], "big")
            check_ed25519(key, signature[8:], f"cosignature/v1\ntime {moment}\n{body}".encode(), name)
            witnesses[name] = moment
        else:
            check_ed25519(key, signature, body.encode(), name)
            by_log = by_log or name == lines[0]
    need(by_log, f"no trusted key of the log {lines[0]} has signed the checkpoint")
    return lines[0], size, root, witnesses


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The signed text, and (name, key id, signature) of each signature."""
    need(len(note) <= 1_000_000, "the note is too long")
    need(not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", note), "the note holds control characters")
    body, gap, rest = note.rpartition("\n\n")
    need(bool(gap) and rest.endswith("\n"), "the note has no signatures, or does not end with its last line")
    found = []
    for line in rest[:-1].split("\n"):
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        need(match is not None, "a signature line is malformed")
        assert match is not None
        signature = base64_exactly(match[2])
        need(len(signature) > 4, "a signature is too short")
        found.append((match[1], signature[:4], signature[4:]))
    need(len(found) <= 100, "the note has too many signatures")
    return body + "\n", found


def read_key(vkey: str) -> tuple[str, bytes, int, bytes]:
    """(name, id, kind, key): kind 1 signs for a log, kind 4 is a witness."""
    parts = vkey.strip().split("+", 2)
    need(len(parts) == 3 and re.fullmatch(r"[^\s+]+", parts[0]) is not None, f"not a key: {vkey}")
    data = base64_exactly(parts[2])
    need(len(data) == 33 and data[0] in (1, 4), f"not a key of a known kind: {vkey}")
    key_id = hashlib.sha256(parts[0].encode() + b"\n" + data).digest()[:4]
    need(key_id.hex() == parts[1], f"the key does not have the id that it names: {vkey}")
    return parts[0], key_id, data[0], data[1:]


def check_ed25519(key: bytes, signature: bytes, message: bytes, name: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Wrong(f"the signature of {name} does not hold") from error


def base64_exactly(text: str) -> bytes:
    """Standard base64 in its canonical form, and nothing else."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Wrong("not base64") from error
    need(base64.b64encode(value).decode() == text, "not the canonical form of base64")
    return value


# --- packages

FORMAT = "baro.package.1"
MOST_FILES, MOST_BYTES, MOST_TEXT, MOST_LINE = 100_000, 1 << 40, 1 << 30, 1 << 28
BARE = ("manifest.json", "checkpoint.txt", "log.jsonl")
"""Files that the export's own entry cannot name, because they hold its proof."""
EXPORT = "ledger_exportedpackage"
CHUNK = 1 << 20


class Source:
    """The files of a package: names, sizes and bytes, none of them trusted."""

    def __init__(self, sizes: dict[str, int]) -> None:
        need(len(sizes) <= MOST_FILES, "the package has too many files")
        need(sum(sizes.values()) <= MOST_BYTES, "the package is too large")
        for name in sizes:
            need_plain(name)
        self.sizes = sizes

    def open(self, name: str) -> Any:
        raise NotImplementedError

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """A whole file, of which no more is read than it says it has."""
        need(name in self.sizes, f"{name} is missing")
        need(self.sizes[name] <= most, f"{name} is too large")
        with self.open(name) as file:
            content: bytes = file.read(self.sizes[name] + 1)
        need(len(content) == self.sizes[name], f"{name} has another size than it says")
        return content

    def digest(self, name: str) -> str:
        state, left = hashlib.sha256(), self.sizes[name]
        with self.open(name) as file:
            while chunk := file.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                need(left >= 0, f"{name} is larger than it says")
                state.update(chunk)
        need(left == 0, f"{name} is shorter than it says")
        return state.hexdigest()

    def outside(self) -> Iterator[str]:
        """What is wrong with the container itself."""
        yield from ()


class Folder(Source):
    def __init__(self, path: Path) -> None:
        self.path = path
        sizes = {}
        self.folders = set()
        for root, folders, files in os.walk(path):
            for name in [*folders, *files]:
                whole = Path(root, name)
                relative = whole.relative_to(path).as_posix()
                need(not whole.is_symlink(), f"{relative!a} is a link")
                if name in folders:
                    self.folders.add(relative)
                else:
                    need(whole.is_file(), f"{relative!a} is no plain file")
                    sizes[relative] = whole.stat().st_size
            need(len(sizes) <= MOST_FILES, "the package has too many files")
        super().__init__(sizes)

    def open(self, name: str) -> Any:
        return (self.path / name).open("rb")

    def outside(self) -> Iterator[str]:
        parents = {parent.as_posix() for name in self.sizes for parent in Path(name).parents}
        for extra in sorted(self.folders - parents):
            yield f"{extra!a}: a folder that holds nothing"


class Zip(Source):
    """A zip whose every byte follows from its files: stored, in the order of names, without dates."""

    def __init__(self, file: Any) -> None:
        self.file = file
        try:
            self.zip = zipfile.ZipFile(file)
            infos = self.zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, struct.error, NotImplementedError) as error:
            raise Wrong(f"the package cannot be read as a zip: {error}") from error
        for info in infos:
            named("the zip's directory", need_plain, info.filename)
            need(info.compress_type == zipfile.ZIP_STORED, f"{info.filename} is compressed")
            need(info.compress_size == info.file_size, f"{info.filename} is not as large as it says")
            need(not info.flag_bits & ~0x800, f"{info.filename} is encrypted or of another kind")
        names = [info.filename for info in infos]
        need(names == sorted(set(names)), "the files of the zip are not in order, or one is there twice")
        super().__init__({info.filename: info.file_size for info in infos})
        file.seek(0, os.SEEK_END)
        need(sum(self.sizes.values()) <= file.tell(), "the zip says that its files are larger than it is")

    def open(self, name: str) -> Any:
        try:
            return Opened(self.zip.open(name), name)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, NotImplementedError) as error:
            raise Wrong(f"{name} cannot be read: {error}") from error

    def outside(self) -> Iterator[str]:
        with tempfile.SpooledTemporaryFile(max_size=64 * CHUNK) as again:
            write_zip(again, [(name, lambda name=name: self.open(name)) for name in self.sizes])
            again.seek(0)
            self.file.seek(0)
            at = 0
            while True:
                found, expected = self.file.read(CHUNK), again.read(CHUNK)
                if found != expected:
                    place = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
                    at += min(len(found), len(expected)) if place is None else place
                    yield f"{self.member(at)}: the zip has other bytes than its files give, from byte {at}"
                    return
                if not found:
                    return
                at += len(found)

    def member(self, at: int) -> str:
        before = [info.filename for info in self.zip.infolist() if info.header_offset <= at < self.zip.start_dir]
        return before[-1] if before else "the zip's directory"


class Opened:
    """A file of a zip whose damage is told as what it is."""

    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name

    def read(self, size: int) -> bytes:
        try:
            content: bytes = self.file.read(size)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
            raise Wrong(f"{self.name} is damaged: {error}") from error
        return content

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


class Memory(Source):
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        super().__init__({name: len(content) for name, content in files.items()})

    def open(self, name: str) -> Any:
        return io.BytesIO(self.files[name])


def write_zip(target: Any, files: list[tuple[str, Callable[[], Any]]]) -> None:
    """The one zip that these files give. Each is opened, read by pieces, and closed."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        for name, opened in sorted(files, key=lambda file: file[0]):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            with opened() as source, out.open(info, "w", force_zip64=False) as member:
                while chunk := source.read(CHUNK):
                    member.write(chunk)


def need_plain(name: str) -> None:
    """Names that stay inside the package, on every system."""
    parts = name.split("/")
    plain = re.fullmatch(r"[\w.+@~ -]+(/[\w.+@~ -]+)*", name, re.ASCII) is not None
    inside = all(part.strip(". ") and not part.endswith((".", " ")) for part in parts)
    files = not any(re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", part, re.IGNORECASE) for part in parts)
    need(plain and inside and files and len(name) <= 400, f"{name!a} is no name of a file of a package")


def opened_package(path: Path) -> Source:
    if path.is_dir():
        return Folder(path)
    need(path.is_file(), f"{path} is neither a folder nor a file")
    return Zip(path.open("rb"))


def parsed(words: list[str]) -> dict[str, Any] | None:
    """The options of `package`; None when they are not ones."""
    options: dict[str, Any] = {"keys": [], "checkpoint": None, "consistency": None}
    while len(words) >= 2:
        name, value, *words = words
        if name == "--key":
            options["keys"].append(value)
        elif name == "--checkpoint":
            options["checkpoint"] = Path(value)
        elif name == "--consistency":
            options["consistency"] = Path(value)
        else:
            return None
    return None if words else options


def package(path: Path, keys: list[str], checkpoint: Path | None, consistency: Path | None) -> int:
    """Check a package and say what was found. 0: all holds, 1: something does not, 2: not checked in full."""
    try:
        kept = checkpoint.read_text(encoding="utf-8") if checkpoint else None
        proof = consistency.read_text(encoding="utf-8").split() if consistency else None
    except (OSError, ValueError) as error:
        say(f"cannot be read: {error}")
        return 2
    check = Check()
    check.run(lambda: opened_package(path), keys, kept, proof)
    for problem in check.wrong:
        say(f"WRONG  {problem}")
    for note in check.notes:
        say(f"NOTE   {note}")
    for what in check.open:
        say(f"OPEN   {what}")
    state = "NOT as it was exported" if check.wrong else "holds, BUT see above" if check.open else "holds"
    say(
        f"{check.name or path.name}: {state}; {check.entries} entries proven, {check.rows} records, {check.files} files"
    )
    return 1 if check.wrong else 2 if check.open else 0


class Check:
    """One check of one package. wrong: what does not hold. open: what could not be checked. notes: what to know.

    exported: the record of the export, as its proven entry says it.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.notes: list[str] = []
        self.name = ""
        self.exported: dict[str, Any] = {}
        self.entries = self.rows = self.files = 0

    def run(
        self, opened: Callable[[], Source], keys: list[str], kept: str | None = None, proof: list[str] | None = None
    ) -> None:
        """`all`, with whatever makes it end as a finding."""
        try:
            self.all(opened(), keys, kept, proof)
        except Wrong as error:
            self.no(str(error))
        except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
            self.no(f"the package is not of the form it should have: {error!r}")

    def all(self, source: Source, keys: list[str], kept: str | None = None, proof: list[str] | None = None) -> None:
        """Everything. Raises Wrong where nothing further can be said."""
        self.wrong += source.outside()
        manifest = self.manifest(source)
        size, root = self.checkpoint(source, manifest, keys, kept, proof)
        leaves = self.log(source, size, root)
        self.entries = len(leaves)
        contents = self.export(manifest, leaves)
        self.the_files(source, contents)
        rows = self.records(source, contents, leaves, manifest["export"])
        self.rows = sum(len(of_table) for of_table in rows.values())
        self.observations(source, rows)
        self.artefacts(source, rows)
        self.signatures(source, rows)

    def no(self, problem: str) -> None:
        self.wrong.append(problem)

    # -- what holds the rest together

    def manifest(self, source: Source) -> dict[str, Any]:
        raw = source.read("manifest.json")
        manifest = as_json(raw, "manifest.json")
        need(isinstance(manifest, dict), "manifest.json is no object")
        need(set(manifest) == {"format", "name", "export", "contents", "log", "key"}, "manifest.json has other fields")
        need(manifest["format"] == FORMAT, f"manifest.json: the format is {manifest['format']!a}, not {FORMAT}")
        need(all(type(manifest[name]) is str for name in ("name", "export", "log", "key")), "manifest.json is not one")
        need(manifest_text(manifest) == raw, "manifest.json is not written as it was")
        self.name = manifest["name"]
        return manifest

    def checkpoint(
        self, source: Source, manifest: dict[str, Any], keys: list[str], kept: str | None, proof: list[str] | None
    ) -> tuple[int, bytes]:
        note = as_text(source.read("checkpoint.txt", 1_000_000), "checkpoint.txt")
        if not keys:
            self.open.append(
                "THE IDENTITY OF THE LOG IS NOT PINNED: give --key. Whoever made this package chose its key"
            )
        trusted = keys or [manifest["key"]]
        known = [read_key(key) for key in trusted]
        need(manifest["key"] in trusted, f"manifest.json: the key {manifest['key']!a} is not the one that you trust")
        origin, size, root, _ = named("checkpoint.txt", read_checkpoint, note, trusted, known[0][0])
        need(manifest["log"] == origin, f"manifest.json: the log is {manifest['log']!a}, the checkpoint's is {origin}")
        _, signatures = split_note(note)
        for name, key_id, _ in signatures:
            if (name, key_id) not in [key[:2] for key in known]:
                self.no(f"checkpoint.txt: a signature of {name}, whose key is not known")
        if len({line[:2] for line in signatures}) < len(signatures):
            self.no("checkpoint.txt: a signature is there twice")
        need(size > 0, "checkpoint.txt: the log is empty, so it proves nothing")
        if kept is not None:
            self.outside_checkpoint(kept, proof, trusted, origin, size, root)
        return size, root

    def outside_checkpoint(
        self, kept: str, proof: list[str] | None, keys: list[str], origin: str, size: int, root: bytes
    ) -> None:
        _, other_size, other_root, _ = named("the checkpoint kept outside", read_checkpoint, kept, keys, origin)
        need(other_size > 0, "the checkpoint kept outside is of an empty log, which proves nothing")
        if other_size != size and proof is None:
            self.open.append(
                f"the checkpoint kept outside is of size {other_size}, this one of {size}: ask for a consistency proof"
            )
            return
        hashes = [base64_exactly(text) for text in proof or []]
        first, second = sorted([(size, root), (other_size, other_root)])
        named("the checkpoint kept outside", check_consistency, first[0], second[0], first[1], second[1], hashes)

    def log(self, source: Source, size: int, root: bytes) -> list[tuple[int, dict[str, Any], bytes]]:
        """(index, leaf, leaf hash) of every entry whose proof holds, in order."""
        leaves, before = [], -1
        content = source.read("log.jsonl")
        need(content.endswith(b"\n"), "log.jsonl does not end with its last line")
        for number, raw in enumerate(content[:-1].split(b"\n"), 1):
            where = f"log.jsonl, line {number}"
            try:
                line = as_json(raw, where)
                need(isinstance(line, dict) and set(line) == {"index", "leaf", "proof"}, f"{where}: other fields")
                index, text, proof = line["index"], line["leaf"], line["proof"]
                need(is_number(index) and type(text) is str and type(proof) is list, f"{where}: is no entry")
                need(all(type(value) is str for value in proof), f"{where}: is no entry")
                need(log_line(index, text, proof) == raw, f"{where}: is not written as it was")
                need(index > before, f"{where}: index {index} comes after {before}")
                before = index
                hashed = leaf_hash(text.encode())
                hashes = [base64_exactly(value) for value in proof]
                named(f"{where}, entry at index {index}", check_inclusion, index, size, hashed, hashes, root)
                leaf = as_json(text.encode(), where, exact=True)
                need(isinstance(leaf, dict) and leaf.get("v") == 1, f"{where}: a leaf of another version")
                leaves.append((index, leaf, hashed))
            except (Wrong, UnicodeEncodeError) as error:
                self.no(str(error))
        return leaves

    def export(self, manifest: dict[str, Any], leaves: list[tuple[int, dict[str, Any], bytes]]) -> dict[str, Any]:
        """The list of contents, as the proven entry of the export says it."""
        mine = [
            (leaf, hashed)
            for _, leaf, hashed in leaves
            if leaf.get("table_name") == EXPORT and leaf.get("record_id") == manifest["export"]
        ]
        need(len(mine) == 1, f"log.jsonl: the entry of the export {manifest['export']!a} is not proven")
        leaf = mine[0][0]
        need(leaf["action"] == "insert" and isinstance(leaf.get("new"), dict), "the entry of the export is none")
        contents = leaf["new"].get("contents")
        shape = {"subject": str, "tables": dict, "files": dict, "trail": dict}
        good = isinstance(contents, dict) and all(type(contents.get(name)) is kind for name, kind in shape.items())
        need(good, "the entry of the export does not list its contents")
        self.exported = leaf["new"]
        if contents != plain(manifest["contents"]):
            self.no("manifest.json: the list of contents is not the one that was recorded")
        if manifest["name"] != leaf["new"].get("name"):
            self.no(f"manifest.json: the name is not the one that was recorded, {leaf['new'].get('name')}")
        others = sorted(
            (leaf["id"], hashed) for _, leaf, hashed in leaves if leaf is not mine[0][0] and is_number(leaf.get("id"))
        )
        found = hashlib.sha256(b"".join(hashed for _, hashed in others)).hexdigest()
        told = contents["trail"]
        if (len(others), found) != (told.get("entries"), told.get("sha256")):
            self.no(f"log.jsonl: {len(others)} entries, and not the {told.get('entries')} that were exported")
        return contents

    def the_files(self, source: Source, contents: dict[str, Any]) -> None:
        listed = contents["files"]
        for name in sorted(set(source.sizes) - set(listed) - set(BARE)):
            self.no(f"{name}: is not of this package")
        for name, told in sorted(listed.items()):
            if name not in source.sizes:
                self.no(f"{name}: is missing")
            elif source.sizes[name] != told.get("size"):
                self.no(f"{name}: has {source.sizes[name]} bytes, not {told.get('size')}")
            elif (found := source.digest(name)) != told.get("sha256"):
                self.no(f"{name}: has the SHA-256 {found}, not {told.get('sha256')}")
        self.files = len(source.sizes)

    # -- the records

    def records(
        self,
        source: Source,
        contents: dict[str, Any],
        leaves: list[tuple[int, dict[str, Any], bytes]],
        export: str,
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """Rows by table and key. Each row of an audited table has to be what its proven entries say, and no more."""
        folds: dict[tuple[str, str], dict[str, Any] | None] = {}
        for index, leaf, _ in leaves:
            key = (str(leaf.get("table_name")), str(leaf.get("record_id")))
            self.step(folds, key, leaf, f"{key[0]} {key[1]}, entry at index {index}")
        rows: dict[str, dict[str, dict[str, Any]]] = {}
        for table, told in sorted(contents["tables"].items()):
            rows[table] = self.table(source, table, told)
            for key, row in rows[table].items():
                if told.get("proof") != "trail":
                    continue
                fold = folds.pop((table, key), None)
                if fold is None:
                    self.no(f"{table} {key}: a record without a proven trail")
                    continue
                for field in sorted(fold.keys() | row.keys()):
                    # a column that is younger than the record stands in the row only, and empty
                    if fold.get(field) != row.get(field):
                        self.no(f"{table} {key}, {field}: is not what the trail says")
        folds.pop((EXPORT, export), None)
        for (table, key), fold in sorted(folds.items()):
            if fold is not None:
                self.no(f"{table} {key}: the trail knows it, but the record is missing")
        return rows

    def step(self, folds: dict[tuple[str, str], Any], key: tuple[str, str], leaf: dict[str, Any], where: str) -> None:
        old, new, before = leaf.get("old"), leaf.get("new"), folds.get(key)
        match leaf.get("action"):
            case "insert" if isinstance(new, dict) and before is None:
                folds[key] = dict(new)
            case "update" if isinstance(new, dict) and isinstance(old, dict) and before is not None:
                if any(before.get(field) != value for field, value in old.items()):
                    self.no(f"{where}: does not follow from the entries before")
                folds[key] = before | new
            case "delete" if before is not None:
                folds[key] = None
            case _:
                self.no(f"{where}: does not follow from the entries before")

    def table(self, source: Source, table: str, told: dict[str, Any]) -> dict[str, dict[str, Any]]:
        name = f"records/{table}.jsonl"
        found: dict[str, dict[str, Any]] = {}
        try:
            content = source.read(name)
            lines = content[:-1].split(b"\n") if content else []
            for number, line in enumerate(lines, 1):
                row = as_json(line, f"{name}, line {number}", exact=True)
                need(isinstance(row, dict) and "id" in row, f"{name}, line {number}: is no record")
                key = str(row["id"])
                need(key not in found, f"{name}, line {number}: the record {key} is there twice")
                found[key] = row
            need(len(found) == told.get("rows"), f"{name}: {len(found)} records, not {told.get('rows')}")
        except Wrong as error:
            self.no(str(error))
        return found

    def observations(self, source: Source, rows: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Sealed files against their catalogue, the catalogue against the digests of its blocks."""
        blocks = rows.get("historian_block", {})
        named_files, held = set(), set()
        for key, segment in rows.get("historian_segment", {}).items():
            name = "raw/" + str(segment.get("path")).rsplit("/", 1)[-1]
            named_files.add(name)
            digest = str(segment.get("file_digest")).removeprefix("\\x")
            if name not in source.sizes:
                self.no(f"{name}: a sealed file that is missing")
            elif (found := source.digest(name)) != digest:
                self.no(f"{name}: has the SHA-256 {found}, not {digest} as when it was sealed")
            mine = [blocks.get(str(block)) for block in segment.get("blocks", [])]
            held |= {str(block) for block in segment.get("blocks", [])}
            if None in mine:
                self.no(f"historian_segment {key}: a block of it is missing")
                continue
            ordered = sorted(mine, key=lambda row: (row["epoch"], row["first_seq"]))
            root = hashlib.sha256(b"".join(bytes_of(row["digest"]) for row in ordered)).digest()
            if root != bytes_of(segment.get("root_digest")):
                self.no(f"historian_segment {key}: its blocks have other digests")
        for name in sorted(source.sizes):
            if name.startswith("raw/") and name not in named_files:
                self.no(f"{name}: no sealed file of this lot")
        for key in sorted(set(blocks) - held):
            self.no(f"historian_block {key}: is in no sealed file")
        for key, row in rows.get("pat_predictionblock", {}).items():
            if hashlib.sha256(bytes_of(row.get("body"))).digest() != bytes_of(row.get("digest")):
                self.no(f"pat_predictionblock {key}: has another SHA-256 than recorded")

    def artefacts(self, source: Source, rows: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Certificates and models as files and as records, which have to be the same."""
        for key, row in rows.get("release_certificate", {}).items():
            pdf, name = bytes_of(row.get("pdf")), f"certificates/{key}.pdf"
            if hashlib.sha256(pdf).hexdigest() != row.get("sha256"):
                self.no(f"release_certificate {key}: the PDF has another SHA-256 than recorded")
            if name not in source.sizes or source.digest(name) != row.get("sha256"):
                self.no(f"{name}: is not the certificate that was issued")
        for key, row in rows.get("pat_calibrationmodel", {}).items():
            told = str(row.get("description")).encode()
            if hashlib.sha256(told).hexdigest() != row.get("digest"):
                self.no(f"pat_calibrationmodel {key}: the description is not the model's")
                continue
            arrays = as_json(told, f"pat_calibrationmodel {key}").get("arrays_sha256")
            if hashlib.sha256(bytes_of(row.get("arrays"))).hexdigest() != arrays:
                self.no(f"pat_calibrationmodel {key}: the arrays are not the model's")

    # -- the signatures

    def signatures(self, source: Source, rows: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Each signature fits its seal, its content fits its hash, and the content is what the record says."""
        content_of: dict[str, Any] = {}
        for number, line in enumerate(source.read("signed.jsonl").splitlines(), 1):
            signed = as_json(line, f"signed.jsonl, line {number}")
            need(isinstance(signed, dict) and set(signed) == {"signature", "content"}, f"signed.jsonl, line {number}")
            content_of[str(signed["signature"])] = signed["content"]
        known = rows.get("ledger_signature", {})
        for key in sorted(set(content_of) ^ set(known)):
            self.no(f"ledger_signature {key}: signature and signed content are not both there")
        for key in sorted(set(content_of) & set(known)):
            row, content = known[key], content_of[key]
            where = f"signature {key} of {row.get('signer_name')}"
            if seal_of(row) != row.get("seal"):
                self.no(f"{where}: was altered or is of another record")
            if canonical_hash(content) != row.get("content_hash"):
                self.no(f"{where}: does not stand for its content")
            problem = content_differs(row, content, rows)
            if problem is None:
                self.notes.append(
                    f"{where}: its content is proven; what it says of {row.get('record_type')} is not held"
                    " against the record here"
                )
            elif problem:
                self.no(f"{where}: {problem}")


def seal_of(row: dict[str, Any]) -> str:
    moment = datetime.fromisoformat(str(row.get("signed_at"))).astimezone(UTC).isoformat(timespec="microseconds")
    return canonical_hash(
        {
            "signature": row.get("id"),
            "content": row.get("content_hash"),
            "record": [row.get("record_type"), row.get("record_id")],
            "signer": [row.get("signer_id"), row.get("signer_name"), row.get("signer_role")],
            "meaning": row.get("meaning"),
            "reason": row.get("reason"),
            "signed_at": moment,
        }
    )


def content_differs(row: dict[str, Any], content: Any, rows: dict[str, dict[str, dict[str, Any]]]) -> str | None:
    """Where signed content and record differ, "" where they do not; None for a kind of record not known here."""
    need(isinstance(content, dict), "signed content is no object")
    key = str(row.get("record_id"))
    match row.get("record_type"):
        case "release.Verdict":
            verdict = rows.get("release_verdict", {}).get(key)
            if verdict is None:
                return "the signed verdict is not there"
            lot = rows.get("manufacturing_lot", {}).get(str(verdict.get("lot_id")), {})
            decisions = rows.get("release_decision", {}).values()
            mine = [each for each in decisions if each.get("signature_id") == row.get("id")]
            says = {
                "lot": lot.get("lot_no"),
                "verdict": key,
                "verdict_hash": verdict.get("content_hash"),
                "verdict_says": canonical_hash(
                    {"lot": lot.get("lot_no")} | {name: verdict.get(name) for name in ("state", "criteria", "evidence")}
                ),
                "outcome": mine[0].get("outcome") if mine else None,
                "reason": mine[0].get("reason") if mine else None,
            }
        case "quality.ControlStrategy":
            strategy = rows.get("quality_controlstrategy", {}).get(key)
            if strategy is None:
                return "the signed strategy is not there"
            criteria = [
                each for each in rows.get("quality_releasecriterion", {}).values() if each.get("strategy_id") == key
            ]
            signed = content.get("criteria")
            names = list(signed[0]) if isinstance(signed, list) and signed and isinstance(signed[0], dict) else []
            says = {
                "product": rows.get("quality_product", {}).get(str(strategy.get("product_id")), {}).get("code"),
                "version": strategy.get("version"),
                "model": strategy.get("model_digest"),
                "criteria": [
                    {name: each.get(name) for name in names}
                    for each in sorted(criteria, key=lambda each: each["position"])
                ],
            }
        case "pat.CalibrationModel":
            model = rows.get("pat_calibrationmodel", {}).get(key)
            if model is None:
                return "the signed model is not there"
            says = {name: model.get(name) for name in ("code", "version", "digest")}
            if model.get("method_id") is not None:
                data_set = rows.get("pat_dataset", {}).get(str(model.get("data_set_id")), {})
                says |= {"data_set": data_set.get("digest"), "validation": validation(row, key, rows)}
        case "pat.Protocol" | "pat.Deployment" | "pat.ModelChange" as kind:
            record = rows.get(kind.lower().replace(".", "_"), {}).get(key)
            if record is None:
                return f"the signed {kind} is not there"
            says = life(kind, record, content, rows)
        case _:
            return None
    for name, value in says.items():
        if plain_number(content.get(name)) != plain_number(value):
            return f"what the record says of {name} is not what was signed"
    return "" if set(content) == set(says) else "the signed content has other fields than the record"


def canonical_hash(content: Any) -> str:
    text = json.dumps(plain_number(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def validation(row: dict[str, Any], model: str, rows: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """What each validation of a model had found when a signature was given."""
    signed = datetime.fromisoformat(str(row.get("signed_at")))
    protocols = {key for key, one in rows.get("pat_protocol", {}).items() if str(one.get("model_id")) == model}
    return {
        key: run.get("passed")
        for key, run in rows.get("pat_validationrun", {}).items()
        if str(run.get("protocol_id")) in protocols and datetime.fromisoformat(str(run.get("recorded_at"))) <= signed
    }


def life(
    kind: str, record: dict[str, Any], content: dict[str, Any], rows: dict[str, dict[str, dict[str, Any]]]
) -> dict[str, Any]:
    """What a protocol, a use or a change of a model says. Who drafted or asked for it, and when, is as signed where the
    record names nobody: it was imported without its accounts."""

    def other(table: str, column: str) -> dict[str, Any]:
        return rows.get(table, {}).get(str(record.get(column)), {})

    def person(name: str) -> Any:
        return record.get(f"{name}_id") or content.get(name)

    def asked() -> Any:
        told, held = str(content.get("requested_at")), str(record.get("requested_at"))
        return told if datetime.fromisoformat(told) == datetime.fromisoformat(held) else held

    if kind == "pat.Protocol":
        says = {name: other(*where).get("digest") for name, where in PROTOCOL.items()}
        says |= {"criteria": record.get("criteria"), "drafted_by": person("drafted_by")}
        return says if record.get("others_id") is not None else {k: v for k, v in says.items() if k != "others"}
    if kind == "pat.Deployment":
        model, instrument = other("pat_calibrationmodel", "model_id"), other("plant_instrument", "instrument_id")
        return {
            "model": f"{model.get('code')} v{model.get('version')}",
            "digest": model.get("digest"),
            "instrument": instrument.get("code"),
            "source": instrument.get("source"),
            "role": record.get("role"),
            "requested_by": person("requested_by"),
            "requested_at": asked(),
        }
    return {
        "method": other("pat_method", "method_id").get("code"),
        "old": other("pat_calibrationmodel", "old_id").get("digest"),
        "new": other("pat_calibrationmodel", "new_id").get("digest"),
        "kind": record.get("kind"),
        "differences": record.get("differences"),
        "description": record.get("description"),
        "requested_by": person("requested_by"),
        "requested_at": asked(),
    }


PROTOCOL = {
    "model": ("pat_calibrationmodel", "model_id"),
    "test_set": ("pat_dataset", "test_set_id"),
    "others": ("pat_dataset", "others_id"),
}
"""Where the digests of a protocol's content stand: table, and column of its own."""


def plain_number(value: Any) -> Any:
    """Exact decimals as the floats that they were."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: plain_number(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain_number(each) for each in value]
    return value


def plain(value: Any) -> Any:
    """A value as it comes back from JSON with exact numbers."""
    return as_json(json.dumps(value).encode(), "", exact=True)


def bytes_of(value: Any) -> bytes:
    """Bytes as the database writes them into JSON."""
    try:
        return bytes.fromhex(str(value).removeprefix("\\x"))
    except ValueError as error:
        raise Wrong(f"not bytes: {str(value)[:40]!a}") from error


def manifest_text(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def log_line(index: int, leaf: str, proof: list[str]) -> bytes:
    line = {"index": index, "leaf": leaf, "proof": proof}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def as_text(raw: bytes, name: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Wrong(f"{name} is not UTF-8") from error


def as_json(raw: bytes, name: str, *, exact: bool = False) -> Any:
    """JSON in which no name comes twice; numbers exactly when asked. Raises Wrong."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        need(len(found) == len(pairs), f"{name}: a name comes twice")
        return found

    def never(constant: str) -> Any:
        raise Wrong(f"{name}: {constant} is no number")

    need(len(raw) <= MOST_LINE, f"{name} is too long")
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=once,
            parse_float=Decimal if exact else None,
            parse_constant=never,
        )
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{name} is not JSON: {error}") from error


def named(name: str, check: Callable[..., Any], *claim: Any) -> Any:
    """Run a check; what is wrong bears the name of what was checked."""
    try:
        return check(*claim)
    except Wrong as error:
        raise Wrong(f"{name}: {error}") from error


# --- conformance cases


def proofs(folder: Path) -> int:
    """Run all cases of a folder. 0: all right, 1: some wrong, 2: there is none."""
    files = right = wrong = 0
    for path in sorted(folder.rglob("*.json")):
        problems = list(run_file(path))
        if not problems:
            continue
        files += 1
        bad = [problem for problem in problems if problem]
        right, wrong = right + len(problems) - len(bad), wrong + len(bad)
        say(f"{'WRONG' if bad else 'right'}  {path.relative_to(folder)}  ({len(problems)})")
        for problem in bad:
            say(f"       {problem}")
    say(f"{files} files, {right} right, {wrong} wrong")
    return 2 if not files else int(wrong > 0)


def run_file(path: Path) -> Iterator[str]:
    """For each case of a file what is wrong with its outcome, "" for nothing."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        yield f"not readable: {error}"
        return
    if isinstance(content, list):
        trees = [tree for tree in content if isinstance(tree, dict) and "Size" in tree and "Root" in tree]
        if trees:
            yield from run_trees(trees)
    elif isinstance(content, dict) and "proof" in content:
        if "leafIdx" in content or "treeSize" in content:
            yield run_case(content, case_inclusion)
        elif "size1" in content or "size2" in content:
            yield run_case(content, case_consistency)


def run_case(case: dict[str, Any], check: Callable[[dict[str, Any]], None]) -> str:
    expected = case.get("wantErr")
    if type(expected) is not bool:
        return "the case does not say what is expected"
    try:
        check(case)
    except (Wrong, KeyError, TypeError, ValueError) as error:
        return "" if expected else f"refused, and it holds: {error!r}"
    return "accepted, and it does not hold" if expected else ""


def hashes_of(proof: Any) -> list[bytes]:
    need(proof is None or isinstance(proof, list), "the proof is no list")
    return [base64.b64decode(text, validate=True) for text in proof or []]


def case_inclusion(case: dict[str, Any]) -> None:
    proof = hashes_of(case["proof"])
    leaf, root = (base64.b64decode(case[name], validate=True) for name in ("leafHash", "root"))
    check_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root)


def case_consistency(case: dict[str, Any]) -> None:
    proof = hashes_of(case["proof"])
    root1, root2 = (base64.b64decode(case[name], validate=True) for name in ("root1", "root2"))
    check_consistency(case["size1"], case["size2"], root1, root2, proof)


def run_trees(trees: list[dict[str, Any]]) -> Iterator[str]:
    """Every proof of these trees holds, and fails for another root, leaf or size, and with a hash changed."""
    try:
        leaves = leaves_of(trees)
        for tree in trees:
            yield from run_tree(tree, leaves)
    except (Wrong, AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"malformed: {error!r}"


def leaves_of(trees: list[dict[str, Any]]) -> dict[int, bytes]:
    """Leaf hashes, which the proofs of their neighbours begin with."""
    leaves = {}
    for tree in trees:
        size = tree["Size"]
        for text, proof in tree["Incl"].items():
            index = int(text)
            if proof and (index ^ 1) < size:
                leaves[index ^ 1] = bytes.fromhex(proof[0])
            if size == 1:
                leaves[0] = bytes.fromhex(tree["Root"])
        # a last leaf without a neighbour is what the tree grew by
        grown = tree["Cons"].get(str(size - 1))
        if size % 2 and grown:
            leaves[size - 1] = bytes.fromhex(grown[0] if is_power(size - 1) else grown[-popcount_above(size - 1)])
    return leaves


def is_power(size: int) -> bool:
    return size & (size - 1) == 0


def popcount_above(size: int) -> int:
    """Where in the proof from `size` (even) to one more the new leaf is, counted from its end."""
    return size.bit_count()


def root_of(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    left = largest_power_below(len(leaves))
    return node_hash(root_of(leaves[:left]), root_of(leaves[left:]))


def run_tree(tree: dict[str, Any], leaves: dict[int, bytes]) -> Iterator[str]:
    size, root = tree["Size"], bytes.fromhex(tree["Root"])
    other = node_hash(root, root)
    for text, hashes in tree["Incl"].items():
        index, proof = int(text), [bytes.fromhex(value) for value in hashes or []]
        leaf, name = leaves[index], f"size {size}, inclusion of {index}"
        yield expect(True, name, check_inclusion, index, size, leaf, proof, root)
        yield expect(False, f"{name}, another root", check_inclusion, index, size, leaf, proof, other)
        yield expect(False, f"{name}, another leaf", check_inclusion, index, size, other, proof, root)
        yield expect(False, f"{name}, beyond the tree", check_inclusion, size, size, leaf, proof, root)
        for changed in changed_proofs(proof):
            yield expect(False, f"{name}, another proof", check_inclusion, index, size, leaf, changed, root)
        for place in range(size):
            if leaves.get(place, leaf) != leaf:
                yield expect(False, f"{name}, at {place}", check_inclusion, place, size, leaf, proof, root)
    roots = {count: root_of([leaves[place] for place in range(count)]) for count in range(1, size + 1)}
    for text, hashes in tree["Cons"].items():
        first, proof = int(text), [bytes.fromhex(value) for value in hashes or []]
        name = f"size {size}, consistency with {first}"
        yield expect(True, name, check_consistency, first, size, roots[first], root, proof)
        yield expect(False, f"{name}, another root", check_consistency, first, size, roots[first], other, proof)
        yield expect(False, f"{name}, another first root", check_consistency, first, size, other, root, proof)
        yield expect(False, f"{name}, from nothing", check_consistency, 0, size, roots[first], root, proof)
        for changed in changed_proofs(proof):
            yield expect(False, f"{name}, another proof", check_consistency, first, size, roots[first], root, changed)
        for place in range(1, size):
            if place != first and first != size:
                claim = (place, size, roots[place], root, proof)
                yield expect(False, f"{name}, as of {place}", check_consistency, *claim)


def changed_proofs(proof: list[bytes]) -> Iterator[list[bytes]]:
    yield [*proof, bytes(32)]
    if proof:
        yield proof[:-1]
    for place, value in enumerate(proof):
        yield [*proof[:place], hashlib.sha256(value).digest(), *proof[place + 1 :]]


def expect(holds: bool, name: str, check: Callable[..., None], *claim: Any) -> str:
    try:
        check(*claim)
    except Wrong as error:
        return f"{name}: refused, and it holds: {error}" if holds else ""
    return "" if holds else f"{name}: accepted, and it does not hold"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(words: list[str]) -> int:
    if len(words) == 2 and words[0] == "proofs":
        return proofs(Path(words[1]))
    if len(words) >= 2 and words[0] == "package":
        options = parsed(words[2:])
        if options is not None:
            return package(Path(words[1]), **options)
    say(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
