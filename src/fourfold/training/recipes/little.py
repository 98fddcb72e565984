"""The little network, faithful style: 88,752 parameters, eight 32-channel layers.

Command:  fourfold train little --photos ../shared/data/photos --photos ../shared/data/photos2
Claim:    31.00 dB on Set5, 27.91 on Set14 and 27.52 on BSD20 (PSNR-Y, zeros around the picture) after 7,000 steps,
          half an hour on one core of an AMD EPYC (Zen 4, bf16). So measured, the published weights, which stay, have
          31.13, 27.96 and 27.56: eight 24-channel PReLU layers, 13,000 steps of Adam, over-parameterised, in fp32.
          ``bench/training.md`` has more.
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

recipe = UpscalerRecipe(name="little", channels=32, depth=8, stages=(
    UpscalerStage(steps=8_000, margin=4, graphics=0.06, muon=0.015),
))  # fmt: skip

tiny = recipe.tiny
