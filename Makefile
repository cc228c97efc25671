# Two commands do everything, set-up included: `make train` and `make test`.
# ARGS go to the command: make train ARGS="data.root=PHOTOS model.weights=FILE".

PYTHON ?= python3
BIN := .venv/bin
CORE := .venv/.ready
DEV := .venv/.ready-dev
SMDEBUG := .venv-smdebug
SMDEBUG_TESTS := tests/debug/test_smdebug.py
SERVERS := .venv-servers

.PHONY: train test test-slow test-runs test-launch test-watch test-containers test-smdebug test-servers check \
  coverage docs examples benchmarks reference constraints audit clean

train: $(CORE)
	$(BIN)/python -m dogbreed.train $(ARGS)

test: $(DEV)
	$(BIN)/python -m pytest $(ARGS)

# The tests that are marked slow, test-runs, test-launch, test-watch and examples in one go: one
# start, and no core waits for the last test of each.
test-slow: $(DEV)
	$(BIN)/python -m pytest -m 'slow or runs or launch or watch or examples' $(ARGS)

# Complete trainings and exports: killed and resumed, on a full disk, on two processes, on real photos.
test-runs: $(DEV)
	$(BIN)/python -m pytest -m runs $(ARGS)

# Complete local searches, and jobs in an emulated AWS account through SageMaker's training toolkit.
test-launch: $(DEV)
	$(BIN)/python -m pytest -m launch $(ARGS)

# Complete trainings under the debugger and the profiler: what they record, stop and survive.
test-watch: $(DEV)
	$(BIN)/python -m pytest -m watch tests/debug $(ARGS)

# One job in a container, through podman: DOGBREED_CONTAINER_IMAGE, else one that is built here.
test-containers: $(DEV)
	$(BIN)/python -m pytest -n 0 -m containers tests/contract $(ARGS)

# The extra smdebug, through the real one: with the protobuf of 2022 that it asks for, and once more
# with the one of today, which SageMaker's containers carry.
test-smdebug: $(SMDEBUG)/.ready
	$(SMDEBUG)/bin/python -m pytest -m smdebug $(SMDEBUG_TESTS) $(ARGS)
	PYTHONPATH="$(CURDIR)/$(SMDEBUG)/today" \
	  $(SMDEBUG)/bin/python -m pytest -m smdebug $(SMDEBUG_TESTS) $(ARGS)

# A packed model in TorchServe and Ray Serve, each started for real as AWS's containers start it; our
# own server under kills, 10,000 fuzzed requests and Schemathesis, and its page in a browser.
test-servers: $(SERVERS)/.ready
	$(BIN)/python -m pytest -n 0 -m servers tests/inference tests/serving/http $(ARGS)

# mypy twice: over the project, and from outside over a user's code, for which py.typed counts.
check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd tests/typing && ../../$(BIN)/mypy --config-file= --strict consumer.py

docs: $(DEV)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site
	@echo "documentation: build/site/index.html"

# Of the tests' own processes: what commands, workers and jobs in further processes run isn't counted.
coverage:
	$(MAKE) test ARGS="--cov --cov-report="
	@echo "lines of dogbreed/ that make test covers: $$($(BIN)/coverage report --format=total) %"
	@$(BIN)/coverage report > /dev/null || { echo "error: fewer than [tool.coverage.report] allows"; exit 1; }

examples: $(DEV)
	$(BIN)/python -m pytest -n 0 -m examples tests/test_examples.py $(ARGS)

# The figures of the README. On a quiet machine, with your own photos and weights:
# make benchmarks ROOT=PHOTOS WEIGHTS=FILE
benchmarks: $(DEV)
	$(BIN)/python tests/benchmarks/run_all.py "$(ROOT)" "$(WEIGHTS)"

# Every key, from the schema; a test holds that the page is today's.
reference: $(CORE)
	$(BIN)/python -m dogbreed.configuration.reference > conf/README.md.new
	mv conf/README.md.new conf/README.md

# Known holes in what constraints.txt and inference/requirements*.txt pin: pip-audit asks the OSV
# database. What was found by hand is in tests/advisories.toml, which `make test` holds them against.
audit: $(DEV)
	@$(BIN)/python tests/audit.py

# Pins what CI, jobs and endpoints install. Names and versions only: which index they come from is
# the machine's.
constraints: $(DEV)
	$(BIN)/uv pip compile pyproject.toml --group dev --group docs --universal --quiet --upgrade \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o constraints.txt
	for file in inference/requirements*.txt; do \
	  { grep '^#' $$file; sed -n 's/==.*/==/; s/^[^#]/^&/p' $$file | grep -f - constraints.txt; } \
	    > $$file.new && mv $$file.new $$file || exit 1; \
	done

# What training and serving need; what tests, checks and the documentation need is added to it. An
# installation that was interrupted has left .unfinished, and is started again.
$(CORE): pyproject.toml constraints.txt $(wildcard .venv/.unfinished)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) .ci/install.py core

$(DEV): $(CORE)
	@$(PYTHON) .ci/install.py dev

# As pip resolves the extra, so without the pin of protobuf; today's protobuf is beside it.
$(SMDEBUG)/.ready: $(DEV)
	rm -rf $(SMDEBUG)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(SMDEBUG)
	grep -v '^protobuf==' constraints.txt > $(SMDEBUG)/constraints.txt
	VIRTUAL_ENV="$(CURDIR)/$(SMDEBUG)" $(BIN)/uv pip install --quiet --compile-bytecode \
	  -c $(SMDEBUG)/constraints.txt -e '.[smdebug]' pytest pytest-xdist
	VIRTUAL_ENV="$(CURDIR)/$(SMDEBUG)" $(BIN)/uv pip install --quiet --no-deps \
	  -c constraints.txt --target $(SMDEBUG)/today protobuf
	@touch $@

# What the containers carry, and what they install. TorchServe's toolkit needs the pkg_resources of
# an older setuptools, and both call pip; httpx and boto3 are those of the Ray container's adapter.
$(SERVERS)/.ready: $(DEV) inference/requirements.txt
	rm -rf $(SERVERS)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(SERVERS)
	grep -v '^setuptools==' constraints.txt > $(SERVERS)/constraints.txt
	VIRTUAL_ENV="$(CURDIR)/$(SERVERS)" $(BIN)/uv pip install --quiet --compile-bytecode \
	  -c $(SERVERS)/constraints.txt -r inference/requirements.txt \
	  torch torchvision numpy Pillow pip 'setuptools<81' 'torchserve==0.12.*' PyYAML \
	  sagemaker-pytorch-inference sagemaker-inference 'ray[serve]==2.57.*' Jinja2 'httpx==0.28.*' boto3
	@touch $@

clean:
	rm -rf .venv $(SMDEBUG) $(SERVERS) build dist outputs .mypy_cache .ruff_cache .pytest_cache
