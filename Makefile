# Everything a developer runs, from a bare clone with Python >= 3.11 and make. `make` alone lists the targets.
# Variables: PYTHON (which interpreter makes the environment), VENV (where), ARGS (more arguments for pytest).

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Runs use processes, not threads, for parallelism; plots never open a window.
OMP_NUM_THREADS ?= 1
MPLBACKEND ?= Agg
export OMP_NUM_THREADS MPLBACKEND
# Without this, Material for MkDocs prints an announcement at each build.
export NO_MKDOCS_2_WARNING := true

MADE := $(VENV)/.made
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
LOWEST := $(VENV)-lowest/.installed

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all test-processors test-bounds test-campaigns test-device test-notebooks test-sweeps check format docs pictures tables notebooks build bench clean
.PHONY: test-rllib test-agilerl test-clients test-epymarl test-jaxmarl epymarl-there jaxmarl-there

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

venv: $(DEV) ## Make .venv with everything for development

demo: $(DEMO) ## Reproduce Bagnell & Ng's Figure 3 into results/fig3
	@echo "==> Reproducing Figure 3 into results/fig3"
	@$(BIN)/crl-envs reproduce fig3 --out results/fig3

test: $(DEV) ## Run the tests, in under ten minutes
	@echo "==> Testing"
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

test-lowest: $(LOWEST) ## Run the tests with the oldest Gymnasium and PettingZoo
	@echo "==> Testing with the oldest Gymnasium and PettingZoo"
	@$(VENV)-lowest/bin/python -m pytest -n auto --dist loadgroup $(ARGS)

test-all: $(DEV) ## Run all tests but the campaigns
	@echo "==> Testing, slow tests too"
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m 'not campaign' $(ARGS)

test-processors: $(DEV) ## Run the tests with the arithmetic of an older processor
	@echo "==> Testing with what an older processor would compute"
	@features=$$($(BIN)/python -c "import numpy; print(*numpy.show_config('dicts')['SIMD Extensions'].get('found', []))") && \
	  NPY_DISABLE_CPU_FEATURES="$$features" NUMBA_CACHE_DIR='$(abspath $(VENV))/numba-older' \
	  $(OLDER_$(shell uname -m)) $(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

test-bounds: $(DEV) ## Run the compiled loops' tests with every index checked
	@echo "==> Testing compiled loops with every index checked"
	@NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR='$(abspath $(VENV))/numba-checked' $(BIN)/python -m pytest -n auto --dist loadgroup \
	  tests/access tests/bandit tests/core tests/load_balancing tests/local_rule tests/routing tests/sysadmin tests/traffic tests/agents --ignore tests/agents/libraries $(ARGS)

test-device: $(DEV) ## Run the tests that compile with JAX
	@echo "==> Testing in JAX"
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m 'device and not slow' tests/jax tests/agents/libraries $(ARGS)

test-sweeps: $(DEV) ## Run the tests that make runs of the bench, killed and resumed
	@echo "==> Testing sweeps"
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m 'sweeps and not slow' tests/bench tests/commands tests/examples $(ARGS)

test-notebooks: $(DEV) ## Run the notebooks, and compare with what is stored
	@echo "==> Testing the notebooks"
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m 'not campaign' tests/notebooks $(ARGS)

test-campaigns: $(DEV) ## Run the campaigns: thousands of random cases (CAMPAIGN_SEED, CAMPAIGN_SCALE)
	@echo "==> Running the campaigns"
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m campaign tests/campaigns $(ARGS)

check: $(DEV) ## Check format, lint, types and docs
	@echo "==> Checking the format (ruff format)"
	@$(BIN)/ruff format --check --quiet || { echo "    'make format' mends the files above"; exit 1; }
	@echo "==> Checking the code (ruff check)"
	@$(BIN)/ruff check
	@echo "==> Checking the types (mypy)"
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory docs

format: $(DEV) ## Format the code, and mend what ruff can mend
	@echo "==> Formatting"
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

docs: $(DEV) ## Build the documentation into site/
	@echo "==> Building the documentation into site/"
	@$(BIN)/mkdocs build --strict --quiet

notebooks: $(DEV) ## Execute the notebooks anew and store their outputs
	@echo "==> Executing the notebooks"
	@$(BIN)/python -m notebooks.execute

pictures: $(DEV) ## Draw the docs' pictures anew: README's two, reports' plots, films of the worlds
	@echo "==> Drawing docs/rendering/local-beside-global.gif and docs/bench/samples-against-n.png"
	@$(BIN)/python docs/first_pictures.py
	@echo "==> Drawing the shipped reports' plots"
	@$(BIN)/python docs/report_pictures.py
	@echo "==> Filming the worlds for docs/envs"
	@$(BIN)/python docs/world_films.py

tables: $(DEV) ## Write the tables of the docs that are made from the code
	@echo "==> Writing tables into docs/**/*.md"
	@$(BIN)/python docs/tables.py

build: $(DEV) ## Build the sdist and the wheel into dist/
	@echo "==> Building into dist/"
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist

bench: $(DEV) ## Measure the speed (benchmarks/)
	@echo "==> Measuring the speed"
	@$(BIN)/python -m benchmarks.import_time
	@$(BIN)/python -m benchmarks.sysadmin_speed
	@$(BIN)/python -m benchmarks.crl_speed

test-rllib: ## Run RLlib's tests and examples, in an environment of their own
test-agilerl: ## Run AgileRL's
test-clients: ## Run other people's clients, without an adapter; CLEANRL=folder of a clone for that one too
test-epymarl: ## Run EPyMARL's: make test-epymarl EPYMARL=folder of a clone
test-jaxmarl: ## Run JaxMARL's: make test-jaxmarl JAXMARL=folder of a clone

CLONES = EPYMARL='$(abspath $(EPYMARL))' CLEANRL='$(abspath $(CLEANRL))' JAXMARL='$(abspath $(JAXMARL))'
TESTS_jaxmarl := tests/jax  # all of them: JaxMARL may come with another JAX than `make test`
test-rllib test-agilerl test-clients test-epymarl test-jaxmarl: test-%: $(VENV)-%/.installed
	@echo "==> Testing with $*"
	@$(CLONES) $(VENV)-$*/bin/python -m pytest -m 'not slow and not campaign' \
	  $(wildcard tests/adapters/test_$*.py tests/agents/libraries/test_$*.py tests/$*) $(TESTS_$*) $(ARGS)
	@for example in $(wildcard examples/$*_*.py examples/$*/*_*.py); do \
	  echo "==> $$example"; $(CLONES) $(VENV)-$*/bin/python -W ignore $$example || exit 1; done

epymarl-there:
	@test -f '$(EPYMARL)/src/main.py' || { \
	  echo "error: EPyMARL is no package: git clone https://github.com/uoe-agents/epymarl, then" >&2; \
	  echo "       make test-epymarl EPYMARL=path/to/epymarl" >&2; exit 1; }

jaxmarl-there:
	@test -f '$(JAXMARL)/baselines/IPPO/ippo_ff_mpe.py' || { \
	  echo "error: JaxMARL's scripts are in no package: git clone https://github.com/FLAIROx/JaxMARL, then" >&2; \
	  echo "       make test-jaxmarl JAXMARL=path/to/JaxMARL" >&2; exit 1; }

clean: ## Remove the environments, caches, dist/ and site/; results/ stays
	rm -rf $(VENV) $(VENV)-* build dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The core that OpenBLAS, Numba and the C library are to compute for; other machines have only NumPy's switch.
OLDER_x86_64 := OPENBLAS_CORETYPE=Nehalem NUMBA_CPU_NAME=x86-64 GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F
OLDER_aarch64 := OPENBLAS_CORETYPE=ARMV8

# Stamp files: nothing is installed anew unless pyproject.toml or constraints.txt changed.
$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: crl-envs needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "       Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "==> Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(DEMO): $(MADE) pyproject.toml constraints.txt
	@echo "==> Installing crl-envs[fast,bench] into $(VENV) (about a minute)"
	@$(PIP) install --constraint constraints.txt --editable '.[fast,bench]'
	@touch $@

$(DEV): $(MADE) pyproject.toml constraints.txt
	@echo "==> Installing crl-envs[dev] into $(VENV) (two to three minutes)"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $(DEMO) $@

$(LOWEST): $(MADE) pyproject.toml constraints.txt
	@echo "==> Installing crl-envs[dev] into $(VENV)-lowest (two to three minutes)"
	@$(PYTHON) -m venv $(VENV)-lowest
	@sed 's/^gymnasium==.*/gymnasium==1.2.2/; s/^pettingzoo==.*/pettingzoo==1.26.0/' constraints.txt > $(VENV)-lowest/constraints.txt
	@$(VENV)-lowest/bin/python -m pip --disable-pip-version-check --quiet install \
	  --constraint $(VENV)-lowest/constraints.txt --editable '.[dev]'
	@touch $@

# Libraries whose versions exclude those of the others. torch comes first (FIRST), or they bring one of their own.
PACKAGES_rllib := 'ray[rllib]'
PACKAGES_agilerl := agilerl peft
PACKAGES_clients := benchmarl hydra-core sb3-contrib skrl stable-baselines3 supersuit tensorboard \
  tianshou torch_geometric torchrl tyro wandb
PACKAGES_epymarl := sacred pyyaml setuptools
PACKAGES_jaxmarl := 'jaxmarl[algs]' optax
FIRST_jaxmarl := jax==0.10.2
$(VENV)-%/.installed: .ci/constraints-%.txt pyproject.toml
	@echo "==> Installing $* into $(VENV)-$* (two to five minutes)"
	@$(PYTHON) -m venv $(VENV)-$*
	@$(VENV)-$*/bin/python -m pip --disable-pip-version-check --quiet install $(or $(FIRST_$*),torch==2.13.0)
	@$(VENV)-$*/bin/python -m pip --disable-pip-version-check --quiet install --constraint .ci/constraints-$*.txt \
	  --editable '.[bench,fast]' hypothesis pytest $(PACKAGES_$*)
	@touch $@
$(VENV)-epymarl/.installed: | epymarl-there
$(VENV)-jaxmarl/.installed: | jaxmarl-there
