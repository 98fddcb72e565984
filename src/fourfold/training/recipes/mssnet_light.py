"""The light deblurring network: MSSNet of 16, 16 and 24 channels, 577,793 parameters, for photos shaken by hand.

Command:  fourfold train mssnet_light --photos ../shared/data/photos
Claim:    none yet.
"""

from fourfold.training.recipe import DeblurRecipe

recipe = DeblurRecipe(name="mssnet_light", wf=16, scale=0, vscale=8, steps=13_000, batch=4, patch=96, coarse=7_000,
                      lr=6e-4, scaled=True)  # fmt: skip


def tiny() -> DeblurRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=mssnet_light-tiny", "wf=4", "steps=20", "batch=2", "patch=32", "photos=2",
                           "save_every=10", "check_every=10", "warmup=5", "coarse=10")  # fmt: skip
