# `make demo` films the example spot without a key; `make test` runs every check. Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test test-slow test-servers test-ceph soak monday clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   film manifests/examples/morning-30s.yaml on the backlot into out/demo/"
	@echo "make test   every check and test"
	@echo "make test-ceph  the storage contract on Ceph, installed from Debian where that is possible"
	@echo "make soak   200 rehearsals of the film in bad weather (half an hour on two cores)"
	@echo "make monday a weekly start on a Prefect server, one of its two workers killed (needs PostgreSQL; 4 minutes)"
	@echo "make setup  install into .venv only"

setup: $(VENV)/.installed
$(VENV)/.installed: requirements.txt pyproject.toml scripts/setup
	PYTHON=$(PYTHON) scripts/setup
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@

demo: setup
	scripts/demo

test: $(VENV)/.installed-dev
	scripts/check

# of the slow ones, those that CI has time for: whole runs that go wrong, and what runs unattended
test-servers: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow $(addprefix tests/flows/test_,secrets.py deployed.py run.py \
		two_hosts.py crash.py scheduled.py matrix.py)

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

test-ceph: $(VENV)/.installed-dev
	scripts/test-ceph

SEEDS ?= 200
soak: setup
	$(BIN)/shotrunner rehearse manifests/examples/morning-30s.yaml --seeds $(SEEDS)

monday: $(VENV)/.installed-dev
	scripts/debian "/usr/lib/postgresql/*/bin/initdb" postgresql || true  # elsewhere it may lie on the path
	$(BIN)/python scripts/monday

clean:
	rm -rf $(VENV) .tools .shotrunner out
