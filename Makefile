# Two commands: `make run` and `make test`. The work is done by hotline/setup/, which needs only python3.
PYTHON ?= python3
VENV := .venv/bin
export PBX_MIRROR HOTLINE_ASTERISK HOTLINE_VAR
ifeq ($(strip $(HOTLINE_VAR)),)
unexport HOTLINE_VAR
endif
ifeq ($(strip $(HOTLINE_ASTERISK)),)
unexport HOTLINE_ASTERISK
endif

.PHONY: help run setup test check capacity capacity-short clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

setup: ## install and build everything `make run` needs, start nothing
	@$(PYTHON) -m hotline.setup run

run: setup ## set up what is not there yet, then start the whole hotline; Ctrl-C stops it
	@exec $(VENV)/hotline run

test: ## the whole suite on its own private PBX, ports and database
	@$(PYTHON) -m hotline.setup test
	@exec $(VENV)/python -m hotline.setup.check all

check: ## format, lint, types, import arrows, pure tests: under two minutes
	@$(PYTHON) -m hotline.setup check
	@exec $(VENV)/python -m hotline.setup.check

capacity: ## what this machine carries, and where it breaks: 50 minutes on a quiet machine, docs/capacity
	@$(PYTHON) -m hotline.setup test
	@exec $(VENV)/hotline capacity --readme

capacity-short: ## the same in three minutes, printed only
	@$(PYTHON) -m hotline.setup test
	@exec $(VENV)/hotline capacity --short --json var/capacity-short.json

clean: ## remove what set-up made; keeps database, recordings and secrets
	@$(PYTHON) -m hotline.setup clean
