# make demo: install and upscale a real photo.   make test: lint, types and every test.   make bench: measure against peers.   make results: pictures beside peers.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint check-install web docs bench results shaken clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

.venv/installed-demo: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check 'scikit-image>=0.25'
	touch $@

.venv/installed-bench: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@

demo: .venv/installed-demo
	$(BIN)/python scripts/demo.py demo

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

# A wheel in an empty environment upscales a photo with the network taken away.
check-install:
	rm -rf build/empty && $(PYTHON) -m venv build/empty
	build/empty/bin/pip install --quiet --disable-pip-version-check .
	build/empty/bin/python -c "from PIL import Image; Image.radial_gradient('L').convert('RGB').save('build/photo.jpg')"
	unshare --map-root-user --net build/empty/bin/fourfold upscale build/photo.jpg --overwrite
	cd build && empty/bin/fourfold models verify

# The engine that runs networks in a browser, for the page of a source tree; a wheel has it anyway.
web:
	$(PYTHON) hatch_build.py

docs: .venv/installed-dev demo
	$(BIN)/python -c "from PIL import Image; Image.open('demo/before-after.png').save('docs/guide/before-after.webp', quality=92)"
	FOURFOLD_UPDATE_DOCS=1 $(BIN)/python -m pytest tests/api/test_golden.py tests/imaging/test_conformance.py tests/project \
		tests/workflow/test_workflow_check.py tests/scientist/test_grades.py tests/scientist/test_answer.py

bench: .venv/installed-bench
	$(BIN)/fourfold bench quality --save
	$(BIN)/fourfold bench speed --save
	$(BIN)/fourfold bench routing --save --rounds 3 --plot docs/guide
	$(BIN)/fourfold bench roofline --save
	$(BIN)/fourfold bench cascade --save
	$(BIN)/fourfold bench workflow --save
	$(BIN)/fourfold bench deblurring --save
	$(BIN)/fourfold bench service --save

results: .venv/installed-bench
	$(BIN)/python scripts/results.py

shaken: .venv/installed-dev
	$(BIN)/python scripts/shaken.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache build dist demo
