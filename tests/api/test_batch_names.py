"""Names of the results of a batch, and the journal that remembers them."""

import json

import pytest

from fourfold.api.batch.journal import Journal, Outcome
from fourfold.api.names import Names
from fourfold.core.errors import PictureError, UsageError
from fourfold.core.options import UpscaleOptions


def test_a_name_that_leads_out_of_the_target_is_refused():
    for name in ("../a.png", "/etc/a.png", "a/../../b.png", "a\\b.png"):
        with pytest.raises(PictureError, match="inside the target"):
            Names("{stem}", UpscaleOptions()).relative(name)


@pytest.mark.parametrize(
    ("template", "options", "expected"),
    [
        ("{stem}_{size}{ext}", {}, "f/photo_x4.JPG"),
        ("{stem}_{size}{ext}", {"scale": 2.5}, "f/photo_x2.5.JPG"),
        ("{stem}_{size}{ext}", {"width": 1600}, "f/photo_w1600.JPG"),
        ("{stem}_{size}", {"format": "png", "width": 80, "height": 60}, "f/photo_80x60.png"),
        ("{model}-{style}-{stem}", {"style": "natural"}, "f/auto-natural-photo.JPG"),
    ],
)
def test_names(template, options, expected):
    assert Names(template, UpscaleOptions(**options)).relative("f/photo.JPG") == expected


@pytest.mark.parametrize(
    ("template", "match"),
    [("{stm}", "Did you mean stem"), ("{stem:>4}", "knows"), ("a/{stem}", "without"), ("{size}", "needs"), ("{", "{")],
)
def test_names_that_are_none(template, match):
    with pytest.raises(UsageError, match=match):
        Names(template, UpscaleOptions())


def test_heic_becomes_jpeg_by_name():
    assert Names("{stem}", UpscaleOptions()).relative("IMG_1.HEIC") == "IMG_1.jpg"


def test_a_journal_that_was_cut_short_goes_on(tmp_path):
    path = tmp_path / "batch.jsonl"
    first = Journal(path)
    with first.writing({"source": "s"}, anew=False):
        first.add(Outcome("a.png", "a_x4.png", "1"))
    with path.open("ab") as stream:
        stream.write(b'{"source": "b.p')
    second = Journal(path)
    assert second.made == {"a_x4.png": ("a.png", "1")}
    with second.writing({"source": "s"}, anew=False) as start:
        second.add(Outcome("b.png", "b_x4.png", "2"))
        second.add(Outcome("a.png", "a_x4.png", "1", error="gone"))
    assert [outcome.source for outcome in second.outcomes(start)] == ["b.png", "a.png"]
    assert Journal(path).made == {"a_x4.png": ("a.png", None), "b_x4.png": ("b.png", "2")}
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_journal_that_is_none_is_told(tmp_path):
    (tmp_path / "batch.jsonl").write_text("what\n")
    with pytest.raises(UsageError, match="Move it away"):
        Journal(tmp_path / "batch.jsonl")
