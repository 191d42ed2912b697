"""The historian's tables as Django sees them, so that they are migrated and guarded with all others.

The exact columns are in ``migrations/*.sql``; writing and reading go through `sink` and `store`.
"""

# Django's fields tell their types by a plugin that the other rooms do without.
# mypy: disable-error-code="var-annotated"

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from baro.historian.schema import BLOCKS, GUARD, RECORDED


class Stored(models.Model):
    """What every table of the historian has."""

    guard = GUARD

    id = models.BigAutoField(primary_key=True)
    company_id = models.UUIDField()
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True


class StoredAxis(Stored):
    guard = RECORDED

    digest = models.TextField()
    unit = models.TextField()
    values = ArrayField(models.FloatField())

    class Meta:
        db_table = "historian_axis"

    def __str__(self) -> str:
        return f"{self.digest} {self.unit}"


class StoredBlock(Stored):
    guard = BLOCKS

    source = models.TextField()
    kind = models.TextField()
    epoch = models.BigIntegerField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    count = models.IntegerField()
    lot = models.TextField()
    axis = models.TextField()
    time_min = models.DateTimeField()
    time_max = models.DateTimeField()
    digest = models.BinaryField()
    body_digest = models.BinaryField()
    digests = models.BinaryField(null=True)
    body = models.BinaryField(null=True)
    segment_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "historian_block"

    def __str__(self) -> str:
        return f"{self.source} {self.epoch}/{self.first_seq}-{self.last_seq}"


class StoredGap(Stored):
    guard = RECORDED

    source = models.TextField()
    epoch = models.BigIntegerField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField(null=True)
    lot = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    reason = models.TextField()

    class Meta:
        db_table = "historian_gap"

    def __str__(self) -> str:
        return f"{self.source} {self.epoch}/{self.first_seq}-{self.last_seq} {self.reason}"


class StoredEvent(Stored):
    guard = RECORDED

    source = models.TextField()
    kind = models.TextField()
    at = models.DateTimeField()
    detail = models.TextField()
    payload = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        db_table = "historian_event"

    def __str__(self) -> str:
        return f"{self.source} {self.kind} {self.at}"


class StoredJournalEntry(Stored):
    guard = RECORDED

    agent = models.TextField()
    number = models.BigIntegerField()
    previous = models.TextField()
    hash = models.TextField()
    line = models.TextField()
    at = models.DateTimeField()
    kind = models.TextField()
    finding = models.TextField()
    instrument = models.TextField()
    path = models.TextField()
    detail = models.TextField()
    digest = models.TextField()
    size = models.BigIntegerField(null=True)
    version = models.BigIntegerField(null=True)
    modified_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "historian_journal"

    def __str__(self) -> str:
        return f"{self.agent} {self.number}"


class StoredRun(Stored):
    guard = RECORDED

    source = models.TextField()
    number = models.BigIntegerField()
    first_block = models.BigIntegerField()
    last_block = models.BigIntegerField()
    count = models.BigIntegerField()
    previous = models.BinaryField()
    root = models.BinaryField()

    class Meta:
        db_table = "historian_run"

    def __str__(self) -> str:
        return f"{self.source} {self.number}"


class StoredSegment(Stored):
    guard = RECORDED

    path = models.TextField()
    kind = models.TextField()
    source = models.TextField()
    lot = models.TextField()
    axis = models.TextField()
    first_epoch = models.BigIntegerField()
    first_seq = models.BigIntegerField()
    last_epoch = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    count = models.BigIntegerField()
    file_digest = models.BinaryField()
    root_digest = models.BinaryField()
    blocks = ArrayField(models.BigIntegerField())
    day = models.DateField(null=True)
    reason = models.TextField()
    index_digest = models.BinaryField(null=True)
    time_min = models.DateTimeField()
    time_max = models.DateTimeField()

    class Meta:
        db_table = "historian_segment"

    def __str__(self) -> str:
        return str(self.path)


class StoredReplacement(Stored):
    """A sealed file that a later one stands for."""

    guard = RECORDED

    segment_id = models.BigIntegerField()
    by_segment_id = models.BigIntegerField()

    class Meta:
        db_table = "historian_replaced"

    def __str__(self) -> str:
        return f"{self.segment_id} by {self.by_segment_id}"


class StoredRemoval(Stored):
    """A replaced file that is no longer in the lake."""

    guard = RECORDED

    segment_id = models.BigIntegerField()

    class Meta:
        db_table = "historian_removed"

    def __str__(self) -> str:
        return str(self.segment_id)
