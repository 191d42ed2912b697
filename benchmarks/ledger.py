"""The ledger: what the audit trail costs, how fast the Merkle log grows, and what a proof and a verification take.

Everything is measured on the embedded PostgreSQL with fsync, in a folder that is removed, the peers in the same run:
(a) the same transactions on the same table without triggers, (b) pymerkle's tree in memory and hashlib alone, (c) one
proof out of all entries, and ``baro verify log`` as a process of its own. The last line is JSON. ``--entries`` gives
the sizes of the log in (c), ``--parts`` what is measured at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

FLOOR = 8.0
"""Times pymerkle's rate."""
LIMITS = {
    "single_insert": 1.2,
    "single_update": 1.2,
    "bulk_insert": 3.0,
    "bulk_update": 3.0,
    "proof_ms": 10.0,
    "of_hashing_alone": 1 / 3,
}
ROUNDS, SINGLE = 20, 100
"""Transactions of one row: rounds, and pairs in a round."""
BULK, ENTRIES_IN_MEMORY = 20_000, 100_000
SIZES = (100_000, 300_000, 1_000_000)
PROOFS = 500


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# --- (a) the audit trail


def trail_cost(url: str) -> dict[str, list[float]]:
    """Time with triggers / time without of each kind of write: a ratio of medians a round.

    Every transaction has its twin on the other table right after or right before it, in changing order, so that
    whatever else the machine does meets both.
    """
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
    ratios: dict[str, list[float]] = {}
    with psycopg.connect(conninfo(url, Role.APP), autocommit=True) as app:
        for setting in ("fsync", "synchronous_commit"):
            if (value := app.execute(f"SHOW {setting}").fetchone()[0]) != "on":
                raise SystemExit(f"{setting} is {value}")

        def write(query: str, values: list[object]) -> float:
            start = time.perf_counter()
            with app.transaction():
                Context(company, None, "benchmark", "measured").apply(app)
                app.execute(query, values)
            return time.perf_counter() - start

        def compare(kind: str, pairs: int, query: str, values: Callable[[int], list[object]]) -> None:
            spent: dict[str, list[float]] = {table: [] for table in tables}
            for i in range(pairs):
                for table in list(tables)[:: 1 if i % 2 else -1]:
                    spent[table].append(write(query.format(table), values(i)))
            medians = {table: statistics.median(times) for table, times in spent.items()}
            ratios.setdefault(kind, []).append(medians["bench_audited"] / medians["bench_plain"])

        row = "INSERT INTO {} (company_id, code, name, value, low, high, note) "
        one = row + "VALUES (%s, %s, 'hardness', 74.5, 60, 90, 'as measured')"
        other = "UPDATE {} SET value = value + 1, note = 'again' WHERE id = %s"
        keys = [uuid4() for _ in range(SINGLE)]
        for table in tables:
            with app.transaction():
                Context(company, None, "benchmark", "measured").apply(app)
                for key in keys:
                    app.execute(f"INSERT INTO {table} (id, company_id, code) VALUES (%s, %s, 'kept')", [key, company])
        for _ in range(ROUNDS + 1):
            compare("single_insert", SINGLE, one, lambda i: [company, f"row {i}"])
            compare("single_update", SINGLE, other, lambda i: [keys[i]])
        for kind in ratios:
            ratios[kind].pop(0)  # the first round warms both up
        for _ in range(5):
            rows = "SELECT %s, 'row ' || i, 'hardness', i / 10.0, 60, 90, 'as measured' FROM generate_series(1, %s) i"
            compare("bulk_insert", 1, row + rows, lambda i: [company, BULK])
            again = "UPDATE {} SET value = value + 1, note = 'again' WHERE name = 'hardness'"
            compare("bulk_update", 1, again, lambda i: [])
            with psycopg.connect(url, autocommit=True) as admin:
                for table in tables:
                    admin.execute(_EMPTY.format(table))
                    admin.execute(f"VACUUM {table}")
    return ratios


_EMPTY = (
    "ALTER TABLE {0} DISABLE TRIGGER USER; DELETE FROM {0} WHERE name = 'hardness'; ALTER TABLE {0} ENABLE TRIGGER USER"
)


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


def proofs(url: str, sizes: list[int]) -> list[dict[str, float]]:
    """A log that grows to each of `sizes`: how fast, what proofs and verifying take, and the peak of memory."""
    import psycopg

    from baro.apps.ledger.log import inclusion_proof, integrate, log_size

    found = []
    for wanted in sizes:
        with psycopg.connect(url) as admin:
            admin.execute(
                "INSERT INTO ledger_auditentry (company_id, at, actor, reason, action, table_name, record_id, new,"
                " transaction_id, kind, request, version, zone, program, login) SELECT gen_random_uuid(),"
                " clock_timestamp(), 'benchmark', 'measured', 'insert', 'bench', i::text,"
                " jsonb_build_object('value', i), 1, 'program', '', '', 'UTC', 'bench', 'bench'"
                " FROM generate_series(1, %s) i",
                [wanted - admin.execute("SELECT count(*) FROM ledger_auditentry").fetchone()[0]],
            )
        before = log_size()
        first = seconds(integrate)
        rest = seconds(lambda: [None for _ in iter(integrate, None)])
        size = log_size()
        places = random.Random(1).sample(range(size), PROOFS)
        taken = sorted(seconds(lambda place=place, size=size: inclusion_proof(place, size)) for place in places)
        spent, peak = verified()
        found.append(
            {
                "entries": size,
                "first_checkpoint_s": first,
                "integrated_per_s": (size - before) / (first + rest),
                "proof_median_ms": 1000 * statistics.median(taken),
                "proof_p99_ms": 1000 * taken[len(taken) * 99 // 100],
                "verify_s": spent,
                "verified_per_s": size / spent,
                "verify_peak_mib": peak,
            }
        )
    return found


def verified() -> tuple[float, float]:
    """``baro verify log`` in a process of its own: its seconds, and the largest it ever was (resident, MiB)."""
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([sys.executable, "-m", "baro", "verify", "log"], stdout=told)
        while process.poll() is None:
            # not what getrusage says: that begins with the size of this process
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))])
            time.sleep(0.02)
        spent = time.perf_counter() - start
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"the log does not verify: {told.read()}")
    return spent, peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=list(SIZES), help="sizes of the log in (c)")
    parser.add_argument("--parts", default="abc", help="what to measure: of a, b, c")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="baro-", dir="/tmp"))
    home.chmod(0o755)
    url = f"postgresql://postgres:@/baro?host={home / 'postgres'}"
    os.environ |= {"BARO_HOME": str(home), "BARO_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "baro.settings"}
    from baro.database import roles
    from baro.database.embedded import EmbeddedServer

    server = EmbeddedServer(home / "postgres")
    ratios: dict[str, list[float]] = {}
    rates: dict[str, float] = {}
    logs: list[dict[str, float]] = []
    try:
        server.start()
        import django
        from django.core.management import call_command

        django.setup()
        roles.prepare(url)
        call_command("migrate", database="owner", verbosity=0)
        if "a" in asked.parts:
            ratios = trail_cost(url)
        if "b" in asked.parts:
            rates = sequencing()
        if "c" in asked.parts:
            logs = proofs(url, asked.entries)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
    figures: dict[str, object] = {"limits": LIMITS}
    for kind, found in ratios.items():
        low, middle, high = statistics.quantiles(found, n=4)
        print(f"audited {kind}: {middle:.2f} times the time without triggers, quartiles {low:.2f} to {high:.2f}")
        figures[f"audited_{kind}"] = [round(value, 3) for value in (low, middle, high)]
    if rates:
        print(
            f"tree: {rates['ours']:,.0f} entries/s, pymerkle {rates['pymerkle']:,.0f}, hashing {rates['hashing']:,.0f}"
        )
        figures |= {f"{name}_per_s": round(rate) for name, rate in rates.items()}
        figures["of_hashing_alone"] = round(rates["ours"] / rates["hashing"], 3)
    for each in logs:
        print(
            f"log of {each['entries']:,.0f} entries: first checkpoint after {each['first_checkpoint_s']:.2f} s,"
            f" {each['integrated_per_s']:,.0f} entries/s taken in;"
            f" a proof {each['proof_median_ms']:.2f} ms, 99 % within {each['proof_p99_ms']:.2f} ms;"
            f" verified in {each['verify_s']:.1f} s, {each['verified_per_s']:,.0f} entries/s,"
            f" with at most {each['verify_peak_mib']:.0f} MiB"
        )
    figures["logs"] = [{name: round(value, 3) for name, value in each.items()} for each in logs]
    print(
        json.dumps(
            {
                "name": "ledger",
                "ratio": round(rates["ours"] / rates["pymerkle"], 2) if rates else None,
                "floor": FLOOR,
                "peer": "pymerkle InmemoryTree, entries of 200 bytes appended",
                "figures": figures,
            }
        )
    )


if __name__ == "__main__":
    main()
