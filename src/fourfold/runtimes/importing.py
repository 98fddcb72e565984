"""Networks that a person brings: a checkpoint becomes weights files and a card in the person's data folder.

Nothing of it becomes part of fourfold, and no licence is assumed: the card says that it is not known.
"""

import hashlib
import json
import re
from pathlib import Path

from fourfold.catalog import load
from fourfold.catalog.card import Card, SizeRule, Weights, parse
from fourfold.core.atomic import replacing, write_text
from fourfold.core.errors import MissingExtra, ModelError, UsageError

try:
    import torch
    from torch import nn
except ImportError as missing:
    raise MissingExtra("importing networks", "torch") from missing

from fourfold.networks.mssnet import MULTIPLE, REACH, MSSNet
from fourfold.runtimes import export
from fourfold.runtimes.pytorch import read_state

_CARD = """\
id = "{identifier}"
title = "MSSNet {wf}+{scale}+{vscale}, imported"
summary = "A network for motion deblurring that was brought here by a person, not by fourfold."
task = "image-to-image/deblurring"
tier = "big"
style = "faithful"
scale = 1
licence = "unknown: imported; ask its authors before you pass it or its results on"
provenance = {provenance}
parameters = {parameters}
receptive_field = {reach}
macs_per_pixel = {macs}

[network]
module = "mssnet"
class = "MSSNet"
arguments = {{ wf = {wf}, scale = {scale}, vscale = {vscale} }}

[size]
minimum = {multiple}
multiple_of = {multiple}

{weights}"""


def import_checkpoint(path: Path, identifier: str | None = None) -> Card:
    """Make a checkpoint of others usable: its weights are converted, checked, and described by a card.

    Args:
        path: ``.pt``, ``.pth`` or ``.safetensors``, see ``pytorch.read_state``; the size is read from its tensors.
        identifier: the id to ask for it by; by default made from the file's name.

    Returns:
        The card; it and the weights lie in the person's data folder, see ``catalog.load.folders``.

    Raises:
        ModelError: not the weights of a network known here, an export would differ, or the folder is not writable.
        UsageError: the id is no name, or taken.
    """
    identifier = identifier or "imported-" + re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", identifier):
        raise UsageError(f"expected an id of lower-case letters, digits, '-', '_' and '.', got {identifier!r}")
    if identifier in {entry.id for entry in (*load.all_entries(), *load.imported())}:
        raise UsageError(f"there is a model {identifier} already; give another --id")
    try:
        network = MSSNet.from_state_dict(read_state(path))
        blobs = export.checked(network, scale=1, size=SizeRule(MULTIPLE, MULTIPLE))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    stored = [
        Weights(f"{identifier}.{form}", form, "fp32", hashlib.sha256(content).hexdigest(), len(content))
        for form, content in blobs.items()
    ]
    text = _card(path, identifier, network, stored)
    card = parse(text, f"{identifier}.toml")
    assert isinstance(card, Card)
    folder = load.folders()[1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for weights in stored:
            with replacing(folder / weights.file) as file:
                file.write(blobs[weights.format])
        write_text(folder / f"{identifier}.toml", text)  # last: without it the weights are nothing
    except OSError as error:
        raise ModelError(f"{folder}: expected to write the imported network here: {error.strerror}") from error
    return card


def _card(path: Path, identifier: str, network: MSSNet, stored: list[Weights]) -> str:
    name = "".join(letter for letter in path.name if letter.isprintable())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _CARD.format(
        identifier=identifier,
        provenance=json.dumps(f"Imported from {name} (sha256 {digest}).", ensure_ascii=False),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        reach=REACH,
        macs=macs_per_pixel(network),
        multiple=MULTIPLE,
        weights=export.weights_tables(stored),
        **network.arguments,
    )


def macs_per_pixel(network: nn.Module, side: int = 64) -> int:
    """Multiply-accumulates of the convolutions for each pixel of a ``side×side`` input, rounded."""
    counted = 0

    def count(conv: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(conv, nn.Conv2d)
        counted += output[0].numel() * conv.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return round(counted / side**2)
