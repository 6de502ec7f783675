# Pixels and People: `make` lists what can be made. Everything happens in .venv, made on first use.

PYTHON ?= python3
# Tested versions; `make … CONSTRAINTS=` installs the newest ones instead.
CONSTRAINTS = constraints.txt

BIN = .venv/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix -c ,$(CONSTRAINTS))

.DEFAULT_GOAL = help
.PHONY: help run test lab notebooks lint bench clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.installed ## Run all lessons without a browser and print their results.
	$(BIN)/course run

test: .venv/.installed-test ## Run the unit tests, then check every lesson cell by cell.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --nbval tests notebooks

lab: .venv/.installed ## Open the lessons in JupyterLab.
	$(BIN)/course lab

notebooks: .venv/.installed ## Execute the lessons and store their outputs in place.
	$(BIN)/course notebooks

lint: .venv/.installed-test ## Check style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/.installed ## Measure the time and memory that the course needs.
	$(BIN)/course bench

clean: ## Remove .venv and caches; your own lessons and runs stay.
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find course_utils tests -name __pycache__ -prune -exec rm -rf {} +

# The stamps are written last, so an interrupted installation is taken up again, and a finished
# one is left alone (and needs no network) until pyproject.toml or constraints.txt changes.
.venv/.installed: pyproject.toml $(CONSTRAINTS) | .venv/.created
	$(repair)
	@echo 'Installing the course into .venv (2 GB, a few minutes) …'
	@$(PIP_INSTALL) --editable .
	@touch $@

.venv/.installed-test: .venv/.installed
	$(repair)
	@echo 'Installing what the tests need …'
	@$(PIP_INSTALL) --editable '.[test]'
	@touch $@

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo 'Python 3.11, 3.12 or 3.13 is needed (TensorFlow has no others), and $(PYTHON) is not one:' \
			'install one and say `make … PYTHON=python3.11`.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(install_venv)
	$(repair)
	@$(PYTHON) -m venv .venv
	@touch $@

# Debian and Ubuntu keep the part of Python that makes environments in a package of its own.
install_venv = { \
	package=$$($(PYTHON) -c 'import sys; print("python3.%d-venv" % sys.version_info[1])'); \
	sudo=$$(test "$$(id -u)" -eq 0 || echo sudo); \
	echo "Python's venv module is incomplete: installing $$package …" >&2; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$$package" || { \
		echo "That failed. Install $$package (or your system's name for it) and try again." >&2; exit 1; }; }

# pip writes INSTALLER near the end: a package without it was cut short, and pip would keep it.
define repair
@for info in .venv/lib/python3*/site-packages/*.dist-info; do \
	test -e "$$info/INSTALLER" || rm -rf "$$info"; done
endef
