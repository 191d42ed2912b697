"""Conformance cases of proofs: files of others that say of a proof whether it holds.

Three forms are known: a single inclusion case (leafIdx, treeSize, root, leafHash, proof, wantErr), a single
consistency case (size1, size2, root1, root2, proof, wantErr), both with hashes in base64; and a list of whole trees
(Size, Root, Incl, Cons, in hex), in which every proof holds, and every other one that is made of it must not.
A malformed case is a proof that does not hold.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baro.apps.ledger.merkle.errors import ProofError
from baro.apps.ledger.merkle.proofs import (
    LARGEST,
    consistency_ranges,
    inclusion_ranges,
    verify_consistency,
    verify_inclusion,
)
from baro.apps.ledger.merkle.tree import range_hash

INCLUSION = ("leafIdx", "treeSize", "root", "leafHash", "proof")
CONSISTENCY = ("size1", "size2", "root1", "root2", "proof")


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file. right: cases that came out as they should; wrong: what did not, in words."""

    path: Path
    right: int
    wrong: tuple[str, ...]


def run_folder(folder: Path) -> Iterator[FileResult]:
    """The results of all cases in a folder and below. A JSON file that holds no case is passed over."""
    for path in sorted(folder.rglob("*.json")):
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            yield FileResult(path, 0, (f"not readable as JSON: {error}",))
            continue
        if (outcomes := run_content(content)) is not None:
            yield FileResult(path, outcomes.count(""), tuple(text for text in outcomes if text))


def run_content(content: Any) -> list[str] | None:
    """What came out of each case of a file: "" when it is right, else in words. None when it is no case."""
    if isinstance(content, list):
        trees = [tree for tree in content if isinstance(tree, dict) and {"Size", "Root"} <= tree.keys()]
        return list(_run_trees(trees)) if trees else None
    if not isinstance(content, dict) or "proof" not in content:
        return None
    if "leafIdx" in content or "treeSize" in content:
        return [_judge(content, _inclusion)]
    if "size1" in content or "size2" in content:
        return [_judge(content, _consistency)]
    return None


def _judge(case: dict[str, Any], verify: Any) -> str:
    if not isinstance(case.get("wantErr"), bool):
        return "the case does not say what is expected"
    try:
        verify(case)
    except ProofError as error:
        return "" if case["wantErr"] else f"refused, and it holds: {error}"
    return "accepted, and it does not hold" if case["wantErr"] else ""


def _inclusion(case: dict[str, Any]) -> None:
    index, size, root, leaf, proof = _fields(case, INCLUSION)
    verify_inclusion(_number(index), _number(size), _base64(leaf), _hashes(proof), _base64(root))


def _consistency(case: dict[str, Any]) -> None:
    size1, size2, root1, root2, proof = _fields(case, CONSISTENCY)
    verify_consistency(_number(size1), _number(size2), _base64(root1), _base64(root2), _hashes(proof))


def _fields(case: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    if missing := [name for name in names if name not in case]:
        raise ProofError(f"the proof lacks {', '.join(missing)}")
    return [case[name] for name in names]


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST:
        raise ProofError("a size or an index is no number below 2^64")
    return value


def _hashes(value: Any) -> list[bytes]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProofError("the proof is no list")
    return [_base64(text) for text in value]


def _base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ProofError("a hash is no text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProofError("a hash is not base64") from error


# --- lists of whole trees


@dataclass(frozen=True, slots=True)
class _Whole:
    size: int
    root: bytes
    inclusion: dict[int, list[bytes]]
    consistency: dict[int, list[bytes]]


def _run_trees(raw: list[dict[str, Any]]) -> Iterator[str]:
    try:
        trees = [_whole(tree) for tree in raw]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"malformed: {error}"
        return
    known = _Known(trees)
    for tree in trees:
        for index, proof in tree.inclusion.items():
            yield from _around_inclusion(tree, index, proof, known)
        for size1, proof in tree.consistency.items():
            yield from _around_consistency(tree, size1, proof, known)


def _whole(raw: dict[str, Any]) -> _Whole:
    def proofs(of: Any) -> dict[int, list[bytes]]:
        return {int(key): [bytes.fromhex(text) for text in proof or ()] for key, proof in (of or {}).items()}

    return _Whole(_number(raw["Size"]), bytes.fromhex(raw["Root"]), proofs(raw.get("Incl")), proofs(raw.get("Cons")))


class _Known:
    """Hashes of subtrees that the proofs themselves tell: leaves and roots are not in the files."""

    def __init__(self, trees: list[_Whole]) -> None:
        self.ranges: dict[tuple[int, int], bytes] = {}
        for tree in trees:
            self.ranges[0, tree.size] = tree.root
            for index, proof in tree.inclusion.items():
                if index < tree.size:
                    self.ranges |= zip(inclusion_ranges(index, tree.size), proof, strict=False)
            for size1, proof in tree.consistency.items():
                if 0 < size1 <= tree.size:
                    self.ranges |= zip(consistency_ranges(size1, tree.size), proof, strict=False)

    def leaf(self, index: int) -> bytes | None:
        return self.ranges.get((index, index + 1))

    def root(self, size: int) -> bytes | None:
        if (found := self.ranges.get((0, size))) is not None:
            return found
        try:
            return range_hash(0, size, lambda level, at: self._subtree(at << level, (at + 1) << level))
        except KeyError:
            return None

    def _subtree(self, first: int, end: int) -> bytes:
        if (first, end) in self.ranges:
            return self.ranges[first, end]
        if end - first == 1:
            raise KeyError(first)
        half = (end - first) // 2
        return range_hash(first, end, lambda _, at: self._subtree(first + at * half, first + (at + 1) * half))


def _around_inclusion(tree: _Whole, index: int, proof: list[bytes], known: _Known) -> Iterator[str]:
    name = f"size {tree.size}, inclusion of {index}"
    leaf = known.leaf(index)
    if leaf is None:
        yield f"{name}: nothing tells the hash of the leaf"
        return

    def holds(index: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
        return _holds(verify_inclusion, index, tree.size, leaf, proof, root)

    yield "" if holds(index, leaf, proof, tree.root) else f"{name}: refused, and it holds"
    wrong = [("another root", (index, leaf, proof, _flipped(tree.root)))]
    wrong += [(what, (index, leaf, other, tree.root)) for what, other in _other_proofs(proof)]
    wrong += [("beyond the tree", (tree.size, leaf, proof, tree.root))]
    for other in tree.inclusion:
        if (its_leaf := known.leaf(other)) not in (leaf, None) and its_leaf is not None:
            wrong.append((f"of the index {other}", (other, leaf, proof, tree.root)))
            wrong.append((f"with the leaf of {other}", (index, its_leaf, proof, tree.root)))
    for what, claim in wrong:
        yield f"{name}, {what}: accepted, and it does not hold" if holds(*claim) else ""


def _around_consistency(tree: _Whole, size1: int, proof: list[bytes], known: _Known) -> Iterator[str]:
    name = f"size {tree.size}, consistency with {size1}"
    root1 = known.root(size1)
    if root1 is None:
        yield f"{name}: nothing tells the first root"
        return

    def holds(size1: int, root1: bytes, root2: bytes, proof: list[bytes]) -> bool:
        return _holds(verify_consistency, size1, tree.size, root1, root2, proof)

    yield "" if holds(size1, root1, tree.root, proof) else f"{name}: refused, and it holds"
    wrong = [
        ("another first root", (size1, _flipped(root1), tree.root, proof)),
        ("another second root", (size1, root1, _flipped(tree.root), proof)),
        ("from an empty tree", (0, root1, tree.root, proof)),
        ("from a larger tree", (tree.size + 1, root1, tree.root, proof)),
    ]
    if root1 != tree.root:
        wrong.append(("the roots changed about", (size1, tree.root, root1, proof)))
    wrong += [(what, (size1, root1, tree.root, other)) for what, other in _other_proofs(proof)]
    for other, its_proof in tree.consistency.items():
        its_root = known.root(other)
        if its_root is not None and other != size1 and its_proof != proof:
            wrong.append((f"with the size and root of {other}", (other, its_root, tree.root, proof)))
    for what, claim in wrong:
        yield f"{name}, {what}: accepted, and it does not hold" if holds(*claim) else ""


def _holds(verify: Any, *claim: Any) -> bool:
    first, second, third, fourth, fifth = claim
    try:
        verify(first, second, third, fourth, fifth)
    except ProofError:
        return False
    return True


def _other_proofs(proof: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """The proof with each of its hashes changed, with one more, and with one less."""
    for at, value in enumerate(proof):
        yield f"hash {at} changed", [*proof[:at], _flipped(value), *proof[at + 1 :]]
    yield "one hash more", [*proof, bytes(32)]
    if proof:
        yield "one hash less", proof[:-1]
        yield "the first hash twice", [proof[0], *proof]


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]
