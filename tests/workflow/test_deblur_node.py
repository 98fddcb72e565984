"""The node that deblurs: a sharp picture goes on as the very same one, a moved one does not."""

from pathlib import Path

import numpy as np

from fourfold.core.image import Image
from fourfold.core.options import DeblurOptions
from fourfold.workflow.node import Context, Deblurred
from fourfold.workflow.nodes import deblur
from fourfold.workflow.ports import ImageType, Picture


class Tools:
    def __init__(self, done: Deblurred) -> None:
        self.done, self.asked = done, []

    def deblur(self, image, options, _progress):
        self.asked.append((image.size, options))
        return self.done


def picture():
    return Picture.of(Image(np.full((6, 8, 3), 0.5, np.float32)), ImageType(origin="small", scale=1.0))


def run(tools):
    context = Context(tools, lambda _done, _all: None, Path("target"), Path("scratch"))
    given = picture()
    return given, deblur({"options": DeblurOptions(strength=0.5)}, {"image": given}, context)


def test_a_sharp_picture_goes_on_as_it_is():
    tools = Tools(Deblurred(None, {}, {"blur": "sharp"}))
    given, made = run(tools)
    assert made["image"] is given
    assert made["report"].figures == {"blur": "sharp"}
    assert tools.asked == [((6, 8), DeblurOptions(strength=0.5))]


def test_a_deblurred_picture_keeps_its_size_and_says_its_engine():
    changed = Image(np.full((6, 8, 3), 0.25, np.float32))
    given, made = run(Tools(Deblurred(changed, {"net": "openvino bf16"}, {"blur": "motion", "blur_pixels": 7.5})))
    assert made["image"].type == given.type
    assert made["image"].carried.engines == {"net": "openvino bf16"}
    np.testing.assert_array_equal(made["image"].levels, 64)
