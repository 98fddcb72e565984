"""The base size of MSSNet on the GoPro set, by the authors' schedule.

Command:  fourfold train mssnet_gopro --photos GOPRO_Large
Claim:    none of ours: 396,000 steps of 16 crops of 256×256 pixels have not been run here; they need GPUs for days. The
          schedule is the paper's: 3,000 epochs of 132 steps, three to warm up, then a cosine from 2e-4 to 1e-6.
"""

from fourfold.training.recipe import DeblurRecipe, DeblurStage

recipe = DeblurRecipe(
    name="mssnet_gopro", wf=54, scale=42, vscale=42, data="pairs", precision="fp32", seed=1234, save_every=132,
    check_every=13_200, stages=(
        DeblurStage(steps=3000 * 132, batch=16, patch=256, lr=2e-4, muon=0, beta2=0.999, floor=0.005, epoch=132,
                    warmup=3, clip=0, ema=0),
    ),
)  # fmt: skip


def tiny() -> DeblurRecipe:
    """A twin that trains in seconds on a few pictures."""
    return recipe.override("name=mssnet_gopro-tiny", "wf=4", "scale=2", "vscale=2", "steps=20", "batch=2", "patch=32",
                           "epoch=5", "warmup=1", "save_every=10", "check_every=10")  # fmt: skip
