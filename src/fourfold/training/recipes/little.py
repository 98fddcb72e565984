"""The little network, faithful style.

Command:  fourfold train little --photos ../shared/data/photos --photos ../shared/data/photos2
Claim:    to be measured.
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

recipe = UpscalerRecipe(name="little", channels=32, depth=8, stages=(
    UpscalerStage(steps=8_000, margin=4, graphics=0.06, muon=0.015),
))  # fmt: skip


def tiny() -> UpscalerRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=little-tiny", "channels=8", "depth=2", "steps=12", "batch=4", "patch=16", "photos=2",
                           "graphics=0", "taught=0", "check_every=6", "save_every=6", "warmup=3")  # fmt: skip
