"""The big network, faithful style: 546,480 parameters, fourteen 64-channel layers.

Command:  fourfold train big --photos ../shared/data/photos --photos ../shared/data/photos2
Claim:    none yet: this run was not begun in earnest. The published weights have twelve 48-channel PReLU layers, grown
          from the little network and trained for 12,000 steps of Adam, over-parameterised (31.41, 28.15, 27.65).
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

recipe = UpscalerRecipe(name="big", channels=64, depth=14, stages=(
    UpscalerStage(steps=12_000, batch=8, patch=64, margin=6, graphics=0.06, lr=1.5e-3, muon=0.01, floor=1.0),
    UpscalerStage(steps=3_000, batch=8, patch=64, margin=6, graphics=0.06, lr=1.5e-3, muon=0.01),
))  # fmt: skip

tiny = recipe.tiny
