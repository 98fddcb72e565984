"""The photo-condition recogniser: sharp, motion-blurred, noisy, heavily compressed, or tiny and enlarged.

Command:  fourfold train condition --photos ../shared/data/photos
Claim:    TODO
"""

from fourfold.training.recipe import TowerRecipe

recipe = TowerRecipe(name="condition", data="conditions", width=96, samples=4_000)


def tiny() -> TowerRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=condition-tiny", "width=4", "features=8", "samples=40", "steps=8", "batch=8",
                           "check_every=4")  # fmt: skip
