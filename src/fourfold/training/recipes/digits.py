"""MNIST's digits beside their names: the network that is adapted to other digits, to show what POUF gains.

Command:  fourfold train digits --photos ../shared/data/digits
Claim:    98 % on MNIST's held-out digits after 1,000 steps: four minutes on one core of an AMD EPYC (Zen 4) shared
          with other work.
"""

from fourfold.training.recipe import TowerRecipe

recipe = TowerRecipe(name="digits", data="digits", width=16, samples=10_000, steps=1_000, lr=3e-3)


def tiny() -> TowerRecipe:
    """A twin that trains in seconds."""
    return recipe.override("name=digits-tiny", "width=4", "features=8", "samples=40", "steps=8", "batch=8",
                           "check_every=4")  # fmt: skip
