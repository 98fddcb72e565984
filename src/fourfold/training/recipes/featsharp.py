"""FeatSharp of the encoder, by default for maps twice as fine.

Command:  fourfold train featsharp --photos ../shared/data/photos
Claim:    none yet; no weights from it are published. ``fidelity`` in its log is that of held-out photos.
"""

from fourfold.training.recipe import FeatSharpRecipe

recipe = FeatSharpRecipe(name="featsharp")


def tiny() -> FeatSharpRecipe:
    """A twin that trains in seconds on a few photos, of an encoder at random."""
    return recipe.override("name=featsharp-tiny", "encoder=", "width=24", "depth=1", "features=16", "side=32",
                           "batch=2", "views=2", "kernel=3", "steps=20", "warmup=5", "photos=2",
                           "check_every=10")  # fmt: skip
