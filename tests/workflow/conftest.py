from pathlib import Path

import pytest
from workflow_tools import Tools, save


@pytest.fixture
def tools():
    return Tools()


@pytest.fixture
def photo(tmp_path) -> Path:
    return save(tmp_path / "photo.png")
