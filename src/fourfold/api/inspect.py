"""Inspect results, models and the machine: ``measure``, ``verify_models`` and ``doctor``."""

import math
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fourfold
from fourfold import engines
from fourfold.api.features import likeness_of
from fourfold.api.networks import choose_cards
from fourfold.api.targets import given
from fourfold.catalog import load as catalog
from fourfold.core.errors import FourfoldError, InvalidInput, ModelError
from fourfold.core.image import Image
from fourfold.core.machine import memory_available
from fourfold.core.options import UpscaleOptions
from fourfold.core.threads import available
from fourfold.engines import choose, weights
from fourfold.imaging import files, metrics
from fourfold.imaging.fidelity import fidelity
from fourfold.imaging.resize import in_bands
from fourfold.methods.upscale import visible

_OF_AN_EXTRA = re.compile(r"""([\w.-]+).*\bextra == ['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Measurement:
    """How a result relates to the picture it was made from, and to the truth where that is known.

    Attributes:
        consistency_psnr, consistency_worst, added_detail, added_detail_db, bicubic_psnr, phone_psnr: what was kept and
            added, see ``imaging.fidelity.Fidelity``; None of a PSNR is an exact match.
        sharpness: of the result in 8-bit levels per pixel, see ``imaging.metrics.sharpness``;
        sharpness_bicubic: of a bicubic enlargement of the input.
        likeness: how alike a vision network finds the shrunk result and the input, see ``api.features.likeness_of``.
        psnr_y, ssim_y: against the reference, 4-pixel border removed, if a reference was given; a PSNR of None beside
            an SSIM is an exact match.
    """

    consistency_psnr: float | None
    consistency_worst: float
    added_detail: float
    added_detail_db: float
    bicubic_psnr: float | None
    phone_psnr: float | None
    sharpness: float
    sharpness_bicubic: float
    likeness: float
    psnr_y: float | None = None
    ssim_y: float | None = None


def measure(output: Any, low: Any, reference: Any = None) -> Measurement:
    """Measure an enlarged picture against the small one it was made from.

    Args:
        output, low, reference: paths, or arrays ``H×W``, ``H×W×1`` or ``H×W×3`` of ``uint8``, ``uint16`` or floats in
            0..1, or ``H×W×2`` or ``H×W×4`` of them with alpha last; what is transparent counts as black.

    Raises:
        PictureError: a file cannot be read. InvalidInput: sizes that cannot belong together.
    """
    large, small = _pixels(output), _pixels(low)
    if large.shape[2] != small.shape[2]:
        large, small = _rgb(large), _rgb(small)
    psnr = ssim = None
    if reference is not None:
        truth = _rgb(_pixels(reference))
        if truth.shape[:2] != large.shape[:2]:
            raise InvalidInput(
                f"expected a reference of {large.shape[1]}×{large.shape[0]} pixels as the output has, "
                f"got {truth.shape[1]}×{truth.shape[0]}"
            )
        psnr, ssim = metrics.psnr_y(_rgb(large), truth), metrics.ssim_y(_rgb(large), truth)
        psnr = psnr if math.isfinite(psnr) else None
    return Measurement(
        **fidelity(large, small).figures(),
        sharpness=round(metrics.sharpness(large), 4),
        likeness=round(likeness_of(large, small), 4),
        sharpness_bicubic=round(_sharpness_of_bicubic(small, (large.shape[0], large.shape[1])), 4),
        psnr_y=psnr,
        ssim_y=ssim,
    )


def _sharpness_of_bicubic(small: NDArray[Any], size: tuple[int, int]) -> float:
    """Sharpness of a bicubic enlargement, which is computed in bands and never held whole."""
    meter = metrics.SharpnessMeter()
    for band in in_bands(small, size):
        if len(band):
            meter.push(band)
    return meter.result()


def _pixels(source: Any) -> NDArray[Any]:
    """``H×W×C`` as they are, or in 0..1 with transparent parts laid on black."""
    if isinstance(source, str | Path):
        image: Image = files.read(given(str(source)))
        return visible(image.pixels, image.alpha)
    array = np.asarray(source)
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] in (1, 3):
        return pixels
    real = metrics.unit(pixels)
    return visible(real[..., :-1], real[..., -1])


def _rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


@dataclass(frozen=True)
class Verified:
    """One weights file of one model, and what is wrong with it, if anything."""

    model: str
    file: str
    problem: str | None


def verify_models(identifier: str | None = None) -> list[Verified]:
    """Check the weights of one model, or of all, those that were imported included, against their checksums.

    Raises:
        ModelError: there is no model of that id, or it is only known.
    """
    results = []
    for card in catalog.shipped(identifier):
        for stored in card.weights:
            try:
                weights.read(card, stored.format)
            except ModelError as error:
                results.append(Verified(card.id, stored.file, str(error)))
            else:
                results.append(Verified(card.id, stored.file, None))
    return results


def doctor() -> dict[str, Any]:
    """What is installed, what is fastest here, and what is missing; plain values, ready for JSON.

    ``fastest_runtime`` is empty when no network can run, and ``problem`` then says why.
    """
    found: dict[str, Any] = {
        "fourfold": fourfold.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": available(),
        "memory_available_mb": memory_available() >> 20,
        "runtimes": {name: _installed(name) or "not installed" for name in choose.ENGINES},
        "fastest_runtime": "",
        "problem": "",
        "models": {result.file: result.problem or "verified" for result in verify_models()},
        "extras": _extras(),
    }
    engine = Path(fourfold.__file__).parent / "serve" / "web" / "vendor"
    reason = "it was made where npm's registry could not be reached; see docs/guide/phone.md"
    found["page_on_a_phone_alone"] = "installed" if engine.is_dir() else f"not in this installation: {reason}"
    try:
        runner = engines.load(choose_cards(UpscaleOptions(), "faithful")[0], tile=(256, 256))
    except FourfoldError as error:
        found["problem"] = str(error)
    else:
        found["fastest_runtime"] = f"{runner.runtime} ({runner.precision})"
    return found


def _extras() -> dict[str, str]:
    """Every extra that fourfold's own metadata names, but that for working on it: what it brought, or how to get it."""
    packages: dict[str, list[str]] = {}
    stated: list[str] = []
    with suppress(PackageNotFoundError):  # run from its source
        stated += requires("fourfold") or ()
    for requirement in stated:
        if (found := _OF_AN_EXTRA.match(requirement)) and found[2] != "dev":
            packages.setdefault(found[2], []).append(found[1])
    return {
        extra: ", ".join(f"{name} {_installed(name)}" for name in names)
        if all(map(_installed, names))
        else f"missing: pip install 'fourfold[{extra}]'"
        for extra, names in packages.items()
    }


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
