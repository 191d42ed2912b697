"""The Merkle log over the audit trail. It is one log for all companies and holds nothing but hashes."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.database.guards import Guard


class Node(models.Model):
    """A hash of the log. Level 0: the leaves, one an entry of the trail, in the order in which they were taken in.
    Level k: the root of a complete subtree of 256^k leaves (the tiles of C2SP tlog-tiles).

    Leaves are written by the function `ledger_sequence` alone; the application adds the levels above.
    """

    guard = Guard(audited=False, append_only=True, company="", check="level > 0")

    id = models.BigAutoField(primary_key=True)
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)
    entry_id = models.BigIntegerField(null=True, unique=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["level", "index"], name="ledger_node_place"),
            models.CheckConstraint(
                condition=models.Q(level=0, entry_id__isnull=False) | models.Q(level__gt=0, entry_id__isnull=True),
                name="ledger_node_leaf",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class Checkpoint(models.Model):
    """What the log said of itself: its size and root, signed. key: the public key, as a C2SP vkey."""

    guard = Guard(audited=False, append_only=True, company="")

    id = models.BigAutoField(primary_key=True)
    size = models.BigIntegerField(_("size"), unique=True)
    root = models.BinaryField(_("root"), max_length=32)
    note = models.TextField()
    key = models.TextField(_("key"))
    at = models.DateTimeField(_("time"), db_default=Now())

    def __str__(self) -> str:
        return f"{self.size} {bytes(self.root).hex()}"


class Cosignature(models.Model):
    """A witness saw a checkpoint and found that it goes on from what it had seen before. line: its signature."""

    guard = Guard(audited=False, append_only=True, company="")

    id = models.BigAutoField(primary_key=True)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    witness = models.TextField(_("witness"))
    line = models.TextField()
    at = models.DateTimeField(_("time"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["checkpoint", "witness"], name="ledger_cosignature_once")]

    def __str__(self) -> str:
        return f"{self.witness} {self.checkpoint_id}"


class Sequencing(models.Model):
    """How far the sequencer is: one row, kept by `ledger_sequence` alone. It only saves time; without it, or with
    a wrong `floor` of 0, every entry is looked at again.

    Every entry up to `floor` is in the log or will never be. Those up to `mark` were begun by transactions below
    `mark_xid`, so when all of these are over, `mark` becomes the floor.
    """

    guard = Guard(audited=False, company="", writable=False)

    id = models.SmallIntegerField(primary_key=True)
    floor = models.BigIntegerField()
    mark = models.BigIntegerField()
    mark_xid = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.floor} {self.mark}"
