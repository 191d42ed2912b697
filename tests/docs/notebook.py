"""The notebook of the tutorial: made of its page, run by a kernel, and its outputs put into pages and pictures.

``python -m tests.docs.notebook`` writes them. A page is the source of text and code: fenced Python is a cell, the
fenced text after it is what it prints, and a picture after that is what it shows.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, KOREAN = DOCS / "tutorial-notebook.md", DOCS / "ko" / "tutorial-notebook.md"
NOTEBOOK = DOCS / "tutorial-notebook.ipynb"
FENCED = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[[^\]]*\]\((\S+)\)$", re.MULTILINE)


@dataclass
class Cell:
    """A cell as the page has it: its code, and what it says the cell prints."""

    code: str
    printed: str


@dataclass
class Outcome:
    """What came out of one cell."""

    printed: str = ""
    pictures: list[bytes] = field(default_factory=list)


def cells(page: str) -> list[Cell]:
    return [Cell(code.rstrip("\n"), printed or "") for code, printed in FENCED.findall(page)]


def notebook(page: str) -> NotebookNode:
    """The page as a notebook without outputs. The pictures and printed texts of the page are left out."""
    made, at = [], 0
    for found in FENCED.finditer(page):
        made += [_words(page[at : found.start()]), new_code_cell(found[1].rstrip("\n"))]
        at = found.end()
    made.append(_words(page[at:]))
    told = new_notebook(cells=[one for one in made if one is not None])
    for number, one in enumerate(told.cells):
        one.id = f"cell-{number}"  # not by chance, so that the same page gives the same file
    told.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return told


def _words(text: str) -> NotebookNode | None:
    kept = PICTURE.sub("", text).strip()
    return new_markdown_cell(kept) if kept else None


def run(made: NotebookNode) -> list[Outcome]:
    """Run a notebook in a kernel of its own, in place. Raises CellExecutionError."""
    NotebookClient(made, timeout=120, kernel_name="python3").execute()
    out = []
    for cell in made.cells:
        if cell.cell_type != "code":
            continue
        found = Outcome()
        cell.metadata = {}
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stdout":
                found.printed += output.text
            elif "image/png" in output.get("data", {}):
                found.pictures.append(base64.b64decode(output.data["image/png"]))
        out.append(found)
    return out


def written(page: str, outcomes: list[Outcome]) -> str:
    """The page with what its cells printed."""
    found = iter(outcomes)

    def cell(one: re.Match[str]) -> str:
        printed = next(found).printed
        return f"```python\n{one[1]}```\n" + (f"\n```text\n{printed}```\n" if printed else "")

    return FENCED.sub(cell, page)


def main() -> None:
    made = notebook(PAGE.read_text(encoding="utf-8"))
    outcomes = run(made)
    for page in (PAGE, KOREAN):
        page.write_text(written(page.read_text(encoding="utf-8"), outcomes), encoding="utf-8")
    names = PICTURE.findall(PAGE.read_text(encoding="utf-8"))
    pictures = [picture for outcome in outcomes for picture in outcome.pictures]
    for name, picture in zip(names, pictures, strict=True):
        (DOCS / name).write_bytes(picture)
    made.metadata.pop("language_info", None)
    nbformat.write(made, NOTEBOOK)


if __name__ == "__main__":
    main()
