"""train: train a network from a recipe, or go on training it."""

import argparse
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path

from fourfold.core.errors import MissingExtra, UsageError, near


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("recipe", metavar="RECIPE", help="Name of a recipe, for example little.")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="Fields of the recipe to change.")
    parser.add_argument(
        "--photos", required=True, action="append", metavar="FOLDER",
        help="Folder of training pictures, see the recipe; may be given several times.",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FOLDER", help="Where to save; default runs/RECIPE.")
    parser.add_argument("--tiny", action="store_true", help="The recipe's small twin, to see that all works.")


def run(args: argparse.Namespace) -> int:
    """Train to the end of the recipe and save the weights."""
    folder = resources.files("fourfold.training.recipes")
    names = sorted(p.name[:-3] for p in folder.iterdir() if p.name.endswith(".py") and not p.name.startswith("_"))
    if args.recipe not in names:
        raise UsageError(f"expected a recipe ({', '.join(names)}), got {args.recipe!r}.{near(args.recipe, names)}")
    if find_spec("torch") is None:
        raise MissingExtra("training", "torch")
    module = import_module(f"fourfold.training.recipes.{args.recipe}")
    recipe = (module.tiny() if args.tiny else module.recipe).override(*args.settings)
    loop = import_module(f"fourfold.training.{recipe.loop}")
    folders = [Path(name) for name in args.photos]
    print(f"saved {loop.train(recipe, folders, Path(args.output or f'runs/{recipe.name}'))}")
    return 0
