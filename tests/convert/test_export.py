import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import fourfold
from fourfold.catalog import load
from fourfold.convert import export
from fourfold.core.errors import ModelError
from fourfold.engines import choose, pytorch, weights
from fourfold.engines.onnxruntime import OnnxRunner
from fourfold.engines.openvino import OpenVinoRunner
from fourfold.networks.mssnet import MSSNet

CARD = load.find("image-to-image/super-resolution", 4, "little", "faithful")
TILES = list(np.random.default_rng(6).random((2, 3, 16, 16), dtype=np.float32))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the folders that publishing writes to."""
    shutil.copytree(Path(fourfold.__file__).parent / "catalog" / "cards", tmp_path / "package" / "catalog" / "cards")
    (tmp_path / "package" / "weights").mkdir()
    return tmp_path / "package"


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(3)
    return pytorch.build(CARD.network)


@pytest.fixture
def saved(tmp_path: Path, network: nn.Module) -> Path:
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    return tmp_path / "trained.pt"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publish_writes_files_that_the_card_states(package: Path, saved: Path) -> None:
    before = (package / "catalog" / "cards" / f"{CARD.id}.toml").read_text("utf-8")
    card = export.publish(saved, CARD.id, package=package, tiles=TILES)
    for stated in card.weights:
        content = (package / "weights" / stated.file).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (stated.sha256, stated.bytes)
    after = (package / "catalog" / "cards" / f"{CARD.id}.toml").read_text("utf-8")
    for old, new in zip(CARD.weights, card.weights, strict=True):
        before = before.replace(old.sha256, new.sha256).replace(f"bytes = {old.bytes}", f"bytes = {new.bytes}")
    assert after == before
    assert len(snapshot(package)) == 2 + len(load.all_entries())


def test_equal_weights_give_equal_bytes(package: Path, saved: Path) -> None:
    export.publish(saved, CARD.id, package=package, tiles=TILES)
    first = snapshot(package)
    export.publish(saved, CARD.id, package=package, tiles=TILES)
    assert snapshot(package) == first


def test_tables_after_the_weights_are_kept(package: Path, saved: Path) -> None:
    path = package / "catalog" / "cards" / f"{CARD.id}.toml"
    text = path.read_text("utf-8").split("[[scores]]")[0].rstrip()
    path.write_text(text + '\n\n# Measured.\n[[scores]]\ndataset = "Set5"\npsnr_y = 30.5\nssim_y = 0.9\n', "utf-8")
    card = export.publish(saved, CARD.id, package=package, tiles=TILES)
    assert [score.dataset for score in card.scores] == ["Set5"]
    assert len(card.weights) == 2


def refused(package: Path, state: Path, message: str) -> None:
    before = snapshot(package)
    with pytest.raises(ModelError, match=message):
        export.publish(state, CARD.id, package=package, tiles=TILES)
    assert snapshot(package) == before


def test_a_state_that_does_not_fit_changes_nothing(package: Path, tmp_path: Path) -> None:
    torch.save(nn.Conv2d(3, 3, 3).state_dict(), tmp_path / "other.pt")
    refused(package, tmp_path / "other.pt", "the weights do not fit the network")


@pytest.mark.parametrize("value", [1e6, float("nan")])
def test_values_beyond_fp16_change_nothing(package: Path, tmp_path: Path, network: nn.Module, value: float) -> None:
    state = network.state_dict()
    state["convs.0.bias"][0] = value
    torch.save(state, tmp_path / "huge.pt")
    refused(package, tmp_path / "huge.pt", r"expected finite values of at most 65504, not so in convs\.0\.bias")


def test_an_export_that_differs_changes_nothing(
    package: Path, saved: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = export.to_onnx(network)
    torch.manual_seed(4)
    other = tmp_state(saved.with_name("four.pt"), pytorch.build(CARD.network))
    monkeypatch.setattr(export, "to_onnx", lambda _: wrong)
    refused(package, other, r"the ONNX export differs from the network in convs\.0\.weight")


def tmp_state(path: Path, network: nn.Module) -> Path:
    torch.save(network.state_dict(), path)
    return path


def test_an_onnx_file_with_another_weight_is_noticed(network: nn.Module) -> None:
    content = export.to_onnx(network)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-6
    with pytest.raises(ModelError, match=r"ONNX export differs from the network in convs\.0\.weight"):
        export.check_onnx(network, content, CARD.scale, CARD.size)


def test_pytorch_reads_its_weights_out_of_the_onnx_file(network: nn.Module) -> None:
    state = weights.onnx_state(export.to_onnx(network))
    again = pytorch.build(CARD.network)
    pytorch.fill(again, {name: torch.from_numpy(value) for name, value in state.items()}, "again")
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_the_graph_is_plain_and_its_weights_are_fp16(network: nn.Module) -> None:
    pytorch.fill(network, export.rounded(network.state_dict(), "random"), "random")
    model = onnx.load_model_from_string(export.to_onnx(network))
    assert {node.op_type for node in model.graph.node} == {"Cast", "Conv", "PRelu", "Add", "DepthToSpace"}
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert not model.functions


def test_weights_that_fp16_cannot_hold_stay_as_they_are(network: nn.Module) -> None:
    model = onnx.load_model_from_string(export.to_onnx(network))
    assert {tensor.data_type for tensor in model.graph.initializer} == {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,  # what repeats channels, and the activations' first slopes
    }


@pytest.mark.parametrize("engine", choose.installed())
def test_a_deblurring_network_is_the_same_on_every_engine(engine: choose.Engine) -> None:
    torch.manual_seed(1)
    network = MSSNet(8, 4, 4).eval()
    model = export.to_onnx(network)
    rng = np.random.default_rng(1)
    for tile in ((16, 16), (64, 96), (48, 80)):
        x = rng.random((1, 3, *tile), dtype=np.float32)
        runner = OnnxRunner(model, 1, tile, 1) if engine == "onnxruntime" else OpenVinoRunner(model, tile, 1, "fp32")
        with torch.inference_mode():
            assert np.abs(runner(x) - network(torch.from_numpy(x)).numpy()).max() < 1e-4


def test_a_resize_that_onnx_does_otherwise_is_refused() -> None:
    with pytest.raises(ModelError, match="expected a bilinear resize"):
        export.to_onnx(nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest")))


def test_an_operation_without_a_rule_is_named() -> None:
    with pytest.raises(ModelError, match=r"cannot export call_module .*Sigmoid"):
        export.to_onnx(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid()))


def test_a_network_with_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cannot export call_module .*GELU.* add a rule for it"):
        export.to_onnx(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.GELU()).eval())


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("content", ["malicious", "list", "garbage", "empty"])
def test_only_tensors_are_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "foreign.pth"
    if content == "malicious":
        torch.save({"a": Malicious()}, path)
    elif content == "list":
        torch.save([torch.zeros(1)], path)
    else:
        path.write_bytes(b"garbage" if content == "garbage" else b"")
    with pytest.raises(ModelError, match=r"foreign\.pth: expected (tensors only|a dictionary of tensors)"):
        pytorch.read_state(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is none"):
        pytorch.read_state(tmp_path / "none.pt")
    (tmp_path / "weights.bin").touch()
    with pytest.raises(ModelError, match=r"expected \.safetensors, \.pt or \.pth, got \.bin"):
        pytorch.read_state(tmp_path / "weights.bin")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="expected a safetensors file"):
        pytorch.read_state(tmp_path / "broken.safetensors")
