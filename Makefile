# Every target prepares what it needs (tools/setup); where that is there already, it only does its job.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTEST := .venv/bin/pytest
SCRIPTS := .ci/run $(addprefix tools/,bases build compose kafka-jars lock native rclone setup up versitygw) \
  images/bases/stand-in $(wildcard images/bases/kafka/*) images/custom/startup-script.sh images/custom/processor/startup-script.sh
# More words for pytest: make unit ARGS="-k chunk"
ARGS ?=
# Of make test: how many tests run side by side.
JOBS ?= 2
# Of make faults: how many rounds, and what its chance begins with.
ROUNDS ?= 50
SEED ?= 1

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

up: ## start everything: files dropped into ./data appear in ./downloads
	@tools/up
down: ## stop it; all data is kept
	@tools/compose --profile '*' down
logs: ## follow what the services say (Ctrl-C ends following)
	@tools/compose --profile '*' logs --follow --tail 50
images: ## build the images
	@tools/build --profile s3 --profile processor
	@docker image ls --filter reference='openmsi/*' --filter dangling=false
up-native: ## the same as up on a machine without containers
	@tools/native up
down-native: ## stop what up-native has started
	@tools/native down

unit: test-unit ## the quick tests
test: images ## all tests, against a real broker and the built images
	@tools/setup python java openssl engine versitygw faults openmsistream
	$(PYTEST) -n $(JOBS) --no-loadscope-reorder $(wildcard $(addprefix tests/,e2e integration interop faults examples contract unit)) $(ARGS)
test-unit: ## tests without network
	@tools/setup python
	$(PYTEST) tests/unit $(ARGS)
test-contract: ## tests of what others rely on
	@tools/setup python java openssl versitygw
	$(PYTEST) tests/contract $(ARGS)
test-examples: ## tests of the examples, with known answers
	@tools/setup python
	$(PYTEST) tests/examples $(ARGS)
test-integration: ## tests of the programs against a real broker and a real S3 server
	@tools/setup python java openssl versitygw
	$(PYTEST) tests/integration $(ARGS)
test-interop: ## tests against OpenMSIStream, in both directions
	@tools/setup python java versitygw openmsistream
	$(PYTEST) tests/interop $(ARGS)
test-e2e: images ## tests of the built images under compose
	@tools/setup python java engine
	$(PYTEST) tests/e2e $(ARGS)
test-faults: ## tests that break things: a fixed part of what make faults does
	@tools/setup python java versitygw faults
	$(PYTEST) tests/faults $(ARGS)
faults: ## break things at random: make faults ROUNDS=500 SEED=1
	@tools/setup python java versitygw faults
	.venv/bin/python -m tests.faults.campaign --rounds $(ROUNDS) --seed $(SEED) $(ARGS)
bench: ## measure speeds, costs and delays beside bare loops, OpenMSIStream, rclone and cp
	@tools/setup python java strace openmsistream
	.venv/bin/python -m tests.perf.bench $(ARGS)
bench-s3: ## measure the S3 transfer against boto3, rclone and OpenMSIStream
	@tools/setup python java versitygw openmsistream
	.venv/bin/python -m tests.perf.bench_s3 $(ARGS)
bench-processor: ## measure the stream processor against the downloader
	@tools/setup python java
	.venv/bin/python -m tests.perf.bench_processor $(ARGS)
bench-encryption: ## measure encrypted transport against plain transport
	@tools/setup python java
	.venv/bin/python -m tests.perf.bench_encryption $(ARGS)
bench-limits: ## measure how well a bandwidth limit is held
	@tools/setup python java
	.venv/bin/python -m tests.perf.bench_limits $(ARGS)
api: ## write docs/processor-api.md anew, from the docstrings
	@tools/setup python
	.venv/bin/griffe2md openmsi_processor -o docs/processor-api.md
check: ## formatting, lint, types, architecture, Dockerfiles, scripts
	@tools/setup python
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy services/*/src tests
	.venv/bin/lint-imports
	.venv/bin/hadolint images/Dockerfile images/custom/Dockerfile images/custom/processor/Dockerfile
	.venv/bin/shellcheck $(SCRIPTS)
lock: ## take newer versions of dependencies into the locked requirement files
	@tools/setup python engine
	@tools/lock
clean: ## delete what make has made, except ./data, ./downloads and docker's volumes
	@tools/native down
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help up down logs images up-native down-native unit test test-unit test-contract test-examples test-integration \
  test-interop test-e2e test-faults faults bench bench-s3 bench-processor bench-encryption bench-limits api check lock clean
