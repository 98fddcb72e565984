"""The encoder of feature maps: a vision transformer of 96 channels and four blocks, trained without labels.

Command:  fourfold train encoder --photos ../shared/data/photos
Claim:    36 % of the places of held-out photos are recognised in another view, among some 500; about twelve minutes on
          two cores of an AMD EPYC (Zen 4) that had other work, too.
"""

from fourfold.training.recipe import EncoderRecipe

recipe = EncoderRecipe(name="encoder")


def tiny() -> EncoderRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=encoder-tiny", "width=24", "depth=1", "side=32", "batch=4", "points=8", "steps=20",
                           "warmup=5", "photos=2", "check_every=10")  # fmt: skip
