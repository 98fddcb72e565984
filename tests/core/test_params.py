from dataclasses import fields
from pathlib import Path
from typing import Annotated

import pytest

from fourfold.core.errors import UsageError
from fourfold.core.options import UpscaleOptions
from fourfold.core.params import Param, parameters

KNOWN = parameters(UpscaleOptions)


def test_every_option_is_described():
    assert set(KNOWN) == {one.name for one in fields(UpscaleOptions)}
    assert next(iter(KNOWN)) == "scale"  # its own before those of every method
    assert all(p.param.help.endswith(".") for p in KNOWN.values())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("scale", "2.5", 2.5),
        ("tile", "auto", None),
        ("tile", "64", 64),
        ("metadata", "strip", "strip"),
        ("model", "x", "x"),
    ],
)
def test_parses_what_people_write(name, text, value):
    assert KNOWN[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("scale", "9", "between 1 and 8; got 9"),
        ("scale", "nan", "between 1 and 8"),
        ("scale", "big", "a number between 1 and 8; got 'big'"),
        ("tile", "12.5", "a whole number between 32 and 2048 pixels"),
        ("metadata", "stripp", "Did you mean strip?"),
        ("width", "0", "between 1 and 65535"),
    ],
)
def test_says_what_was_expected(name, text, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        KNOWN[name].parse(text)


def test_changed_checks_names_and_values():
    assert UpscaleOptions().changed(scale=2, model="auto").scale == 2
    with pytest.raises(UsageError, match="Did you mean quality"):
        UpscaleOptions().changed(qualty=3)
    with pytest.raises(UsageError, match="between 1 and 100"):
        UpscaleOptions().changed(quality=101)
    with pytest.raises(UsageError, match="style is one of"):
        UpscaleOptions().changed(style="cubist")


def test_a_function_has_parameters_too():
    def sample(
        file: Annotated[Path, Param("A file.")],
        other: int,
        sharp: Annotated[bool, Param("Whether.")] = False,
        names: Annotated[Path | None, Param("Names.")] = None,
    ) -> None: ...

    found = parameters(sample)
    assert {name: (one.kind, one.default, one.required) for name, one in found.items()} == {
        "file": (Path, None, True),
        "sharp": (bool, False, False),
        "names": (Path, None, False),
    }
    assert found["file"].parse("a/b.jpg") == Path("a/b.jpg")
    assert found["sharp"].parse("true") is True
    assert found["sharp"].parse("false") is False
    with pytest.raises(UsageError, match="sharp is true or false; got 'on'"):
        found["sharp"].parse("on")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scale", "a number between 1 and 8"),
        ("tile", "a whole number between 32 and 2048 pixels or auto"),
        ("style", "faithful or natural or auto"),
        ("model", "a word or auto"),
    ],
)
def test_says_what_is_expected(name, words):
    assert KNOWN[name].expected() == words


def test_an_older_word_is_taken_for_the_new_one_and_shown_nowhere():
    style = parameters(UpscaleOptions)["style"]
    assert style.parse("photo") == "natural"
    assert UpscaleOptions(style="photo") == UpscaleOptions().changed(style="photo") == UpscaleOptions(style="natural")
    assert "photo" not in style.expected()
    assert "photo" not in style.schema()["enum"]
    assert UpscaleOptions(style="auto").style is None
