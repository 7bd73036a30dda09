# The two commands of a newcomer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
# Many tests wait for processes, not for a CPU: more of them than there are CPUs run at once.
TESTS_AT_ONCE ?= 3
STAMP := $(VENV)/.installed

.PHONY: demo test lint bench clean

demo: $(STAMP)
	$(VENV)/bin/python -m ablate.run search_spaces/quickstart.yaml

test: $(STAMP)
	$(VENV)/bin/python -m pytest -n $(TESTS_AT_ONCE)

lint: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/basedpyright

# The short ones; benchmarks/README.md has the others and what was measured.
bench: $(STAMP)
	$(VENV)/bin/python benchmarks/training_step.py --archs mlp --packs 8
	$(VENV)/bin/python benchmarks/orchestration.py
	$(VENV)/bin/python benchmarks/scale.py --runs 100 300

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) studies build *.egg-info .pytest_cache .ruff_cache
