"""A function's annotations are its ports and parameters."""

from pathlib import Path
from typing import Annotated, NamedTuple

import jsonschema
import pytest
import yaml

from fourfold.core.options import OF_READING, OF_THE_FILE, TASKS, UpscaleOptions
from fourfold.core.params import Param, parameters
from fourfold.workflow.node import Options, Port, node
from fourfold.workflow.nodes import NODES
from fourfold.workflow.ports import KINDS, Picture, StepReport
from fourfold.workflow.presets import presets, text_of
from fourfold.workflow.schema import json_schema


class Both(NamedTuple):
    image: Annotated[Picture, Port("A picture.")]
    report: Annotated[StepReport, Port("Figures.")]


def test_a_node_is_its_function():
    @node(version=3)
    def sample(
        image: Annotated[Picture, Port("In.")],
        options: Annotated[UpscaleOptions, Options(only=frozenset({"quality"}))],
        mask: Annotated[Picture | None, Port("Perhaps.")] = None,
        amount: Annotated[float, Param("How much.", 0, 1)] = 0.5,
    ) -> Both:
        """Do a thing,
        and say so.

        More.
        """

    assert (sample.name, sample.version, sample.help) == ("sample", 3, "Do a thing, and say so.")
    assert {name: (port.kind, port.required) for name, port in sample.inputs.items()} == {
        "image": ("image", True),
        "mask": ("image", False),
    }
    assert set(sample.parameters) == {"amount", "quality"}
    assert list(sample.outputs) == ["image", "report"]
    assert sample.arguments({"amount": 0.25, "quality": 80}) == {
        "amount": 0.25,
        "options": UpscaleOptions(quality=80),
    }


def test_what_is_not_annotated_is_said():
    with pytest.raises(TypeError, match="bad: annotate size with Port, Param or Options"):

        @node(version=1)
        def bad(size: int) -> Annotated[float, Port("Out.")]: ...

    with pytest.raises(TypeError, match="bad: annotate what is returned"):

        @node(version=1)
        def bad() -> float: ...


def test_every_node_explains_itself():
    for made in NODES.values():
        assert made.help.endswith("."), made.name
        for port in (*made.inputs.values(), *made.outputs.values()):
            assert port.help.endswith("."), made.name
            assert port.kind in KINDS.values()
        assert all(parameter.param.help.endswith(".") for parameter in made.parameters.values()), made.name


def test_every_option_of_a_method_is_a_parameter_of_its_node():
    for task, variant in NODES["restore"].variants.items():
        of_the_photo = [name for name in parameters(TASKS[task]) if name not in OF_THE_FILE | OF_READING]
        assert [*variant.parameters] == ["task", *of_the_photo]
        assert variant.catalog_task == TASKS[task].catalog_task
    assert NODES["save"].parameters.keys() >= OF_THE_FILE - {"times"}  # those of a file that the step does not know


def test_the_schema_takes_the_presets_and_refuses_broken_files():
    schema = json_schema(NODES)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in presets():
        validator.validate(yaml.safe_load(text_of(name)))
    refused = {"unknown-node", "wrong-values", "missing-parts", "odd-form", "no-steps"}
    for path in (Path(__file__).parent / "broken").glob("*.yaml"):
        if path.stem in refused:
            assert not validator.is_valid(yaml.safe_load(path.read_text())), path.stem
