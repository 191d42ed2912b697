"""Looking into binary files without falling out of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.edge.errors import FileDamagedError
from baro.edge.formats.result import Floats, bounded


@dataclass(frozen=True, slots=True)
class Cursor:
    """Bytes and the name of the block they are read for. Every access outside of `data` raises FileDamagedError."""

    data: bytes
    block: str = ""

    def named(self, block: str) -> Cursor:
        """The same bytes under the name of another block."""
        return Cursor(self.data, block)

    def take(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`."""
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise FileDamagedError(
                f"{length} bytes are needed here, the file has {len(self.data)}", block=self.block, offset=offset
            )
        return self.data[offset : offset + length]

    def unpack(self, form: str, offset: int) -> tuple[Any, ...]:
        """The fields of `form` (see `struct`) at `offset`."""
        return struct.unpack(form, self.take(offset, struct.calcsize(form)))

    def one(self, form: str, offset: int) -> Any:
        """The single field of `form` at `offset`."""
        return self.unpack(form, offset)[0]

    def array(self, kind: str, offset: int, count: int) -> npt.NDArray[Any]:
        """`count` numbers of the numpy dtype `kind`, not copied. Shape (count,)."""
        dtype = np.dtype(kind)
        bounded(1, count, block=self.block, offset=offset)
        self.take_nothing(offset, count * dtype.itemsize)
        return np.frombuffer(self.data, dtype, count, offset)

    def floats(self, kind: str, offset: int, count: int) -> Floats:
        """`count` numbers of the numpy dtype `kind` as float64. Shape (count,)."""
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one; readers look for both
            return self.array(kind, offset, count).astype(np.float64)

    def take_nothing(self, offset: int, length: int) -> None:
        """Raises FileDamagedError when `length` bytes from `offset` are not all there."""
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise FileDamagedError(
                f"{length} bytes are needed here, the file has {len(self.data)}", block=self.block, offset=offset
            )
