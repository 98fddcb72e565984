"""The photo-condition recogniser: sharp, motion-blurred, noisy, heavily compressed, or tiny and enlarged.

Command:  fourfold train condition --photos ../shared/data/photos
Claim:    98.0 % on 490 samples of held-out photos after 2,000 steps: ten minutes on one core of an AMD EPYC (Zen 4)
          shared with other work, nine of them to make the samples. The published weights are these, written by
          ``fourfold.convert.tower.publish``.
"""

from fourfold.training.recipe import TowerRecipe

recipe = TowerRecipe(name="condition", data="conditions", width=96, samples=4_000)


def tiny() -> TowerRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=condition-tiny", "width=4", "features=8", "samples=40", "steps=8", "batch=8",
                           "check_every=4")  # fmt: skip
