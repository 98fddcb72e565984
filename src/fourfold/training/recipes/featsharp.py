"""FeatSharp of the encoder, by default for maps twice as fine.

Command:  fourfold train featsharp --photos ../shared/data/photos
          and, from its weights, for ×3 with factor=3 kernel=7 steps=40 start=runs/featsharp/final.pt,
          for ×4 with factor=4 kernel=9 steps=30 start=runs/featsharp/final.pt
Claim:    a fidelity of 4.96 (seed 1) on held-out photos for ×2, where interpolation has 4.24; 2.75 against 2.37
          for ×3 and 2.40 against 2.01 for ×4. About seven minutes each on an AMD EPYC
          (Zen 4), one thread, beside much other work.
"""

from fourfold.training.recipe import FeatSharpRecipe

recipe = FeatSharpRecipe(name="featsharp")


def tiny() -> FeatSharpRecipe:
    """A twin that trains in seconds on a few photos, of an encoder at random."""
    return recipe.override("name=featsharp-tiny", "encoder=", "width=24", "depth=1", "features=16", "side=32",
                           "batch=2", "views=2", "kernel=3", "steps=20", "warmup=5", "photos=2",
                           "check_every=10")  # fmt: skip
