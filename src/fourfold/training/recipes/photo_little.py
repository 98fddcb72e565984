"""The little network, photo style: the faithful one trained on, on pictures spoiled as real photos are.

Command:  fourfold train photo_little --photos ../shared/data/photos
Claim:    25.0 dB and SSIM 0.634 on Set14 spoiled (bicubic 24.2 and 0.596) after 0.16 hours on two cores of an AMD EPYC
          (Zen 4, bf16) shared with other work. The published weights had 1,500 steps of this.
"""

from fourfold.training.recipe import Recipe

recipe = Recipe(name="photo-little", channels=24, depth=8, expansion=4, start="fourfold-little-x4", degraded=True,
                steps=1_500, patch=48, margin=3, lr=1e-3, polish=0.0, texture_weight=1.0)  # fmt: skip


def tiny() -> Recipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=photo-little-tiny", "expansion=1", "steps=20", "batch=4", "patch=16", "margin=0",
                           "photos=2", "check_every=10", "warmup=5")  # fmt: skip
