"""fourfold: a small photo in, a sharp and honest one four times as large out."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# name -> module it lives in; resolved on first use, so that importing fourfold costs nothing
_PUBLIC = {
    "DeblurOptions": "core.options",
    "Session": "api.session",
    "UpscaleOptions": "core.options",
    "adapt": "api.adapt_recogniser",
    "ask": "api.ask",
    "deblur": "api.restore",
    "doctor": "api.inspect",
    "features": "api.features",
    "measure": "api.inspect",
    "restore_files": "api.restore",
    "run_workflow": "api.workflows",
    "upscale": "api.restore",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
