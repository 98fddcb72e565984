"""Import third-party checkpoints of a network defined here: convert them to weights files and a card.

Model files that are run as they are go through ``convert.third_party``.
"""

import hashlib
import json
from pathlib import Path

from fourfold.catalog.card import Card, SizeRule, Weights
from fourfold.convert import export, third_party
from fourfold.core.errors import ModelError
from fourfold.engines.pytorch import macs, read_state
from fourfold.networks.mssnet import MULTIPLE, REACH, MSSNet

_CARD = """\
id = "{identifier}"
title = "MSSNet {wf}+{scale}+{vscale}, imported"
summary = "A network for motion deblurring that was brought here by a person, not by fourfold."
task = "image-to-image/deblurring"
tier = "big"
style = "faithful"
scale = 1
licence = {licence}
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


def known(path: Path) -> bool:
    """Whether a file holds weights of an MSSNet."""
    try:
        return "shallow_feat3.0.weight" in read_state(path)
    except ModelError:
        return False


def import_checkpoint(path: Path, identifier: str | None = None, licence: str = third_party.UNKNOWN) -> Card:
    """Import a third-party checkpoint: convert its weights, check them, and describe them by a card.

    Args:
        path: ``.pt``, ``.pth`` or ``.safetensors``, see ``pytorch.read_state``; the size is read from its tensors.
        identifier, licence: as of ``third_party.adopted``.

    Returns:
        The card; it and the weights lie in the person's data folder, see ``catalog.load.folders``.

    Raises:
        ModelError: not the weights of a network known here, an export would differ, or the folder is not writable.
        UsageError: the id is no name, or taken.
    """
    identifier = third_party.free(path, identifier)
    try:
        network = MSSNet.from_state_dict(read_state(path))
        blobs = export.checked(network, scale=1, size=SizeRule(MULTIPLE, MULTIPLE))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    stored = [
        Weights(f"{identifier}.{form}", form, "fp32", hashlib.sha256(content).hexdigest(), len(content))
        for form, content in blobs.items()
    ]
    text = _card(path, licence, identifier, network, stored)
    return third_party.place(identifier, text, {one.file: blobs[one.format] for one in stored})


def _card(path: Path, licence: str, identifier: str, network: MSSNet, stored: list[Weights]) -> str:
    name = "".join(letter for letter in path.name if letter.isprintable())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _CARD.format(
        identifier=identifier,
        licence=json.dumps(licence, ensure_ascii=False),
        provenance=json.dumps(f"Imported from {name} (sha256 {digest}).", ensure_ascii=False),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        reach=REACH,
        macs=round(macs(network, 64)),
        multiple=MULTIPLE,
        weights=export.weights_tables(stored),
        **network.arguments,
    )
