"""The little network, natural style: eight 32-channel layers, every second dilated, taught by Real-ESRGAN general-x4v3.

Command:  fourfold train natural_little --photos ../shared/data/photos --photos ../shared/data/photos2
Claim:    Set14 degraded 24.70 dB (PSNR-Y), Set14 hard 23.72; 40 minutes on one core of an AMD EPYC (Zen 4, bf16).
          In the published run the first stage had 3×3 kernels in the first layer, later put in the middle of 7×7 ones,
          and 1,200 windows of which fewer were noisy without JPEG.
"""

from fourfold.training.recipe import UpscalerRecipe, UpscalerStage

TEACHER = "general-x4v3"

recipe = UpscalerRecipe(
    name="natural-little", channels=32, depth=8, dilation=2, head=7, windows=2_400, windows_degraded=True, stages=(
        UpscalerStage(steps=9_000, batch=8, patch=48, margin=6, degraded="mild", graphics=0.06, teacher=TEACHER,
                      taught=0.8, muon=0.015),
        UpscalerStage(steps=6_000, batch=6, patch=64, margin=12, degraded="mild", graphics=0.08, teacher=TEACHER,
                      taught=0.74, muon=0.012),
    ),
)  # fmt: skip

tiny = recipe.tiny
