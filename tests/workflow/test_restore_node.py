"""The node that restores: what needs nothing done goes on as the very same picture, whatever is done keeps its type."""

from pathlib import Path

import numpy as np
import pytest

from fourfold.core.errors import UsageError
from fourfold.core.image import Image
from fourfold.core.options import DeblurOptions
from fourfold.methods.restorer import Prepared
from fourfold.workflow.node import Context, Restoration
from fourfold.workflow.nodes import restore
from fourfold.workflow.ports import ImageType, Picture


class Made(Prepared):
    def __init__(self, unchanged=None):
        self.unchanged, self.target, self.engines = unchanged, (6, 8), {"net": "openvino bf16"}

    def run(self, write, progress):
        write(np.full((6, 8, 3), 64, np.uint8))
        progress(1, 1)


class Tools:
    def __init__(self, made: Prepared) -> None:
        self.made, self.asked = made, []

    def restore(self, image, options):
        self.asked.append((image.size, options))
        return Restoration(self.made, lambda: {"blur": "sharp" if self.made.unchanged else "motion"})


def picture():
    return Picture.of(Image(np.full((6, 8, 3), 0.5, np.float32)), ImageType(origin="small", scale=1.0))


def run(tools):
    context = Context(tools, lambda _done, _all: None, Path("target"), Path("scratch"))
    node, given = restore.of("deblur"), picture()
    return given, node(node.arguments({"task": "deblur", "strength": 0.5}), {"image": given}, context)


def test_what_needs_nothing_done_goes_on_as_it_is():
    tools = Tools(Made("the picture looks sharp"))
    given, made = run(tools)
    assert made["image"] is given
    assert made["report"].figures == {"blur": "sharp"}
    assert tools.asked == [((6, 8), DeblurOptions(strength=0.5))]


def test_a_restored_picture_keeps_its_type_and_says_its_engine():
    given, made = run(Tools(Made()))
    assert made["image"].type == given.type
    assert made["image"].carried.engines == {"net": "openvino bf16"}
    np.testing.assert_array_equal(made["image"].levels, 64)


def test_the_task_decides_which_parameters_there_are():
    assert "when" in restore.of("deblur").parameters
    assert "when" not in restore.parameters
    assert "scale" in restore.parameters
    assert not {"format", "quality", "metadata"} & restore.of("deblur").parameters.keys()
    with pytest.raises(UsageError, match="task is one of upscale, deblur; got 'deblurr'"):
        restore.of("deblurr")
