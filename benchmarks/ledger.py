"""The ledger: what the audit trail costs, how fast the Merkle log grows, and what a proof and a verification take.

Everything is measured on the embedded PostgreSQL, in a folder that is removed, with the peers in the same run:
(a) the same writes to the same table without triggers, (b) pymerkle's tree in memory and hashlib alone, (c) one proof
out of all entries. The last line is JSON. ``--entries`` makes (c) smaller.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

FLOOR = 8.0
"""Times pymerkle's rate."""
LIMITS = {"single": 1.2, "bulk_insert": 3.0, "bulk_update": 3.0, "proof_ms": 10.0, "of_hashing_alone": 1 / 3}
SINGLE, BULK, ENTRIES_IN_MEMORY = 400, 20_000, 100_000


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# --- (a) the audit trail


def trail_cost(url: str) -> dict[str, float]:
    """Time with triggers / time without, of single-row transactions and of bulk writes; medians, taken in turn."""
    import psycopg

    from baro.database.context import Context
    from baro.database.guards import Guard, statements
    from baro.database.roles import Role, conninfo

    columns = "id uuid PRIMARY KEY DEFAULT gen_random_uuid(), company_id uuid, code text, name text, value numeric,"
    columns += " low float8, high float8, note text, at timestamptz DEFAULT now()"
    tables = {"bench_plain": Guard(audited=False), "bench_audited": Guard()}
    with psycopg.connect(conninfo(url, Role.OWNER)) as owner:
        for table, guard in tables.items():
            owner.execute(f"CREATE TABLE {table} ({columns})")
            for statement in statements(table, guard):
                owner.execute(statement)
    company = uuid4()
    spent: dict[tuple[str, str], list[float]] = {}
    with psycopg.connect(conninfo(url, Role.APP), autocommit=True) as app:

        def write(table: str, kind: str, query: str, values: list[object]) -> None:
            start = time.perf_counter()
            with app.transaction():
                Context(company, None, "benchmark", "measured").apply(app)
                app.execute(query, values)
            spent.setdefault((table, kind), []).append(time.perf_counter() - start)

        row = "INSERT INTO {} (company_id, code, name, value, low, high, note) "
        for i in range(-20, SINGLE):
            for table in tables:
                query = row.format(table) + "VALUES (%s, %s, 'hardness', 74.5, 60, 90, 'as measured')"
                write(table, "single" if i >= 0 else "warm", query, [company, f"row {i}"])
        for _ in range(5):
            for table in tables:
                query = row.format(table)
                query += (
                    "SELECT %s, 'row ' || i, 'hardness', i / 10.0, 60, 90, 'as measured' FROM generate_series(1, %s) i"
                )
                write(table, "bulk_insert", query, [company, BULK])
                query = f"UPDATE {table} SET value = value + 1, note = 'again' WHERE name = 'hardness'"
                write(table, "bulk_update", query, [])
                with psycopg.connect(url) as admin:
                    admin.execute(f"DELETE FROM {table}" if table == "bench_plain" else _EMPTY)
                    admin.commit()
                    admin.autocommit = True
                    admin.execute(f"VACUUM {table}")
    return {
        kind: statistics.median(spent["bench_audited", kind]) / statistics.median(spent["bench_plain", kind])
        for kind in ("single", "bulk_insert", "bulk_update")
    }


_EMPTY = "ALTER TABLE bench_audited DISABLE TRIGGER USER; DELETE FROM bench_audited;"
_EMPTY += " ALTER TABLE bench_audited ENABLE TRIGGER USER"


# --- (b) the tree


def sequencing() -> dict[str, float]:
    """Entries of 200 bytes a second: our tree in batches, pymerkle's, and the hashing that nobody can do without."""
    import pymerkle

    from baro.apps.ledger.merkle import Tree

    entries = [hashlib.sha256(str(i).encode()).digest() * 6 + bytes(8) for i in range(ENTRIES_IN_MEMORY)]
    node = bytes(65)

    def ours() -> None:
        tree = Tree()
        for at in range(0, len(entries), 5000):
            tree.extend(entries[at : at + 5000])
        tree.root()

    def theirs() -> None:
        tree = pymerkle.InmemoryTree(algorithm="sha256")
        for entry in entries:
            tree.append_entry(entry)
        tree.get_root()

    def alone() -> None:
        sha256 = hashlib.sha256
        for entry in entries:
            sha256(b"\x00" + entry).digest()
        for _ in range(len(entries) - 1):
            sha256(node).digest()

    rates: dict[str, list[float]] = {"ours": [], "pymerkle": [], "hashing": []}
    for _ in range(3):
        for name, call in (("ours", ours), ("pymerkle", theirs), ("hashing", alone)):
            rates[name].append(len(entries) / seconds(call))
    return {name: statistics.median(found) for name, found in rates.items()}


# --- (c) proofs and verification


def proofs(url: str, count: int) -> dict[str, float]:
    """A log of `count` entries in the database: how fast it grows, what a proof takes, what verifying takes."""
    import psycopg

    from baro.apps.ledger.log import inclusion_proof, integrate, log_size
    from baro.apps.ledger.log.verification import verify_log

    with psycopg.connect(url) as admin:
        admin.execute(
            "INSERT INTO ledger_auditentry (company_id, at, actor, reason, action, table_name, record_id, new,"
            " transaction_id, kind, request, version, zone, program, login) SELECT gen_random_uuid(),"
            " clock_timestamp(), 'benchmark', 'measured', 'insert', 'bench', i::text, jsonb_build_object('value', i),"
            " 1, 'program', '', '', 'UTC', 'bench', 'bench' FROM generate_series(1, %s) i",
            [count],
        )
    before, start = log_size(), time.perf_counter()
    while integrate(most=20_000):
        pass
    size = log_size()
    grown = (size - before) / (time.perf_counter() - start)
    places = random.Random(1).sample(range(size), 200)
    taken = [seconds(lambda place=place: inclusion_proof(place, size)) for place in places]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    report = verify_log()
    spent = time.perf_counter() - start
    if not report.ok:
        raise SystemExit(f"the log does not verify: {report.findings[:3]}")
    return {
        "entries": size,
        "integrated_per_s": grown,
        "proof_median_ms": 1000 * statistics.median(taken),
        "proof_worst_ms": 1000 * max(taken),
        "verified_per_s": size / spent,
        "verify_memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the log in (c)")
    count = parser.parse_args().entries
    home = Path(tempfile.mkdtemp(prefix="baro-", dir="/tmp"))
    home.chmod(0o755)
    url = f"postgresql://postgres:@/baro?host={home / 'postgres'}"
    os.environ |= {"BARO_HOME": str(home), "BARO_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "baro.settings"}
    from baro.database import roles
    from baro.database.embedded import EmbeddedServer

    server = EmbeddedServer(home / "postgres")
    try:
        server.start()
        import django
        from django.core.management import call_command

        django.setup()
        roles.prepare(url)
        call_command("migrate", database="owner", verbosity=0)
        cost, rates = trail_cost(url), sequencing()
        found = proofs(url, count)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
    for name, ratio in cost.items():
        print(f"audited {name}: {ratio:.2f} times the time without triggers (at most {LIMITS[name]})")
    print(f"tree: {rates['ours']:,.0f} entries/s, pymerkle {rates['pymerkle']:,.0f}, hashing {rates['hashing']:,.0f}")
    times = f"{found['proof_median_ms']:.2f} ms, worst {found['proof_worst_ms']:.2f} ms"
    print(f"log of {found['entries']:,.0f} entries: a proof {times}")
    print(f"verified {found['verified_per_s']:,.0f} entries/s in {found['verify_memory_mb']:.0f} MB more memory")
    figures = {f"audited_{name}": round(ratio, 3) for name, ratio in cost.items()}
    figures |= {f"{name}_per_s": round(rate) for name, rate in rates.items()}
    figures |= {"of_hashing_alone": round(rates["ours"] / rates["hashing"], 3), "limits": LIMITS}
    figures |= {name: round(value, 3) for name, value in found.items()}
    print(
        json.dumps(
            {
                "name": "ledger",
                "ratio": round(rates["ours"] / rates["pymerkle"], 2),
                "floor": FLOOR,
                "peer": "pymerkle InmemoryTree, entries of 200 bytes appended",
                "figures": figures,
            }
        )
    )


if __name__ == "__main__":
    main()
