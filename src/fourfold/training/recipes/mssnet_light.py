"""The light deblurring network: MSSNet of 16, 16 and 24 channels, 577,793 parameters, for photos shaken by hand.

Command:  fourfold train mssnet_light --photos ../shared/data/photos
          The published weights were made so, but with learning rates found on the way, each from the last save on:
          lr=5e-4 to step 1,500, 6e-4 to 7,500, 1.2e-3 to 11,000, 3e-3 with steps=14300 to 11,250 and 5e-3 to 12,000,
          where they were taken; the cosine had by then brought the rate down to 7e-5.
Claim:    +1.11 dB PSNR-Y on 40 held-out shaken windows, all 40 better, and +0.40 dB on Levin-8, all 8 better, as
          ``fourfold bench deblurring`` measures. It was still learning: it has seen a thousandth of the
          pixels that the paper's schedule shows its networks.
"""

from fourfold.training.recipe import DeblurRecipe

recipe = DeblurRecipe(name="mssnet_light", wf=16, scale=0, vscale=8, steps=13_000, batch=4, patch=96, coarse=7_000,
                      lr=6e-4, scaled=True)  # fmt: skip


def tiny() -> DeblurRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=mssnet_light-tiny", "wf=4", "steps=20", "batch=2", "patch=32", "photos=2",
                           "save_every=10", "check_every=10", "warmup=5", "coarse=10")  # fmt: skip
