# Every target does all set-up by itself: it makes .venv, installs once, and runs.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
READY_DOCS := $(VENV)/.ready-docs

.DEFAULT_GOAL := help
.PHONY: help demo demo-photos test check test-all bench docs data weights chromium clean

help:
	@echo "make demo         reconstruct the scan in examples/"
	@echo "make demo-photos  render photos of a chair whose cameras are known, and reconstruct it"
	@echo "make test         all fast tests, a real browser included"
	@echo "make check        format, lint, types, import layers"
	@echo "make test-all     the slow tests, too"
	@echo "make bench        time each stage, write out/bench/*.json"
	@echo "make docs         build the documentation into site/"
	@echo "make data         fetch the furniture models and prepare them as training samples"
	@echo "make weights      train the weights that ship"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(READY_DOCS): $(READY)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

# The browser test skips itself where there is none.
chromium:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	  else echo "No Chromium here: the browser test will be skipped."; fi; }

demo: $(READY)
	@mkdir -p out
	$(PY) -m isofield reconstruct examples/scan.ply -o out/demo.glb
	@echo && echo "Open out/demo.report.html in a browser; the mesh is out/demo.glb."

demo-photos: $(READY)
	@mkdir -p out
	$(PY) recipes/demo_photos.py --models chair
	$(PY) -m isofield check datasets/photos/chair --report out/photos.check.html
	$(PY) -m isofield reconstruct datasets/photos/chair -o out/chair --quality fast
	@echo && echo "Open out/photos.check.html and out/chair/report.html in a browser."

test: $(READY) chromium
	$(PY) -m pytest -n 2 -m "not slow and not gpu"

test-all: $(READY) chromium
	$(PY) -m pytest -m "not gpu"

check: $(READY)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

# Beside Poisson, too: make bench POISSON=/path/to/python (of an environment with open3d), and on
# shapes of your own: make bench MESHES="--mesh bunny=bunny.obj".
MESHES ?= --mesh horse=out/bench/horse.ply
bench: $(READY)
	@mkdir -p out/bench
	$(PY) benchmarks/extract.py -o out/bench/extract.json
	$(PY) -m isofield reconstruct examples/scan.ply -o out/bench/horse.ply --quiet --no-report
	$(PY) benchmarks/points.py $(MESHES) --output out/bench/points.json $(if $(POISSON),--baseline-python $(POISSON))

docs: $(READY_DOCS)
	$(PY) -m mkdocs build --strict

data: $(READY)
	$(PY) recipes/furniture.py

weights: $(READY) data
	$(PY) recipes/weights.py
	for kind in points image generative; do $(PY) recipes/onet.py $$kind || exit; done
	$(PY) recipes/deepsdf.py

clean:
	rm -rf out site .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
