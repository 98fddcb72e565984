"""The big network, faithful style: 272,160 parameters, twelve 48-channel layers, grown from the little one.

Command:  fourfold train big --photos ../shared/data/photos
Claim:    31.4 dB on Set5, 28.1 on Set14 and 27.6 on BSD20 (PSNR-Y) after 1.15 hours on two cores of an AMD EPYC (Zen 4,
          bf16) shared with other work. More of the same does not help: 8,000 further steps from there
          (start=fourfold-big-x4 lr=6e-4 seed=7) took the held-out photos from 33.32 to 33.35 dB and the sets to 31.39,
          28.14 and 27.63.
"""

from fourfold.training.recipe import Recipe

recipe = Recipe(name="big", channels=48, depth=12, expansion=4, start="fourfold-little-x4", steps=12_000, patch=48,
                margin=4, lr=1.5e-3, polish=0.0)  # fmt: skip


def tiny() -> Recipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=big-tiny", "channels=26", "depth=9", "expansion=1", "steps=20", "batch=4", "patch=16",
                           "photos=2", "check_every=10", "warmup=5")  # fmt: skip
