"""The little network, faithful style: 52,968 parameters, eight 24-channel layers, trained collapsible.

Command:  fourfold train little --photos ../shared/data/photos
Claim:    31.2 dB on Set5, 28.0 on Set14 and 27.6 on BSD20 (PSNR-Y) after about an hour on two cores of an AMD EPYC
          (Zen 3, AVX2, fp32). The published weights ran their first 8,000 steps on a cosine of 20,000 steps, then
          5,000 on this one.
"""

from fourfold.training.recipe import Recipe

recipe = Recipe(name="little", channels=24, depth=8, expansion=4, steps=13_000, patch=48, margin=3, lr=2e-3)


def tiny() -> Recipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=little-tiny", "channels=8", "depth=2", "steps=20", "batch=4", "patch=16", "photos=2",
                           "check_every=10", "warmup=5")  # fmt: skip
