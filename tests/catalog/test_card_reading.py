from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourfold.catalog import load
from fourfold.catalog.card import Reference, Score, SizeRule, parse
from fourfold.core.errors import ModelError

GOOD = """
id = "tiny"
title = "Tiny"
summary = "For this test."
task = "image-to-image/super-resolution"
tier = "little"
style = "faithful"
scale = 4
licence = "Apache-2.0"
provenance = "nowhere"
parameters = 1
receptive_field = 2
macs_per_pixel = 3
[network]
module = "upscaler"
class = "Upscaler"
arguments = { channels = 4 }
[size]
minimum = 1
multiple_of = 1
[training]
recipe = "none"
data = "none"
steps = 0
hours = 1
machine = "none"
date = 2026-01-02
[[weights]]
file = "tiny.onnx"
format = "onnx"
precision = "fp16"
sha256 = "00"
bytes = 5
[[scores]]
dataset = "Set5"
psnr_y = 30.5
ssim_y = 0.9
"""


def test_a_good_card_is_typed() -> None:
    card = parse(GOOD, "tiny.toml")
    assert card.network.class_ == "Upscaler"
    assert card.network.arguments == {"channels": 4}
    assert card.training.date == date(2026, 1, 2)
    assert isinstance(card.training.hours, float)
    assert card.scores == (Score("Set5", 30.5, 0.9),)
    assert card.stored("onnx").bytes == 5


def test_weights_and_scores_may_be_absent() -> None:
    card = parse(GOOD[: GOOD.index("[[weights]]")], "tiny.toml")
    assert card.weights == ()
    assert card.scores == ()
    with pytest.raises(ModelError, match=r"tiny has no onnx weights \(listed: none\)"):
        card.stored("onnx")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scale = 4", "scal = 4", r"tiny.toml: unknown key scal\. Did you mean scale\?"),
        ("scale = 4", "", r"tiny.toml: missing key scale"),
        ("minimum = 1", "", r"tiny.toml: missing key size.minimum"),
        ("scale = 4", 'scale = "4"', r"tiny.toml: expected scale to be of type int, got '4'"),
        ("scale = 4", "scale = true", r"tiny.toml: expected scale to be of type int, got True"),
        ("channels = 4", "channels = 4.5", r"tiny.toml: expected network.arguments.channels to be of type int"),
        ("bytes = 5", "bytes = 5\nurl = 1", r"tiny.toml: unknown key weights\[0\].url"),
        ('"little"', '"litle"', r"expected tier to be one of 'little', 'big'; got 'litle'\. Did you mean little\?"),
        ("tiny.onnx", "../tiny.onnx", r"tiny.toml: weights\[0\]: expected the bare name .* got '../tiny.onnx'"),
        ('id = "tiny"', 'id = "other"', r"expected id to be the file's name without .toml, got 'other'"),
        ("[size]", "[size", r"tiny.toml: expected TOML: .*line \d+"),
        ("[size]", "[[size]]", r"tiny.toml: expected size to be of type dict"),
    ],
)
def test_a_wrong_card_names_file_and_key(old: str, new: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse(GOOD.replace(old, new), "tiny.toml")


def test_an_unknown_model_is_answered_with_the_closest() -> None:
    known = load.all_cards()[0].id
    with pytest.raises(ModelError, match=f"Did you mean {known}"):
        load.card(known[:-1])


def test_facts_without_a_model_list_what_there_is() -> None:
    with pytest.raises(ModelError, match=rf"x3 big natural, found 0 \(there is .*{load.all_cards()[0].id}"):
        load.find("image-to-image/super-resolution", 3, "big", "natural")


@given(st.integers(1, 500), st.integers(1, 64), st.integers(1, 64))
def test_padding_is_the_smallest_accepted_side(side: int, minimum: int, multiple: int) -> None:
    padded = SizeRule(minimum, multiple).padded(side)
    accepted = [s for s in range(side, side + minimum + 2 * multiple) if s >= minimum and s % multiple == 0]
    assert padded == accepted[0]


def test_a_reference_is_known_but_not_run() -> None:
    references = [entry for entry in load.all_entries() if isinstance(entry, Reference)]
    assert len(references) >= 4
    for reference in references:
        assert load.entry(reference.id) == reference
        assert reference.paper.startswith(("http://", "https://"))
        with pytest.raises(ModelError, match=f"{reference.id} is known here but not shipped"):
            load.card(reference.id)
    with pytest.raises(ModelError, match="unknown key scale"):
        parse('kind = "paper"\nscale = 4', "x.toml")


def test_an_encoder_is_no_upscaler() -> None:
    encoder = next(card for card in load.feature_cards() if card.kind == "encoder")
    assert load.encoder(encoder.id) == encoder
    with pytest.raises(ModelError, match=f"{encoder.id} is of the kind encoder; expected one of"):
        load.card(encoder.id)
    with pytest.raises(ModelError, match="expected the id of an encoder"):
        load.encoder(load.all_cards()[0].id)
    with pytest.raises(ModelError, match="expected a factor among"):
        load.sharpener(17)
    shipped = [*load.all_cards(), *load.feature_cards(), load.recogniser()]
    assert list(load.shipped()) == sorted(shipped, key=lambda one: one.id)
