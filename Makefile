# Every target works on a machine with nothing but CPython 3.11 or 3.12: the environment is made
# when it is missing or out of date, and left alone when it is current.
# `make PYTHON=python3.11 test` chooses the interpreter.

python := .venv/bin/python
spread := --numprocesses=auto --dist=worksteal
sources := $(shell find synaptic_crdt tests pyproject.toml constraints.txt -type f ! -name '*.pyc')

# What the caller's shell may have set must not lead our Python elsewhere; pyright must not ask
# the network for a newer pyright.
unexport PYTHONPATH PYTHONHOME
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DELETE_ON_ERROR:
.PHONY: demo test long mutation fuzz simulate plants crash flood check format lint types contracts coverage vectors bench constraints clean
.PHONY: for-use for-test for-check for-fuzz

demo: for-use  ## the main job: a whole market on this machine
	@.venv/bin/synaptic-crdt demo

test: for-test  ## the whole suite, each test once
	@rm -f .coverage
	@$(MAKE) --no-print-directory .coverage

long: for-test  ## the whole suite with many more of everything that is random; takes hours
	@$(python) -m pytest $(spread) --hypothesis-profile=long

# Not a gate: for whoever changed rules or their tests. Goes on where it was interrupted.
mutation: for-test  ## small wrong changes of the rules, each to be noticed by a test; takes an hour
	@$(python) -m tests.mutation

# `make simulate SEEDS=0..19999`; a seed that fails is told with the command that shows it again.
SEEDS := 0..399

simulate: for-test  ## whole markets in one process, under every evil there is, from seeds
	@$(python) -m tests.simulation $(SEEDS)

# Not a gate: the tests find those that take few seeds.
plants: for-test  ## mistakes put into the program, each found by simulations; takes a few minutes
	@$(python) -m tests.simulation.planted

# Not a gate: the tests replay what was found. TARGET=name runs one alone; SECONDS are for each, and
# those with more behind them take longer. `make fuzz TARGET=keep` chooses anew what is kept.
TARGET := all
SECONDS := 60

fuzz: for-fuzz  ## every way in, under a coverage-guided fuzzer; takes an hour
	@$(python) -m tests.fuzzing $(TARGET) $(if $(filter keep,$(TARGET)),,$(SECONDS))

# Not a gate: the tests make some dozens. SEED chooses which; `COUNT=each` dies after every call that
# matters, and `COUNT=plants` shows that mistakes are found.
COUNT := 2000
SEED :=

crash: for-test  ## kill -9 and power cuts, at random and at chosen points; takes minutes
	@$(python) -m tests.crashing $(COUNT) $(SEED)

# Not a gate: the tests have a short one. SECONDS are for each attack; ATTACKS=name runs some alone.
flood: for-test  ## a real program under every attack on links, an honest peer beside it; takes an hour
	@$(python) -m tests.flooding $(SECONDS) $(ATTACKS)

check: format lint types contracts coverage vectors simulate  ## every gate

format: for-check
	@$(python) -m ruff format --check

lint: for-check
	@$(python) -m ruff check

types: for-check
	@$(python) -m pyright

contracts: for-check
	@.venv/bin/lint-imports --no-cache

# The suite leaves its coverage behind, if all of it passed; the gate runs it again only if something
# changed since then. One process a core: every test makes its own homes, ports and files. The
# gate asks how much is covered, after the tests, so the tests do not. What need not be traced runs
# without the tracer, which doubles the time of a test, and first: no coverage is left if it failed.
coverage: .coverage
	@$(python) -m coverage report

.coverage: $(sources) | for-test
	@$(python) -m pytest $(spread) -m untraced; untraced=$$?; \
	    $(python) -m pytest $(spread) -m 'not untraced' --cov --cov-report= --cov-fail-under=0 && \
	    exit $$untraced

# The bytes, orders and verdicts that are promised for ever, under every condition that could
# shake them: the seed of the hashes of strings, and assertions compiled away.
vectors: for-test
	@for seed in 0 1 random; do \
	    echo "vectors: PYTHONHASHSEED=$$seed"; \
	    PYTHONHASHSEED=$$seed $(python) -m pytest --quiet tests/vectors || exit 1; \
	done
	@echo "vectors: python -O"
	@$(python) -O -m pytest --quiet tests/vectors

bench: for-use  ## the figures of this machine, each beside its goal
	@$(python) -m benchmarks

# Takes the newest versions that pyproject.toml allows; run the tests on both Pythons afterwards.
constraints: for-use
	@$(python) -m venv --clear build/newest
	@build/newest/bin/python -m pip install --quiet --upgrade pip
	@build/newest/bin/python -m pip install --quiet . --group test --group check --group fuzz \
	    hatchling editables
	@grep '^#' constraints.txt > build/constraints.txt
	@build/newest/bin/python -m pip freeze --exclude synaptic-crdt >> build/constraints.txt
	@mv build/constraints.txt constraints.txt

clean:  ## everything that make made
	@rm -rf .venv build dist .coverage .hypothesis .pytest_cache .ruff_cache
	@find synaptic_crdt tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

for-use:
	@sh scripts/environment.sh

for-test:
	@sh scripts/environment.sh test

for-check:
	@sh scripts/environment.sh test check

for-fuzz:
	@sh scripts/environment.sh test fuzz
