"""The log given to others: tiles on a disk, and proofs over REST."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from django.test import Client

from baro.apps.ledger.log import consistency_proof, integrate, log_key, log_size, newest_checkpoint
from baro.apps.ledger.log.tiles import export, tile_path
from baro.apps.ledger.merkle import Tree, leaf_hash, open_note, verify_consistency
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import Program, change, reading
from baro.apps.ledger.standalone import verify as standalone
from baro.apps.people.models import Site
from tests.plant import Plant


def add(plant: Plant, count: int, name: str = "Plant") -> list[int]:
    with change(Program("test", plant.company), "entries to copy"):
        made = [
            Site.objects.create(company_id=plant.company, code=f"c{log_size()}-{i}", name_ko="공장", name_en=name)
            for i in range(count)
        ]
    while integrate():
        pass
    with reading(plant.company):
        keys = [str(site.id) for site in made]
        return list(AuditEntry.objects.filter(record_id__in=keys).order_by("id").values_list("id", flat=True))


def test_tiles_lie_where_the_specification_says() -> None:
    assert tile_path("0", 0) == "tile/0/000"
    assert tile_path("1", 273, 5) == "tile/1/273.p/5"
    assert tile_path("entries", 1234067) == "tile/entries/x001/x234/067"
    assert tile_path("0", 1000) == "tile/0/x001/000"


def read_back(folder: Path, size: int) -> Tree:
    """The tree of a copy, from its entries; every hash tile is compared on the way."""
    tree = Tree()
    for tile in range(-(-size // 256)):
        width = min(256, size - 256 * tile)
        data = (folder / tile_path("entries", tile, width)).read_bytes()
        at, entries = 0, []
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        assert len(entries) == width
        hashes = (folder / tile_path("0", tile, width)).read_bytes()
        # of an entry that is too long for a bundle there is its hash only
        tree.extend_hashes(
            [leaf_hash(data) if data else hashes[32 * i : 32 * i + 32] for i, data in enumerate(entries)]
        )
    for level, nodes in ((0, tree.levels[0]), (1, tree.levels[8] if len(tree.levels) > 8 else [])):
        for tile in range(-(-len(nodes) // 256)):
            part = nodes[256 * tile : 256 * tile + 256]
            assert (folder / tile_path(str(level), tile, len(part))).read_bytes() == b"".join(part)
    return tree


def test_a_copy_in_tiles_is_the_log_and_grows(plant: Plant, tmp_path: Path) -> None:
    add(plant, max(1, 300 - log_size()))
    first, _ = export(tmp_path)
    note = open_note((tmp_path / "checkpoint").read_text(), [log_key()])
    tree = read_back(tmp_path, first)
    assert (note.size, note.root) == (first, tree.root())
    full = tmp_path / tile_path("0", 0)
    written = full.stat().st_mtime_ns
    add(plant, 2)
    second, _ = export(tmp_path)
    grown = read_back(tmp_path, second)
    assert full.stat().st_mtime_ns == written
    verify_consistency(first, second, tree.root(), grown.root(), consistency_proof(first, second))


def test_an_entry_too_long_for_a_bundle_is_named(plant: Plant, tmp_path: Path) -> None:
    with change(Program("test", plant.company), "x" * 70_000):
        Site.objects.create(company_id=plant.company, code=f"long{log_size()}", name_ko="공장", name_en="Plant")
    while integrate():
        pass
    size, too_long = export(tmp_path)
    assert size - 1 in too_long
    assert len(too_long) < size / 4


def test_hashes_alone_are_a_copy_without_records(plant: Plant, tmp_path: Path) -> None:
    add(plant, 1)
    export(tmp_path, entries=False)
    assert not (tmp_path / "tile" / "entries").exists()
    assert (tmp_path / "checkpoint").exists()


@pytest.fixture
def client(plant: Plant) -> Client:
    client = Client(SERVER_NAME="127.0.0.1")
    answer = client.post("/sign-in", {"username": f"{plant.code}-quality1", "password": plant.password})
    assert answer.status_code == 302
    return client


@pytest.mark.clause("Part 11 11.10(b)", "Annex 11 8.1")
def test_a_proof_over_rest_holds_without_this_server(plant: Plant, client: Client) -> None:
    for entry in add(plant, 3):
        answer = client.get(f"/api/v1/log/entries/{entry}/proof")
        assert answer.status_code == 200
        proof = answer.json()
        _, size, root, _ = standalone.read_checkpoint(proof["checkpoint"], [log_key()])
        hashes = [base64.b64decode(text) for text in proof["proof"]]
        leaf = leaf_hash(proof["leaf"].encode())
        assert proof["size"] == size
        standalone.check_inclusion(proof["index"], size, leaf, hashes, root)
        assert json.loads(proof["leaf"])["id"] == entry
    answer = client.get("/api/v1/log/checkpoint")
    assert answer["content-type"].startswith("text/plain")
    assert answer.content.decode() == newest_checkpoint().note


def test_entries_that_are_not_there_or_not_ours_have_no_proof(plant: Plant, client: Client) -> None:
    from baro.demo.seed import seed

    other = Plant(seed(code=f"o{plant.code}"[:20], prefix=f"o{plant.code}-").id, f"o{plant.code}")
    [theirs] = add(other, 1)
    for entry in (theirs, 2**62):
        answer = client.get(f"/api/v1/log/entries/{entry}/proof")
        assert (answer.status_code, answer.json()["code"]) == (404, "LOG-0001")
    for entry in ("0", "-1", str(2**63), "x"):
        assert client.get(f"/api/v1/log/entries/{entry}/proof").status_code in (404, 422)
    for path in ("/api/v1/log/checkpoint", f"/api/v1/log/entries/{theirs}/proof"):
        assert Client(SERVER_NAME="127.0.0.1").get(path).status_code == 401
