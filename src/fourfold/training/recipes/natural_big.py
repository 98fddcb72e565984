"""The big network, natural style: twelve 48-channel layers, every second dilated, taught by Real-ESRGAN general-x4v3.

Command:  fourfold train natural_big --photos ../shared/data/photos --photos ../shared/data/photos2
Claim:    Set14 degraded 24.69 dB (PSNR-Y), Set14 hard 23.70; 2.3 hours on one core of an AMD EPYC (Zen 4, bf16).
          In the published run the first two stages had 3×3 kernels in the first layer, later put in the middle of 7×7
          ones, and windows of which fewer were noisy without JPEG.
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

TEACHER = "general-x4v3"

recipe = UpscalerRecipe(
    name="natural-big", channels=48, depth=12, dilation=2, head=7, windows=2_400, windows_degraded=True, stages=(
        UpscalerStage(steps=10_000, batch=8, patch=56, margin=8, degraded="mild", graphics=0.06, teacher=TEACHER,
                      taught=0.8, muon=0.012),
        UpscalerStage(steps=10_000, batch=6, patch=72, margin=14, degraded="mild", graphics=0.08, teacher=TEACHER,
                      taught=0.68, lr=1.5e-3, muon=0.01),
        UpscalerStage(steps=6_500, batch=6, patch=72, margin=16, degraded="mild", graphics=0.08, teacher=TEACHER,
                      taught=0.74, lr=1.5e-3, muon=0.01),
    ),
)  # fmt: skip

tiny = recipe.tiny
