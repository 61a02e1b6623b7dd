# make demo    the whole story on this machine, ends by itself      make run   the same, left running
# make bench   messages a second and CPU per message beside the floor (make bench ARGS=--quick)
# make test    everything CI runs: lint, types, tests
# make lint | types | pytest | conformance | wheel | clean
# make chaos   gateways killed, cut off and starved on both engines, then counted (make chaos ARGS=--quick)
# make fuzz    the receiver and its parsers, coverage-guided, 10 s a target (make fuzz ARGS="--seconds 60")
# make interop   our daemon against phase4, which is not ours (Java 17, Maven)
#
# Each ends with one line that a script can read.

PYTHON ?= python3
VENV ?= .venv
PY = $(VENV)/bin/python
STAMP = $(VENV)/installed-by-make
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help demo run test lint types pytest conformance wheel interop fuzz chaos bench install clean

help:
	@sed -n 's/^# //p' Makefile | head -7

# --- set-up: nothing but Python, make and a package index -----------------------------------------------

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or newer is needed; say which with make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "make: Python's venv module is missing; on Debian and Ubuntu install the package python3-venv." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Editable in "compat" mode: the default import hook hides twisted/plugins from Twisted.
$(STAMP): setup.cfg pyproject.toml | $(PY)
	@echo "make: installing into $(VENV) …"
	@PYTHONWARNINGS=ignore $(PY) -m pip install --quiet --disable-pip-version-check \
	  --config-settings editable_mode=compat --editable ".[test,dev]"
	@touch $@

install: $(STAMP)

# --- what a person meets ----------------------------------------------------------------------------------

demo: $(STAMP)
	@$(PY) -m simulators.demo

run: $(STAMP)
	@$(PY) -m simulators.run

test: lint types pytest
	@echo "test: PASS"

lint: $(STAMP)
	@$(PY) -m ruff check --quiet . && echo "lint: PASS" || { echo "lint: FAIL"; exit 1; }

types: $(STAMP)
	@$(PY) -m mypy --no-error-summary && echo "types: PASS" || { echo "types: FAIL"; exit 1; }

pytest: $(STAMP)
	@$(PY) -m pytest -q

chaos: $(STAMP)
	@$(PY) -m simulators.chaos $(ARGS)

interop: $(STAMP)
	@$(PY) -m interop.run

# Needs atheris, which has wheels for some platforms only; without it says so and ends with 2.
fuzz: $(STAMP)
	@$(PY) -c 'import atheris' 2>/dev/null || \
	  $(PY) -m pip install --quiet --disable-pip-version-check \
	    --config-settings editable_mode=compat --editable ".[fuzz]" 2>/dev/null || true
	@$(PY) -m tests.fuzz.run $(ARGS)

# The 36 assertions of the eDelivery AS4 Common Profile over real sockets; evidence in build/conformance.
conformance: $(STAMP)
	@rm -f build/conformance/junit.xml
	@$(PY) -m pytest -q --junitxml=build/conformance/junit.xml tests/conformance || true
	@$(PY) -m tests.conformance.summary build/conformance/junit.xml

bench: $(STAMP)
	@$(PY) -m benchmarks.run $(ARGS)

wheel: $(STAMP)
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/wheel . \
	  && echo "wheel: PASS" || { echo "wheel: FAIL"; exit 1; }

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis _trial_temp* twisted/plugins/dropin.cache
	find asw_gateway simulators tests certs -name __pycache__ -type d -prune -exec rm -rf {} +
