"""The table of `docs/reference/formats.md`: what becomes of every file of other makers that the tests have.

`make tables` writes it where those files are; a test holds it true.
"""

from __future__ import annotations

import sys
from pathlib import Path

from baro.edge.formats.check import FileRow, check_folder

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "formats.md"
DATA = ROOT.parent / "shared" / "data" / "formats"
BEGIN = "<!-- Made by `make tables`: do not edit between here and the end mark. -->"
END = "<!-- End of what is made. -->"


def table(folder: Path = DATA) -> str:
    """The table in Markdown."""
    rows = [row for row in check_folder(str(folder)) if not row.path.endswith(".gz")]
    read = sum(row.read for row in rows)
    lines = [
        f"{len(rows)} files: {read} read, {len(rows) - read} refused.",
        "",
        "| File | Format | Spectra | Points | Axis of the first block | Smallest and largest value | Result |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [f"| `{row.path}` | {' | '.join(cells(row))} |" for row in rows]
    return "\n".join(lines)


def cells(row: FileRow) -> list[str]:
    """All cells but the first."""
    if not (row.read and row.axis and row.extremes):
        where = ", ".join(
            ([f"block {row.block}"] if row.block else []) + ([f"byte {row.offset}"] if row.offset else [])
        )
        return ["", "", "", "", "", escape(f"**refused** ({row.code}){f' at {where}' if where else ''}: {row.reason}")]
    least, most = row.points
    result = "; ".join(["read", *(f"**left out** {one}" for one in row.left_out), *row.notes[:2]])
    return [
        f"{row.format}: {row.variant}",
        str(row.spectra),
        str(least) if least == most else f"{least} to {most}",
        escape(f"{row.axis[0]:.7g} to {row.axis[1]:.7g} {row.x_unit}".strip()),
        escape(f"{row.extremes[0]:.6g}, {row.extremes[1]:.6g} {row.y_unit}".strip()),
        escape(result),
    ]


def escape(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def with_table(page: str, made: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if not DATA.is_dir():
        sys.exit(0)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
