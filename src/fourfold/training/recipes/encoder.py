"""The encoder of feature maps: a vision transformer of 96 channels and four blocks, trained without labels.

Command:  fourfold train encoder --photos ../shared/data/photos
Claim:    none yet; no weights from it are published. ``found`` in its log is the share of places of held-out photos
          that are recognised in another view among some hundred others.
"""

from fourfold.training.recipe import EncoderRecipe

recipe = EncoderRecipe(name="encoder")


def tiny() -> EncoderRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=encoder-tiny", "width=24", "depth=1", "side=32", "batch=4", "points=8", "steps=20",
                           "warmup=5", "photos=2", "check_every=10")  # fmt: skip
