# The few commands that people, hooks and CI share.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Every dependency is pinned, so that an install today and next year give the same environment.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet -c constraints.txt

# The long tests stand at the end: a worker that has none left takes some of the other's.
PYTEST := $(BIN)/pytest -n 2 --dist worksteal

.PHONY: search test test-all test-lowest test-newest lint bench docs release clean

search: $(VENV)/.runtime  ## create .venv, install, run the default search
	$(BIN)/popnas search

test: $(VENV)/.tests lint  ## lint, types, import contract, tests
	OMP_NUM_THREADS=1 $(PYTEST) -m "not slow and not gpu"

test-all: $(VENV)/.all lint  ## slow tests and all extras too
	OMP_NUM_THREADS=1 $(PYTEST)

# What any installed version must be good for: all that needs no training, and a search from end to end.
WITH_VERSIONS := tests/unit tests/contract tests/integration/test_search.py

# Old versions among new ones warn of one another, which is no mistake of ours.
test-lowest:  ## the same code with the lowest versions that pyproject.toml allows, in an environment of its own
	mkdir -p build
	$(PYTHON) release/floors.py > build/lowest.txt
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/pip install --quiet -c build/lowest.txt -e ".[test]"
	OMP_NUM_THREADS=1 build/lowest/bin/pytest -n 2 --dist worksteal -o filterwarnings=default -m "not slow and not gpu" $(WITH_VERSIONS)

test-newest:  ## and with the newest ones that there are, but of PyTorch, whose newest build is one for GPUs
	mkdir -p build
	grep '^torch==' constraints.txt > build/newest.txt
	$(PYTHON) -m venv build/newest
	build/newest/bin/pip install --quiet --upgrade -c build/newest.txt -e ".[test]"
	OMP_NUM_THREADS=1 build/newest/bin/pytest -n 2 --dist worksteal -m "not slow and not gpu" $(WITH_VERSIONS)

# Benchmarks are looked at for names and arguments that popnas does not have any more.
BENCHMARKS_MAY = arg-type call-overload dict-item index misc operator override var-annotated
lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy $(BENCHMARKS_MAY:%=--disable-error-code %) benchmarks/*.py
	$(BIN)/lint-imports

bench: $(VENV)/.all  ## the figures of benchmarks/README.md, on this machine
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks

docs: $(VENV)/.docs  ## the documentation as a site, in build/site; any warning ends it
	$(BIN)/sphinx-build -W --keep-going -q -b html -d build/doctrees docs build/site
	@echo "Open build/site/index.html"

release: $(VENV)/.release  ## wheel and sdist (the same bytes for the same commit), bill of materials, in dist/
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --outdir dist
	$(BIN)/python release/sdist.py dist $$(git log -1 --format=%ct)
	$(BIN)/twine check --strict dist/*
	$(BIN)/python release/sbom.py dist

$(VENV)/.created: constraints.txt
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml
	$(PIP) -e .
	@touch $@

$(VENV)/.tests: $(VENV)/.created pyproject.toml
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.runtime

$(VENV)/.all: $(VENV)/.created pyproject.toml
	$(PIP) -e ".[all,docs,dev]" mlflow  # its server, for the test against a real one
	@touch $@ $(VENV)/.runtime $(VENV)/.tests

$(VENV)/.docs: $(VENV)/.created pyproject.toml
	$(PIP) -e ".[docs]"
	@touch $@ $(VENV)/.runtime

$(VENV)/.release: $(VENV)/.created pyproject.toml
	$(PIP) -e ".[release]"
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
