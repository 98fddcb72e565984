"""The light deblurring network: MSSNet of 16, 16 and 24 channels, 577,793 parameters, for photos shaken by hand.

Command:  fourfold train mssnet_light --photos ../shared/data/photos
          The published weights were made so, but with learning rates found on the way, each from the last save on:
          lr=5e-4 to step 1,500, 6e-4 to 7,500, 1.2e-3 to 11,000, 3e-3 with steps=14300 to 11,250 and 5e-3 to 12,000,
          8e-4 with steps=29000 to 23,900 (for 1,500 steps of it 24500, for as many 28000), then 4e-3 with 27500,
          1.3e-2 with 26500 and 2e-2 with 26300, which bring the rate from 2e-4 down to nothing.
Claim:    +1.82 dB PSNR-Y on 40 held-out shaken windows, 38 of them better, and +0.40 dB on Levin-8, all 8 better, as
          ``fourfold bench deblurring`` measures, after 2.8 hours on one or two cores shared with other work. It learned
          best at rates of 1 to 3e-4 and was still learning.
"""

from fourfold.training.recipe import DeblurRecipe

recipe = DeblurRecipe(name="mssnet_light", wf=16, scale=0, vscale=8, steps=13_000, batch=4, patch=96, coarse=7_000,
                      lr=6e-4, scaled=True)  # fmt: skip


def tiny() -> DeblurRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=mssnet_light-tiny", "wf=4", "steps=20", "batch=2", "patch=32", "photos=2",
                           "save_every=10", "check_every=10", "warmup=5", "coarse=10")  # fmt: skip
