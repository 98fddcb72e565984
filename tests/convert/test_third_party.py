"""Networks of others: found out by running them, used as any other; and ours in the files of other programs."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from onnx import TensorProto, helper
from PIL import Image, ImageCms
from torch import nn

import fourfold
from fourfold.api.batch.run import Batch
from fourfold.api.inspect import verify_models
from fourfold.api.restore import restore_files
from fourfold.bench import datasets
from fourfold.catalog import load
from fourfold.cli.main import main
from fourfold.convert import exchange, third_party
from fourfold.core.errors import MissingExtra, ModelError, UsageError
from fourfold.core.options import UpscaleOptions
from fourfold.engines import weights
from fourfold.engines.ncnn import NcnnRunner, counted, ends, layers, network

OURS = "fourfold-little-x4"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A data folder of the person's that is empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data/fourfold/models"


@pytest.fixture
def onnx_file(tmp_path) -> Path:
    """Our own network as a person would bring it, under another name."""
    path = tmp_path / "theirs-4x.onnx"
    path.write_bytes(weights.read(load.card(OURS), "onnx"))
    return path


@pytest.fixture
def photo(tmp_path) -> Path:
    """With a colour profile and EXIF."""
    levels = np.random.default_rng(1).integers(0, 256, (40, 48, 3), np.uint8)
    picture = Image.fromarray(levels).resize((64, 56), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(tmp_path / "photo.jpg", quality=95, exif=exif, icc_profile=profile)
    return tmp_path / "photo.jpg"


def upscaled(photo: Path, model: str, **options):
    (made,) = restore_files(
        [str(photo)], str(photo.with_name(f"large-{Path(model).stem}.png")), UpscaleOptions(model=model, **options),
        overwrite=True,
    )  # fmt: skip
    assert not hasattr(made, "error"), made
    return made, np.asarray(Image.open(made.output))


def test_what_an_onnx_file_holds_is_found_out(onnx_file):
    card, ours = third_party.described(onnx_file), load.card(OURS)
    assert (card.id, card.scale, card.size.multiple_of) == ("theirs-4x", 4, 1)
    assert card.macs_per_pixel == pytest.approx(ours.macs_per_pixel, rel=0.01)
    assert 4 <= card.receptive_field <= ours.receptive_field
    assert "unknown" in card.licence


def test_an_onnx_file_gives_what_the_network_in_it_gives(onnx_file, photo):
    theirs, pixels = upscaled(photo, str(onnx_file), runtime="onnxruntime", tile=96)
    _, ours = upscaled(photo, OURS, runtime="onnxruntime", precision="fp32", tile=96)
    assert theirs.model == "theirs-4x"
    assert np.abs(pixels.astype(int) - ours).max() <= 1  # its seams are those of the reach that can be seen
    assert any("licence: unknown" in warning for warning in theirs.warnings)


def test_importing_asks_for_the_licence_and_shows_it(onnx_file, photo, home, capsys):
    assert main(["models", "import", str(onnx_file)]) == 5
    assert "--licence" in capsys.readouterr().err
    assert not home.exists()
    assert main(["models", "import", str(onnx_file), "--licence", "CC-BY-4.0", "--id", "theirs"]) == 0
    assert "licence: CC-BY-4.0" in capsys.readouterr().out
    onnx_file.unlink()
    assert main(["models", "list"]) == 0
    assert "CC-BY-4.0" in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("theirs"))
    made, _ = upscaled(photo, "theirs", runtime="onnxruntime")
    assert any("licence: CC-BY-4.0" in warning for warning in made.warnings)
    assert [result.problem for result in verify_models("theirs")] == [None]
    (home / "theirs.onnx").write_bytes(b"changed")
    assert "not the file its card states" in verify_models("theirs")[0].problem


def test_importing_under_a_name_that_is_taken(onnx_file):
    for name in (OURS, "No Name"):
        with pytest.raises(UsageError, match="id"):
            third_party.adopted(onnx_file, "MIT", name)


def test_files_that_are_no_upscalers_say_what_they_are(tmp_path):
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ModelError, match="cannot load"):
        third_party.described(tmp_path / "text.onnx")
    value = helper.make_tensor_value_info
    for name, sides, match in (("fixed", (32, 32), "free H and W"), ("same", ("h", "w"), "3×H×W picture to")):
        node = helper.make_node(
            "ReduceMean" if name == "same" else "Relu", ["x"], ["y"], **({"axes": [1]} if name == "same" else {})
        )
        graph = helper.make_graph(
            [node], "g", [value("x", TensorProto.FLOAT, [1, 3, *sides])], [value("y", TensorProto.FLOAT, None)]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match=match):
            third_party.described(tmp_path / f"{name}.onnx")
    (tmp_path / "text.param").write_text("what\n")
    (tmp_path / "text.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="7767517"):
        third_party.described(tmp_path / "text.param")
    (tmp_path / "alone.param").write_text("7767517\n")
    with pytest.raises(ModelError, match="beside"):
        third_party.described(tmp_path / "alone.param")
    with pytest.raises(ModelError, match="there is none"):
        third_party.adopted(tmp_path / "gone.onnx", "MIT")


def test_general_x4v3_runs_with_colour_and_metadata_intact(shared, photo, tmp_path):
    pytest.importorskip("ncnn", reason="needs the extra ncnn")
    param = shared / "data/peers/RealESRGAN_General_x4_v3.param"
    made, _ = upscaled(photo, str(param), tile=80)
    with Image.open(made.output) as large, Image.open(photo) as small:
        assert large.info["icc_profile"] == small.info["icc_profile"]
        assert large.getexif()[0x010F] == "A camera"
        assert large.size == (256, 224)
    assert made.runtime == "ncnn"
    assert made.tiles["total"] > 1  # seams of its own reach are within
    assert made.gmacs > 0


def test_counts_of_an_ncnn_network(shared):
    pytest.importorskip("ncnn", reason="needs the extra ncnn")
    path = shared / "data/peers/RealESRGAN_General_x4_v3.param"
    param = path.read_text()
    assert ends(param) == ("data", "output")
    kernels = sum(int(values["6"]) for kind, _, _, values in layers(param) if kind == "Convolution")
    parameters, macs = counted(network(param, path.with_suffix(".bin"), 1), param)
    assert macs == kernels  # every convolution works at the size of the picture
    assert kernels < parameters < 1.01 * kernels


PLAIN = [card.id for card in load.all_cards() if card.scale == 4 and "dilation" not in card.network.arguments]


def test_dilated_networks_have_no_compact_layout(tmp_path):
    card = load.card("fourfold-little-natural-x4")
    with pytest.raises(ModelError, match=r"no dilated layers and no large kernels; take --format onnx or ncnn"):
        exchange.exported(card, "safetensors", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", PLAIN)
def test_compact_layout_gives_the_same(name, tmp_path):
    card = load.card(name)
    (path,) = exchange.exported(card, "safetensors", tmp_path)
    state = safetensors.torch.load_file(path)
    width = 2 * card.network.arguments["channels"]
    assert state["body.0.weight"].shape == (width, 3, 3, 3)
    tile = np.random.default_rng(5).random((1, 3, 30, 20), dtype=np.float32)
    ours = exchange._answer(exchange._upscaler(card), tile)
    assert np.abs(exchange.run_compact(state, 4, tile) - ours).max() < 1e-5


def test_ncnn_on_set5_within_two_levels(shared, tmp_path):
    """Exported by the command, run by the ncnn package, against the network itself on whole pictures."""
    pytest.importorskip("ncnn", reason="needs the extra ncnn")
    pytest.importorskip("pnnx", reason="needs the extra ncnn")
    assert main(["models", "export", OURS, "--format", "ncnn", "-o", str(tmp_path), "--json"]) == 0
    param = tmp_path / f"{OURS}.param"
    assert ends(param.read_text()) == ("data", "output")
    ours = exchange._upscaler(load.card(OURS))
    (set5,) = (one for one in datasets.benchmark_sets(shared / "data") if one.name == "Set5")
    for pair in set5.pairs:
        low = pair.load()[0]
        tile = np.ascontiguousarray(low.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        runner = NcnnRunner(param.read_text(), param.with_suffix(".bin"), 4, tile.shape[2:], threads=2)
        theirs = runner.levels(tile)[0].astype(int)
        real = np.rint(np.clip(exchange._answer(ours, tile)[0].transpose(1, 2, 0), 0, 1) * 255)
        assert np.abs(theirs - real).max() <= 2


def test_an_onnx_export_is_the_file_that_runs_here(tmp_path, capsys):
    assert main(["models", "export", OURS, "-o", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [str(tmp_path / f"{OURS}.onnx")]
    assert told["licence"] == "Apache-2.0"
    assert Path(told["files"][0]).read_bytes() == weights.read(load.card(OURS), "onnx")


class Nearest(nn.Module):
    def forward(self, x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.fixture
def knows(monkeypatch):
    """A stand-in at the seam: what fourfold asks of spandrel, answered with a network that repeats pixels."""

    class Descriptor(nn.Module):
        input_channels = output_channels = 3

        def __init__(self):
            super().__init__()
            self.model = Nearest()

        def forward(self, x):
            return self.model(x)

    class Unsupported(Exception):
        pass

    def read(state):
        if "known" not in state:
            raise Unsupported
        return Descriptor()

    stand_in = ModuleType("spandrel")
    stand_in.ImageModelDescriptor = Descriptor
    stand_in.UnsupportedModelError = Unsupported
    stand_in.ModelLoader = lambda **_: SimpleNamespace(load_from_state_dict=read)
    monkeypatch.setitem(sys.modules, "spandrel", stand_in)


def test_weights_that_spandrel_knows(knows, tmp_path, photo):
    torch.save({"known": torch.zeros(1)}, tmp_path / "theirs.pth")
    card = third_party.adopted(tmp_path / "theirs.pth", "MIT")
    assert (card.id, card.scale, card.receptive_field) == ("imported-theirs", 2, 0)
    made, pixels = upscaled(photo, card.id, scale=2)
    with Image.open(photo) as small:
        expected = np.asarray(small).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(pixels, expected)
    assert made.runtime == "pytorch"
    batch = Batch(str(tmp_path), str(tmp_path / "large"), UpscaleOptions(model=card.id, threads=1))
    assert batch._prepared()[0].options.runtime is None  # there is no other, so none is kept in the journal
    safetensors.torch.save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="spandrel knows no architecture"):
        third_party.described(tmp_path / "other.safetensors")


def test_without_spandrel_its_command_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    safetensors.torch.save_file({"known": torch.zeros(1)}, tmp_path / "theirs.safetensors")
    with pytest.raises(MissingExtra, match=r"fourfold\[spandrel\]"):
        third_party.described(tmp_path / "theirs.safetensors")


def test_a_session_takes_a_file_too(onnx_file):
    session = fourfold.Session(UpscaleOptions(model=str(onnx_file), runtime="onnxruntime"))
    assert session.upscale(np.zeros((8, 9, 3), np.uint8)).image.shape == (32, 36, 3)
