"""The little network, photo style: trained on clean photos, then on photos degraded as real ones are.

Command:  fourfold train photo_little --photos ../shared/data/photos
Claim:    25.0 dB and SSIM 0.634 on Set14 degraded (bicubic 24.2 and 0.596). The published weights are older than
          stages: they had 1,500 steps after the little network's 13,000, with Adam, on
          over-parameterised layers.
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

recipe = UpscalerRecipe(name="photo-little", channels=24, depth=8, activation="prelu", stages=(
    UpscalerStage(steps=13_000, margin=3, graphics=0),
    UpscalerStage(steps=1_500, margin=3, graphics=0, degraded="photo", texture_weight=1.0, lr=7e-4, muon=0.004),
))  # fmt: skip


def tiny() -> UpscalerRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=photo-little-tiny", "channels=8", "depth=2", "steps=6", "batch=2", "patch=16",
                           "margin=0", "photos=2", "check_every=3", "save_every=3", "warmup=2")  # fmt: skip
