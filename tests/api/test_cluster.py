"""The Ray seam where Ray is not there; what it does where it is, is in ``tests/cli/test_batch_command.py``."""

import sys

import pytest

from fourfold.api.batch import cluster
from fourfold.core.errors import MissingExtra


def test_without_ray_its_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    cluster.engine.cache_clear()
    with pytest.raises(MissingExtra, match=r"fourfold\[cluster\]"):
        cluster.processors()
