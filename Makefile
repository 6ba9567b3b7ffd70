# scgnn2: `make run` opens the dashboard, `make test` runs every test. Both install what they need into .venv, once;
# R, which some tests ask for, comes from the system's packages.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run demo test quick coverage r browser lint format docs bench clean

OUTPUT ?= outputs/demo
WORKSPACE ?= outputs/workspace
ARGS ?=

# The pins are tested on Python 3.11, so that is looked for first; make PYTHON=/path/to/python3.12 picks another.
CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python)
VENV := .venv
PY := $(VENV)/bin/python

# What is installed depends on these three files and nothing else: a stamp per hash means no pip call when it is current.
PINS := $(shell cat pyproject.toml constraints.txt benchmarks/magic.txt | cksum | cut -d ' ' -f 1)
STAMPS := $(VENV)/stamps
RUN_STAMP := $(STAMPS)/run-$(PINS)
TEST_STAMP := $(STAMPS)/test-$(PINS)
LINT_STAMP := $(STAMPS)/lint-$(PINS)
TORCH := $(shell grep '^torch==' constraints.txt)

# R as the tests use it. The stamp's name also holds where Rscript is, so that another or no R is looked at again.
R_DEBIAN := r-base-core r-cran-seuratobject r-cran-seurat r-cran-hdf5r r-bioc-singlecellexperiment
R_INSTALL := apt-get install --no-install-recommends $(R_DEBIAN)
R_NEEDED := "SeuratObject", "Seurat", "hdf5r", "SingleCellExperiment"
R_CHECK := stopifnot(length(find.package(c($(R_NEEDED)), quiet = TRUE)) == 4)
R_STAMP := $(STAMPS)/r-$(shell { echo '$(R_DEBIAN)'; command -v Rscript; } | cksum | cut -d ' ' -f 1)

# The browser that the tests of the dashboard drive; its fonts, or text would be boxes.
BROWSER_DEBIAN := chromium fonts-dejavu-core
BROWSER_INSTALL := apt-get install --no-install-recommends $(BROWSER_DEBIAN)
BROWSER_FOUND := command -v chromium || command -v chromium-browser || command -v google-chrome
BROWSER_STAMP := $(STAMPS)/browser-$(shell { echo '$(BROWSER_DEBIAN)'; $(BROWSER_FOUND); } | cksum | cut -d ' ' -f 1)

# rpy2 opens R's library when it is used instead of compiling against it: it installs without R's or any headers.
export RPY2_CFFI_MODE := ABI

# Caches stay inside the project, so that neither an empty nor an unwritable home matters.
export NUMBA_CACHE_DIR := $(CURDIR)/$(VENV)/cache/numba
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/cache/matplotlib
export PYTHONUNBUFFERED := 1

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 10

run: $(RUN_STAMP) ## the dashboard on 127.0.0.1 with 700 real blood cells loaded (ARGS= adds flags of scgnn2 serve)
	@$(PY) -m scgnn2_engine serve demo --workspace $(WORKSPACE) $(ARGS)

demo: $(RUN_STAMP) ## the same data on the command line, into outputs/demo (ARGS= adds flags of scgnn2 run)
	@$(PY) -m scgnn2_engine run demo --output_dir $(OUTPUT) --overwrite $(ARGS)

test: $(TEST_STAMP) r browser ## every test (ARGS= goes to pytest: ARGS="-k graph -x")
	$(PY) -m pytest --numprocesses auto --dist loadfile $(ARGS)

# Rooms whose tests neither run whole data sets nor open a browser; for a change under way.
QUICK := data graph params clusters results markers

quick: $(TEST_STAMP) ## the unit tests of the rooms of the engine, for a change under way (ARGS= goes to pytest)
	$(PY) -m pytest --numprocesses auto --dist loadfile -m "not slow" $(wildcard $(QUICK:%=tests/engine/%)) $(ARGS)

coverage: ## make test with the lines and branches that no test reaches: a third slower
	@$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"

r: $(R_STAMP) ## R with Seurat, for the tests that run it: by apt-get where that may be done, else the command is named

browser: $(BROWSER_STAMP) ## the browser of the tests (chromium): likewise

lint: $(LINT_STAMP) ## ruff, mypy --strict and the rules on imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(LINT_STAMP) ## rewrite the code in ruff's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(RUN_STAMP) ## what is generated from the code: docs/parameters.md, docs/formats.md, examples/all_parameters.toml
	$(PY) -m scgnn2_engine.cli.parameter_table > docs/parameters.md.part
	mv docs/parameters.md.part docs/parameters.md
	$(PY) -m scgnn2_engine.io.formats_page tests/engine/io/golden > docs/formats.md.part
	mv docs/formats.md.part docs/formats.md
	$(PY) -m scgnn2_engine params --toml > examples/all_parameters.toml.part
	mv examples/all_parameters.toml.part examples/all_parameters.toml

bench: $(TEST_STAMP) ## speed and memory, beside the machine's own limits (each script also runs alone: benchmarks/README.md)
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; $(PY) $$script; done

clean: ## remove the environment, caches and builds; outputs/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	find scgnn2_engine scgnn2_app tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@set -e; \
	wanted='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; \
	for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c "$$wanted" >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$candidate" --version) ($$candidate)"; \
	    rm -rf $(VENV); \
	    exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo "scgnn2 needs Python 3.11 or newer with its venv module, and found none among: $(CANDIDATES)." \
	  "Install it (on Debian and Ubuntu: python3 and python3-venv), or name it:" \
	  "make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
	exit 1

# install(extras): torch first and by its exact pin, so that the resolver never weighs other builds of it.
define install
	$(PY) -m pip install --disable-pip-version-check --constraint constraints.txt '$(TORCH)'
	$(PY) -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[$(1)]'
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/$(2)-* && touch $@
endef

$(RUN_STAMP): | $(PY)
	$(call install,app,run)

$(TEST_STAMP): | $(PY)
	$(PY) -m pip install --disable-pip-version-check --no-deps --requirement benchmarks/magic.txt
	$(call install,app$(comma)r$(comma)test,test)
	@rm -f $(STAMPS)/run-* && touch $(RUN_STAMP)

$(LINT_STAMP): | $(PY)
	$(call install,app$(comma)dev,lint)

# Without R the other tests still run, so nothing here fails.
$(R_STAMP): | $(PY)
	@found=; \
	if Rscript --vanilla -e '$(R_CHECK)' >/dev/null 2>&1; then found=yes; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing R with Seurat, for the tests that run it (some minutes, once)"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get -qq update >/dev/null && apt-get -qqy install --no-install-recommends $(R_DEBIAN) >/dev/null && found=yes; \
	fi; \
	if [ "$$found" ]; then mkdir -p $(STAMPS) && rm -f $(STAMPS)/r-* && touch $@; \
	else echo "R with Seurat is not here, so the tests that run it are skipped (they fail where CI=true)." \
	  "As root on Debian or Ubuntu: $(R_INSTALL)"; fi

# Likewise without a browser.
$(BROWSER_STAMP): | $(PY)
	@found=; \
	if { $(BROWSER_FOUND); } >/dev/null; then found=yes; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing chromium, for the tests of the dashboard (once)"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get -qq update >/dev/null && apt-get -qqy install --no-install-recommends $(BROWSER_DEBIAN) >/dev/null && found=yes; \
	fi; \
	if [ "$$found" ]; then mkdir -p $(STAMPS) && rm -f $(STAMPS)/browser-* && touch $@; \
	else echo "Chromium is not here, so the tests that drive a browser are skipped (they fail where CI=true)." \
	  "As root on Debian or Ubuntu: $(BROWSER_INSTALL)"; fi

comma := ,
