"""Metadata (EXIF, XMP, IPTC and texts): read, and updated to match the picture that is written."""

from fourfold.imaging.metadata.exif import aspect_of, block_of, descriptive, dpi_of, without_orientation
from fourfold.imaging.metadata.fields import held
from fourfold.imaging.metadata.policy import (
    MetadataPolicy,
    for_output,
    orientation,
    received,
    recipe_of,
    with_recipe,
)
from fourfold.imaging.metadata.xmp import LONGEST_RECIPE

__all__ = [
    "LONGEST_RECIPE", "MetadataPolicy", "aspect_of", "block_of", "descriptive", "dpi_of", "for_output", "held",
    "orientation", "received", "recipe_of", "with_recipe", "without_orientation",
]  # fmt: skip
