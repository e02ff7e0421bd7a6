# Everything a person types. `make demo` and `make test` do their own set-up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test seeds lint format types contracts replay simulate simulate-all mutants tamper soak rekeying sbom audit fuzz bench lock clean

help:
	@echo "make demo       watch it work: sandbox, daemon and dashboard with throwaway data"
	@echo "make test       the whole test suite"
	@echo "make lint types contracts   what the gate checks beside the tests"
	@echo "make replay     a year of real invoices and returns through the hub"
	@echo "make simulate   the money path in virtual time, under every fault (SEEDS=20000)"
	@echo "make simulate-all  the same at all twelve gateways (docs/proof.md names what is open)"
	@echo "make mutants    bugs switched on one by one: the simulation must find each"
	@echo "make tamper     an audit log touched 1,000 times: each must be found"
	@echo "make bench      how fast, beside what: one table of ratios"
	@echo "make fuzz       hours of odd requests and odd bytes (SECONDS=20 a parser)"
	@echo "make soak       half an hour of steady load: memory flat, queues bounded (MINUTES=30)"
	@echo "make rekeying   100,000 sealed rows under a new key while refunds go on, killed half-way"
	@echo "make sbom       what it is made of, as CycloneDX JSON on standard output"
	@echo "make audit      known weaknesses of what is locked (needs an advisory service)"
	@echo "make format     let ruff write the sources as the gate wants them"
	@echo "make lock       renew both lock files (needs uv; nothing else does)"
	@echo "make clean      remove the environment"

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)
	@$(BIN)/refundwatch demo

# The seeds that `make test` runs; `make simulate` takes more.
GATE_SEEDS := 2000
ALL_SEEDS := 200

# Real processes want the cores by themselves, and leave much of them: they wait for one
# another. The seeds take what is left.
test: $(READY)
	$(BIN)/python -m pytest -n 3 --dist loadgroup --ignore=tests/e2e
	@nice -n 19 $(MAKE) --no-print-directory seeds > $(VENV)/seeds.txt 2>&1 & seeds=$$!; \
	echo "$(BIN)/python -m pytest tests/e2e"; \
	{ $(BIN)/python -m pytest tests/e2e; echo $$? > $(VENV)/e2e.status; } | tee $(VENV)/e2e.txt; \
	wait $$seeds; played=$$?; cat $(VENV)/seeds.txt; tail -n 1 $(VENV)/e2e.txt; \
	[ "$$(cat $(VENV)/e2e.status)" = 0 ] && [ $$played -eq 0 ]

seeds: $(READY)
	$(BIN)/python -m tests.simulation --seeds $(GATE_SEEDS) --gateway first
	$(BIN)/python -m tests.simulation --seeds $(ALL_SEEDS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.secret_scan

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

replay: $(READY)
	$(BIN)/python -m tests.replay

SEEDS ?= 20000

simulate: $(READY)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --gateway first

simulate-all: $(READY)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

mutants: $(READY)
	$(BIN)/python -m tests.simulation --mutants --seeds $(GATE_SEEDS)

bench: $(READY)
	$(BIN)/python -m bench

tamper: $(READY)
	$(BIN)/python -m tests.tampering

MINUTES ?= 30

soak: $(READY)
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

ROWS ?= 100000

rekeying: $(READY)
	$(BIN)/python -m tests.rekeying --rows $(ROWS)

sbom: $(READY)
	@$(BIN)/python -m tests.sbom

# Not in the gate: pip-audit asks a service that not every machine reaches.
audit: $(READY)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

SECONDS ?= 20
EXAMPLES ?= 200
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz.api_run --examples $(EXAMPLES)
	$(BIN)/python -m pytest -n 2 tests/fuzz --hypothesis-profile=long
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz.atheris_readers --seconds $(SECONDS)

# Neither header nor index lines: a lock names releases and hashes, never an address.
LOCK := uv pip compile --quiet --universal --generate-hashes --no-header pyproject.toml

lock:
	$(LOCK) --extra daemon --extra tui -o requirements.lock
	$(LOCK) --extra dev -o requirements-dev.lock

clean:
	rm -rf $(VENV)
