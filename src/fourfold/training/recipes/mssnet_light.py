"""The light deblurring network: MSSNet of 16, 16 and 24 channels, 577,793 parameters, for camera shake.

Command:  fourfold train mssnet_light --photos ../shared/data/photos
Claim:    +1.82 dB PSNR-Y on 40 held-out blurred windows, 38 of them better, and +0.40 dB on Levin-8, all 8 better, as
          ``fourfold bench deblurring`` measures, after 2.8 hours on one or two cores shared with other work. The
          published weights are older than stages: their 26,300 steps of Adam had 7,000 coarse ones and rates that were
          changed by hand eleven times; they learned best at 1e-4 to 3e-4. These stages keep the steps and that rate.
"""

from fourfold.training.recipe import DeblurRecipe, DeblurStage

recipe = DeblurRecipe(name="mssnet_light", scaled=True, precision="bf16", save_every=100, stages=(
    DeblurStage(steps=7_000, batch=4, patch=96, lr=6e-4, muon=0, beta2=0.999, floor=0.2, warmup=200, coarse=True),
    DeblurStage(steps=19_300, batch=4, patch=96, lr=3e-4, muon=0, beta2=0.999, warmup=200),
))  # fmt: skip


def tiny() -> DeblurRecipe:
    """A twin that trains in seconds on a few photos."""
    return recipe.override("name=mssnet_light-tiny", "wf=4", "steps=10", "batch=2", "patch=32", "photos=2",
                           "save_every=5", "check_every=5", "warmup=2")  # fmt: skip
