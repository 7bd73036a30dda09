# The two commands of a newcomer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
# Many tests wait for processes, not for a CPU: more of them than there are CPUs run at once.
TESTS_AT_ONCE ?= 3
USED := $(VENV)/.installed
DEVELOPED := $(VENV)/.installed-dev
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
	--constraint constraints.txt --editable
# pip would do this with one CPU, and with the tests of all libraries, for a minute and a half.
COMPILE := $(VENV)/bin/python -m compileall -qq -j 0 -x /tests/ $(VENV)/lib || true

.PHONY: demo test lint bench clean

demo: $(USED)
	@echo "18 small runs of search_spaces/quickstart.yaml, then the report"
	$(VENV)/bin/python -m ablate.run search_spaces/quickstart.yaml

test: $(DEVELOPED)
	@$(VENV)/bin/python -m compileall -q ablate trainables tests/helpers
	$(VENV)/bin/python -m pytest -n $(TESTS_AT_ONCE)

lint: $(DEVELOPED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/basedpyright

# The short ones; benchmarks/README.md has the others and what was measured.
bench: $(USED)
	$(VENV)/bin/python benchmarks/training_step.py --archs mlp --packs 8
	$(VENV)/bin/python benchmarks/orchestration.py
	$(VENV)/bin/python benchmarks/scale.py --runs 100 300

$(USED): pyproject.toml constraints.txt
	@echo "installing torch, ray, wandb and what else Ablate needs into $(VENV): a minute or two, once"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) .
	@$(COMPILE)
	@touch $@

$(DEVELOPED): pyproject.toml constraints.txt
	@echo "installing torch, ray, wandb, pytest, ruff and what else is needed into $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) '.[dev]'
	@$(COMPILE)
	@touch $(USED) $@

clean:
	rm -rf $(VENV) studies build *.egg-info .pytest_cache .ruff_cache
