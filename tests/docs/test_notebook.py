"""The notebook of the tutorial runs, and its pages show what it prints."""

from __future__ import annotations

import nbformat

from tests.docs.notebook import DOCS, KOREAN, NOTEBOOK, PAGE, PICTURE, cells, notebook, run


def test_the_notebook_runs_and_prints_what_its_page_shows() -> None:
    page = PAGE.read_text(encoding="utf-8")
    outcomes = run(notebook(page))
    assert [one.printed for one in outcomes] == [one.printed for one in cells(page)]
    pictures = [picture for one in outcomes for picture in one.pictures]
    named = [DOCS / name for name in PICTURE.findall(page)]
    assert len(pictures) == len(named) == 3
    for picture, file in zip(pictures, named, strict=True):
        assert picture.startswith(b"\x89PNG")
        # drawn by this code; other versions of fonts and matplotlib may differ in single pixels
        assert picture[16:24] == file.read_bytes()[16:24]
        assert 0.5 < len(picture) / file.stat().st_size < 2.0


def test_both_languages_and_the_file_are_one_notebook() -> None:
    page, korean = (file.read_text(encoding="utf-8") for file in (PAGE, KOREAN))
    assert cells(page) == cells(korean)
    assert [f"../{name}" for name in PICTURE.findall(page)] == PICTURE.findall(korean)
    kept = nbformat.read(NOTEBOOK, 4)
    assert [one.source for one in kept.cells] == [one.source for one in notebook(page).cells]
    assert [one.source for one in kept.cells if one.cell_type == "code" and not one.outputs] == []
