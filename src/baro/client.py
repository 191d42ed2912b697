"""A small client of the REST interface: trends and batches as Arrow tables, or as frames of pandas or polars.

It needs an API token with the permission ``view`` (see the account page) and no Django::

    from baro.client import Client

    with Client("http://127.0.0.1:8600", token) as baro:
        force = baro.find("compression force")[0]
        frame = baro.samples([force["ref"]], start, end, into="pandas")
        batch = baro.batch("BARO-2601A", phase="Mix")

pandas and polars are imported only when they are asked for; they do not come with Baro.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

import pyarrow as pa
import requests

Into = Literal["arrow", "pandas", "polars"]


class Refused(Exception):
    """The server did not do what was asked. `status`: of the answer; `code`: of the error, "" when it told none."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{status} {code} {text}".strip())
        self.status = status
        self.code = code


class Client:
    """url: where the pages are. token: ``baro_…``. timeout: seconds without a byte of an answer.

    Every method raises Refused, and requests.RequestException when the server cannot be reached.
    """

    def __init__(self, url: str, token: str, timeout: float = 60.0) -> None:
        self._base = url.rstrip("/") + "/api/v1"
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {token}"})
        self._session.trust_env = False  # a netrc of the machine must not take the token's place

    def find(self, words: str = "", most: int = 200) -> list[dict[str, Any]]:
        """Series whose names hold every one of `words`; their ``ref`` is what the other methods take."""
        found: list[dict[str, Any]] = self._json("/trends/series", {"search": words, "most": most})["series"]
        return found

    def curves(self, refs: Sequence[str], start: datetime, end: datetime, points: int = 1000) -> dict[str, Any]:
        """Curves as a chart draws them: samples while they are few, least, mean and greatest of spans when many."""
        asked = {"tag": list(refs), "start": _iso(start), "end": _iso(end), "points": points}
        found: dict[str, Any] = self._json("/trends/curves", asked)
        return found

    def samples(
        self, refs: Sequence[str], start: datetime, end: datetime, *, lot: str = "", into: Into = "arrow"
    ) -> Any:
        """Every sample of [start, end): source, tag, time (UTC), value, text, array, quality (OPC UA)."""
        asked = {"tag": list(refs), "start": _iso(start), "end": _iso(end), "lot": lot}
        return self._table("/trends/samples", asked, into)

    def batches(self, search: str = "") -> list[dict[str, Any]]:
        """Batches with their phases, the latest first."""
        found: list[dict[str, Any]] = self._json("/context/batches", {"search": search})
        return found

    def batch(self, lot: str, *, phase: str = "", level: str = "phase", into: Into = "arrow") -> Any:
        """Every sample of a batch, or of a phase of it, by its interval as it stands now; columns as `samples`."""
        return self._table("/context/samples", {"lot": lot, "phase": phase, "level": level}, into)

    def spectra(self, source: str, lot: str, *, phase: str = "", most: int = 300) -> dict[str, Any] | None:
        """At most `most` spectra of a batch, evenly chosen; None where there is none."""
        asked = {"source": source, "lot": lot, "phase": phase, "most": most}
        found: dict[str, Any] | None = self._json("/trends/spectra", asked)
        return found

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _table(self, path: str, asked: Mapping[str, Any], into: Into) -> Any:
        body = self._get(path, {**asked, "form": "arrow"}).content
        return _into(pa.ipc.open_stream(io.BytesIO(body)).read_all(), into)

    def _json(self, path: str, asked: Mapping[str, Any]) -> Any:
        return self._get(path, asked).json()

    def _get(self, path: str, asked: Mapping[str, Any]) -> requests.Response:
        # a redirect would carry the token elsewhere
        answer = self._session.get(self._base + path, params=asked, timeout=self._timeout, allow_redirects=False)
        if answer.status_code == 200:
            return answer
        try:
            told = answer.json()
        except ValueError:
            told = {}
        raise Refused(answer.status_code, str(told.get("code", "")), str(told.get("text", "")))


def _iso(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.isoformat()


def _into(table: pa.Table, into: Into) -> Any:
    if into == "pandas":
        return table.to_pandas()
    if into == "polars":
        import polars

        return polars.from_arrow(table)
    return table
