"""Large files on their way to a browser: by pieces, whatever server serves them."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import IO

from django.http import FileResponse


class Download(FileResponse):
    """An open file as an attachment: read by pieces while it is sent, closed at the end or when nobody wants it.

    Django's own reads a file whole into memory where the server is an asynchronous one.
    """

    def __init__(self, file: IO[bytes], name: str, content_type: str) -> None:
        super().__init__(file, as_attachment=True, filename=name, content_type=content_type)
        self.file = file
        # an answer that is never sent, because the reader has gone, leaves no open file behind
        weakref.finalize(self, file.close)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self.file.read, 1 << 16):
            yield piece
