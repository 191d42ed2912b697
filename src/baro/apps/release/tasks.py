"""Work that may wait a moment, queued in the database in the transaction that makes it necessary."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from baro.apps.ledger.services import Program, change, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.people.queries import companies
from baro.apps.release.gathering import historian
from baro.apps.release.late import note_late
from baro.config import config
from baro.database.roles import Role, conninfo
from baro.historian.store import Historian

log = logging.getLogger(__name__)

_UNSEALED = """
    SELECT l.lot_no FROM manufacturing_lot l
    WHERE l.state = %s
      AND EXISTS (SELECT FROM historian_block b
                  WHERE b.company_id = l.company_id AND b.lot = l.lot_no AND b.segment_id IS NULL)
    ORDER BY l.lot_no
"""


@app.task(name="release.seal_lot", retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def seal_lot(company: str, lot_no: str) -> None:
    """Write the observations of a complete lot into sealed files, and note what came after its decision. Doing it twice
    changes nothing."""
    worker = Program("baro worker", UUID(company))
    with change(worker, "lot complete"):
        historian(UUID(company)).seal(lot_no)
    with reading(UUID(company)):
        lot = Lot.objects.filter(lot_no=lot_no).first()
    if lot is not None:
        note_late(worker, lot)


@app.periodic(cron="* * * * *")
@app.task(name="release.seal_the_rest", queueing_lock="release.seal_the_rest")
def seal_the_rest(timestamp: int) -> None:
    """Seal what `seal_lot` left in complete lots: blocks that came late, and lots whose sealing was cut off.

    A lot that cannot be sealed does not keep the others from it.
    """
    for company in companies():
        with reading(company), connection.cursor() as cursor:
            cursor.execute(_UNSEALED, [Lot.State.COMPLETE])
            lots = [lot_no for (lot_no,) in cursor.fetchall()]
        for lot_no in lots:
            try:
                seal_lot(company=str(company), lot_no=lot_no)
            except Exception:
                if not connection.is_usable():
                    raise
                log.exception("lot %s is not sealed", lot_no)


@app.periodic(cron="* * * * *")
@app.task(name="release.extend_runs", queueing_lock="release.extend_runs")
def extend_runs(timestamp: int) -> None:
    """Take the digests of new blocks into the trail, and so into the log, long before they are sealed."""
    for company in companies():
        try:
            with change(Program("baro worker", company), "digests of new blocks"):
                historian(company).extend_runs()
        except Exception:
            if not connection.is_usable():
                raise
            log.exception("the digests of new blocks of a company are not in the trail")


@app.periodic(cron="23 * * * *")
@app.task(name="release.drop_hot", queueing_lock="release.drop_hot")
def drop_hot(timestamp: int) -> None:
    """Drop the database's copies of blocks that were sealed BARO_HOT_DAYS ago, each after its file was verified."""
    if not config().hot_days:
        return
    owner = conninfo(config().owner_url or config().database_url, Role.OWNER, "baro worker")
    before = datetime.fromtimestamp(timestamp, UTC) - timedelta(days=config().hot_days)
    for company in companies():
        with Historian(owner, company, config().data_dir) as store:
            dropped, kept = store.drop_older(before)
        for error in kept:
            log.error("hot copies are kept: %s", error)
        if dropped:
            log.info("%d hot copies of sealed blocks dropped", dropped)


@app.periodic(cron="* * * * *")
@app.task(name="release.tend_lake", queueing_lock="release.tend_lake", lock="release.tend_lake")
def tend_lake(timestamp: int) -> None:
    """Every BARO_SEAL_MINUTES: seal what belongs to no lot, put together the days that are over, and take out of the
    lake what was replaced BARO_REPLACED_DAYS ago."""
    settings = config()
    now = datetime.fromtimestamp(timestamp, UTC)
    if not settings.seal_minutes or (timestamp // 60) % settings.seal_minutes:
        return
    # each step in a transaction of its own: a file goes only when the catalogue is known to say so
    own = conninfo(settings.database_url, Role.APP, "baro worker")
    for company in companies():
        try:
            with Historian(own, company, settings.data_dir) as store:
                store.tend(now, timedelta(minutes=settings.seal_minutes))
                _, kept = store.remove_replaced(now - timedelta(days=settings.replaced_days))
            for error in kept:
                log.error("a replaced file stays: %s", error)
        except Exception:
            log.exception("observations of a company are not sealed")
