"""The big network, photo style: trained on clean photos, then on photos degraded as real ones are.

Command:  fourfold train photo_big --photos ../shared/data/photos
Claim:    25.1 dB and SSIM 0.638 on Set14 degraded (bicubic 24.2 and 0.596). The published weights are older than
          stages: they had 5,700 steps after the big network's 12,000, with Adam, on
          over-parameterised layers.
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

recipe = UpscalerRecipe(name="photo-big", channels=48, depth=12, activation="prelu", stages=(
    UpscalerStage(steps=12_000, margin=4, graphics=0),
    UpscalerStage(steps=5_700, margin=4, graphics=0, degraded="photo", texture_weight=1.0, lr=7e-4, muon=0.004),
))  # fmt: skip


def tiny() -> UpscalerRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=photo-big-tiny", "channels=8", "depth=2", "steps=6", "batch=2", "patch=16",
                           "margin=0", "photos=2", "check_every=3", "save_every=3", "warmup=2")  # fmt: skip
