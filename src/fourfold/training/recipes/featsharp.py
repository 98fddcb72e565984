"""FeatSharp of the encoder, by default for maps twice as fine.

Command:  fourfold train featsharp --photos ../shared/data/photos, and from its weights, for ×3 and ×4,
          fourfold train featsharp factor=3 kernel=7 steps=40 start=RUN/final.pt --photos ../shared/data/photos
          fourfold train featsharp factor=4 kernel=9 steps=30 start=RUN/final.pt --photos ../shared/data/photos
Claim:    a fidelity of 5.00 (three seeds) on held-out photos for ×2, where interpolation has 4.26; 2.75 against 2.37
          for ×3 and 2.40 against 2.01 for ×4. About seven minutes on one
          thread of an AMD EPYC (Zen 4), beside much other work.
"""

from fourfold.training.recipe import FeatSharpRecipe

recipe = FeatSharpRecipe(name="featsharp")


def tiny() -> FeatSharpRecipe:
    """A twin that trains in seconds on a few photos, of an encoder at random."""
    return recipe.override("name=featsharp-tiny", "encoder=", "width=24", "depth=1", "features=16", "side=32",
                           "batch=2", "views=2", "kernel=3", "steps=20", "warmup=5", "photos=2",
                           "check_every=10")  # fmt: skip
