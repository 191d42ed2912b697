"""The tree and its proofs against the RFC's own definition, an independent implementation, and cases of others."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.apps.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofError,
    Tree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from baro.apps.ledger.merkle.cases import run_content, run_folder
from baro.apps.ledger.merkle.command import run
from baro.apps.ledger.merkle.proofs import consistency_proof, inclusion_proof
from baro.apps.ledger.standalone import verify as standalone


def entries(count: int) -> list[bytes]:
    return [f"entry {i}".encode() for i in range(count)]


def root_by_definition(hashes: list[bytes]) -> bytes:
    """MTH(D[n]) as RFC 9162 defines it."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node_hash(root_by_definition(hashes[:k]), root_by_definition(hashes[k:]))


def test_roots_are_those_of_the_definition_and_of_another_implementation() -> None:
    whole, frontier, peer = Tree(), Frontier(), pymerkle.InmemoryTree(algorithm="sha256")
    assert whole.root() == frontier.root() == EMPTY_ROOT
    for data in entries(70):
        whole.append(data)
        frontier.append(leaf_hash(data))
        peer.append_entry(data)
        expected = root_by_definition([leaf_hash(entry) for entry in entries(len(whole))])
        assert whole.root() == frontier.root() == expected == peer.get_root()


@given(st.lists(st.integers(0, 40), max_size=12))
def test_appending_in_any_batches_gives_the_same_tree(batches: list[int]) -> None:
    hashes = [leaf_hash(data) for data in entries(sum(batches))]
    whole, frontier, at = Tree(), Frontier(), 0
    for count in batches:
        whole.extend_hashes(hashes[at : at + count])
        frontier.extend(hashes[at : at + count])
        at += count
    assert whole.root() == frontier.root() == root_by_definition(hashes)
    resumed = Frontier(frontier.size, [top for _, top in frontier.parts])
    assert resumed.root() == frontier.root()


def test_a_frontier_grows_in_constant_memory() -> None:
    frontier, chunk = Frontier(), [leaf_hash(b"x")] * 4096
    tracemalloc.start()
    for _ in range(50):
        frontier.extend(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frontier.size == 50 * 4096
    assert peak < 2_000_000


@settings(max_examples=60)
@given(st.integers(1, 130), st.data())
def test_every_proof_holds_by_both_verifiers_and_for_nothing_else(size: int, data: st.DataObject) -> None:
    tree = Tree(entries(size))
    index, size1 = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    proof = inclusion_proof(index, size, tree.node)
    leaf = leaf_hash(entries(size)[index])
    verify_inclusion(index, size, leaf, proof, tree.root())
    standalone.check_inclusion(index, size, leaf, proof, tree.root())
    for other in {data.draw(st.integers(0, size)), size} - {index}:
        refused(verify_inclusion, other, size, leaf, proof, tree.root())
        refused(standalone.check_inclusion, other, size, leaf, proof, tree.root())
    proof = consistency_proof(size1, size, tree.node)
    verify_consistency(size1, size, tree.root(size1), tree.root(), proof)
    standalone.check_consistency(size1, size, tree.root(size1), tree.root(), proof)
    for other in {data.draw(st.integers(0, size)), 0, size + 1} - {size1}:
        root = tree.root(min(other, size))
        refused(verify_consistency, other, size, root, tree.root(), proof)
        refused(standalone.check_consistency, other, size, root, tree.root(), proof)


def refused(verify: Any, *claim: Any) -> None:
    with pytest.raises((ProofError, standalone.Wrong)):
        verify(*claim)


ROOT = leaf_hash(b"x")


@pytest.mark.parametrize("verify", [verify_consistency, standalone.check_consistency])
@pytest.mark.parametrize(
    "claim",
    [
        (0, 5, EMPTY_ROOT, ROOT, []),
        (0, 5, EMPTY_ROOT, ROOT, [ROOT]),
        (0, 0, ROOT, ROOT, []),
        (0, 0, EMPTY_ROOT, EMPTY_ROOT, [ROOT]),
        (1, 1, ROOT, ROOT, [ROOT]),
        (2, 1, ROOT, ROOT, []),
        (1, 2, ROOT, ROOT, []),
        (-1, 2, ROOT, ROOT, [ROOT]),
        (1, 2**64, ROOT, ROOT, [ROOT]),
        (True, 1, ROOT, ROOT, []),
        (1, 1, ROOT[:31], ROOT[:31], []),
        (1, 1, b"", b"", []),
    ],
)
def test_claims_that_prove_nothing_are_refused(verify: Any, claim: Any) -> None:
    refused(verify, *claim)


@pytest.mark.parametrize("verify", [verify_inclusion, standalone.check_inclusion])
@pytest.mark.parametrize(
    "claim",
    [
        (0, 0, ROOT, [], ROOT),
        (1, 1, ROOT, [], ROOT),
        (-1, 1, ROOT, [], ROOT),
        (0, 1, ROOT, [ROOT], ROOT),
        (0, 2, ROOT, [], ROOT),
        (0, 2**64, ROOT, [ROOT] * 64, ROOT),
        (0, 1, b"x", [], b"x"),
        (0, 1, "x" * 32, [], "x" * 32),
        (0, 1.0, ROOT, [], ROOT),
    ],
)
def test_entries_that_are_nowhere_are_refused(verify: Any, claim: Any) -> None:
    refused(verify, *claim)


def test_proofs_in_the_largest_trees_are_quick() -> None:
    size = 2**64 - 1
    proof, top = [], ROOT
    for level in range(64):
        proof.append(hashlib.sha256(bytes([level])).digest())
        top = node_hash(top, proof[-1])
    verify_inclusion(0, size, ROOT, proof, top)
    standalone.check_inclusion(0, size, ROOT, proof, top)


# --- the command


@pytest.mark.peer
@pytest.mark.parametrize("alone", [False, True], ids=["own", "stand-alone"])
def test_cases_of_others_come_out_right(conformance: Path, alone: bool) -> None:
    assert run(conformance / "merkle", standalone=alone) == 0
    assert sum(result.right for result in run_folder(conformance / "merkle")) > 12_000


CASE = {"leafIdx": 0, "treeSize": 1, "root": "", "leafHash": "", "proof": None, "wantErr": False}
STEPS = {"size1": 1, "size2": 1, "root1": "", "root2": "", "proof": [], "wantErr": False}
HASH = "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
GOOD = [{**CASE, "root": HASH, "leafHash": HASH}, {**STEPS, "root1": HASH, "root2": HASH}]
SPOILS = [
    {"proof": [None]},
    {"proof": "x"},
    {"proof": 0},
    {"proof": ["%%"]},
    {"proof": [HASH[:-4]]},
    {"leafIdx": -1, "size1": -1},
    {"leafIdx": 10**400, "size1": 10**400},
    {"treeSize": 10**400, "size2": 10**400},
    {"leafIdx": "0", "size1": "1"},
    {"leafIdx": None, "size1": None},
    {"treeSize": 1.5, "size2": 1.5},
    {"treeSize": [], "size2": {}},
    {"root": "eA==", "root1": "eA=="},
    {"root": None, "root2": 7},
    {"leafHash": {}, "root2": []},
]


def on_disk(folder: Path, content: Any) -> Path:
    (folder / "case.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize("alone", [False, True], ids=["own", "stand-alone"])
def test_a_malformed_case_is_a_proof_that_does_not_hold(tmp_path: Path, alone: bool) -> None:
    for good in GOOD:
        spoiled = [{**good, **{k: v for k, v in spoil.items() if k in good}} for spoil in SPOILS]
        spoiled += [{k: v for k, v in good.items() if k != gone} for gone in good if gone not in ("proof", "wantErr")]
        for i, case in enumerate(spoiled):
            (tmp_path / f"{i}.json").write_text(json.dumps({**case, "wantErr": True}))
        assert run(tmp_path, standalone=alone) == 0
        (tmp_path / "good.json").write_text(json.dumps({**good, "wantErr": True}))
        assert run(tmp_path, standalone=alone) == 1
        (tmp_path / "good.json").write_text(json.dumps(good))
        assert run(tmp_path, standalone=alone) == 0


@pytest.mark.parametrize("alone", [False, True], ids=["own", "stand-alone"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", 1),
        ("[" * 100_000, 1),
        ({"name": "no case"}, 2),
        ([], 2),
        ([{"Size": 2, "Root": "zz", "Incl": {}, "Cons": {}}], 1),
        ({**GOOD[0], "wantErr": "no"}, 1),
    ],
)
def test_what_is_no_case_is_not_taken_for_right(tmp_path: Path, content: Any, code: int, alone: bool) -> None:
    assert run(on_disk(tmp_path, content), standalone=alone) == code


def whole_trees(first: int, last: int) -> list[dict[str, Any]]:
    tree = Tree(entries(last))
    return [
        {
            "Size": size,
            "Root": tree.root(size).hex(),
            "Incl": {str(i): [h.hex() for h in inclusion_proof(i, size, tree.node)] for i in range(size)},
            "Cons": {str(m): [h.hex() for h in consistency_proof(m, size, tree.node)] for m in range(1, size + 1)},
        }
        for size in range(first, last + 1)
    ]


@pytest.mark.parametrize("sizes", [(1, 1), (1, 9), (7, 7), (13, 13), (14, 17), (15, 15)])
def test_trees_tell_their_own_leaves(tmp_path: Path, sizes: tuple[int, int]) -> None:
    trees = whole_trees(*sizes)
    assert run(on_disk(tmp_path, trees)) == 0
    assert run(tmp_path, standalone=True) == 0
    spoiled = trees[-1]
    spoiled["Incl"]["0"] = [*spoiled["Incl"]["0"][:-1], "00" * 32]
    assert run(on_disk(tmp_path, trees)) == 1
    assert run(tmp_path, standalone=True) == 1


def test_a_list_of_other_things_is_no_case() -> None:
    assert run_content([1, "x", {"a": 1}]) is None


def test_the_stand_alone_verifier_imports_nothing_of_baro() -> None:
    script = (
        "import runpy, sys; sys.argv = ['verify.py'];\ntry: runpy.run_path(sys.argv[0] if 0 else"
        f" {standalone.__file__!r}, run_name='__main__')\nexcept SystemExit: pass\n"
        "outside = {n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - {'__main__'}\n"
        "sys.exit(any(n.startswith(('baro', 'django')) for n in outside))"
    )
    assert subprocess.run([sys.executable, "-I", "-c", script], stdout=subprocess.DEVNULL).returncode == 0
