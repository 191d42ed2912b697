#!/usr/bin/env python3
"""Checks records of Baro without Baro: Python 3.11 and its standard library; `cryptography` for signatures.

    python verify.py proofs DIR     run conformance cases of Merkle proofs

Everything here follows the public specifications (RFC 9162, C2SP signed-note and tlog-checkpoint), and shares
nothing with the program that wrote the records.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
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
    say(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
