"""Third-party upscalers that fourfold is compared with, run as their own projects run them.

Their engines come with the extra ``bench``; their weights lie in the folder ``peers`` of a data folder.

- FSRCNN ×4 (Dong et al. 2016) as OpenCV's ``dnn_superres`` ships it: luma through the network, colour by bicubic. The
  published weights were not trained for antialiased shrinking and score about as bicubic does on these sets.
- Real-ESRGAN general-x4v3 (Wang et al. 2021) through ncnn: trained to restore degraded photos and to look sharp, so its
  PSNR on clean pictures says little; what counts here is its speed, as the small model most people run.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fourfold.bench.quality import Contender
from fourfold.core.errors import MissingExtra, ModelError
from fourfold.engines.ncnn import extract
from fourfold.engines.tensors import levels

Storage = Literal["fp32", "bf16"]
"""How ncnn keeps weights and features between layers: its default on x86, or its reduced-precision option."""


def peers(data: Path, threads: int) -> tuple[Contender, ...]:
    """Every peer, from the weights in a data folder.

    Raises:
        MissingExtra: OpenCV or ncnn is not installed. ModelError: weights are missing or not readable.
    """
    folder = data / "peers"
    return (
        fsrcnn(folder, threads),
        real_esrgan(folder, threads),
        real_esrgan(folder, threads, "bf16"),
    )


def fsrcnn(folder: Path, threads: int) -> Contender:
    """FSRCNN ×4 through OpenCV; sets OpenCV's thread count for the whole process.

    Raises:
        MissingExtra: OpenCV with its contributed modules is not installed. ModelError: the weights are missing.
    """
    weights = _file(folder, "FSRCNN_x4.pb")
    try:
        import cv2
        from cv2 import dnn_superres
    except ImportError as error:
        raise MissingExtra("comparing with FSRCNN", "bench") from error
    cv2.setNumThreads(threads)
    network = dnn_superres.DnnSuperResImpl.create()
    network.readModel(str(weights))
    network.setModel("fsrcnn", 4)

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        enlarged = network.upsample(np.ascontiguousarray(low[..., ::-1]))
        return np.ascontiguousarray(enlarged[..., ::-1], np.uint8)

    return Contender("FSRCNN", enlarge, f"OpenCV {cv2.__version__} dnn_superres, fp32, threads: {threads}")


def real_esrgan(folder: Path, threads: int, storage: Storage = "fp32") -> Contender:
    """Real-ESRGAN general-x4v3 through ncnn on the processor, with ncnn's default options but for ``storage``.

    Raises:
        MissingExtra: ncnn is not installed. ModelError: the weights are missing or damaged.
    """
    param, weights = (_file(folder, f"RealESRGAN_General_x4_v3.{suffix}") for suffix in ("param", "bin"))
    try:
        import ncnn
    except ImportError as error:
        raise MissingExtra("comparing with Real-ESRGAN", "bench") from error
    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_bf16_storage = storage == "bf16"
    if network.load_param(str(param)) or network.load_model(str(weights)):
        raise ModelError(f"{param}: expected a network that ncnn {ncnn.__version__} loads; fetch the file anew")

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        planes = low.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        enlarged: NDArray[np.uint8] = levels(extract(network, "data", planes, "output")[None])[0]
        return enlarged

    suffix = "" if storage == "fp32" else f" {storage}"
    how = f"ncnn {ncnn.__version__}, {storage} storage, threads: {threads}"
    return Contender(f"Real-ESRGAN general-x4v3{suffix}", enlarge, how)


def real_esrgan_shape(threads: int) -> Contender:
    """The shape of general-x4v3, 34 convolutions of 64 channels, with random weights through OpenVINO: for its time.

    Raises:
        MissingExtra: PyTorch, which builds it, is not installed.
    """
    from fourfold.catalog.card import Network
    from fourfold.convert import export
    from fourfold.engines import pytorch
    from fourfold.engines.openvino import OpenVinoRunner

    model = export.to_onnx(pytorch.build(Network("upscaler", "Upscaler", {"channels": 64, "depth": 32})))
    runners: dict[tuple[int, ...], OpenVinoRunner] = {}

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = low.shape[0], low.shape[1]
        if size not in runners:
            runners.clear()
            runners[size] = OpenVinoRunner(model, size, threads, "auto")
        planes = np.ascontiguousarray(low.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        enlarged: NDArray[np.uint8] = runners[size].levels(planes)[0]
        return enlarged

    how = f"random weights, OpenVINO in its own precision, threads: {threads}; its pictures mean nothing"
    return Contender("general-x4v3's shape, OpenVINO", enlarge, how)


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ModelError(
            f"{path}: expected the weights of a peer, found none; name a data folder that has peers/{name}"
        )
    return path
