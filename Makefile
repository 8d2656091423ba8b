# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := deploy/requirements
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest
# Each job has a Kafka of its own; files go out as they stand, the long ones before the last.
SHARED_OUT := -n $(JOBS) --dist loadfile --no-loadscope-reorder
SOURCES := streams models_onnx topology tests deploy
N ?= 100000
EXAMPLES ?= 300
SECONDS ?= 600
DATA ?= ../shared/data
WORDNET ?= /usr/share/wordnet
BUNDLES := models_onnx/bundles
TRAINED := .cartograph/train
SMOKE := .cartograph/smoke
S3_VERSION := v1.8.0
S3_SERVER := .cartograph/tools/versitygw-$(S3_VERSION)

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z][a-z0-9-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.run ## the virtual environment, pinned and hashed, to run Cartograph
setup-dev: $(VENV)/.dev ## the same, with what tests and checks need

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Cartograph needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

define install
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/$(1).txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

$(VENV)/.run: $(VENV)/bin/python $(LOCKS)/cpu.txt
	@echo "setting up $(VENV) (a minute or two, once)"
	$(call install,cpu)
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python $(LOCKS)/dev.txt
	@echo "setting up $(VENV) for development (a minute or two, once)"
	$(call install,dev)
	@touch $@ $(VENV)/.run

$(VENV)/.train: $(VENV)/bin/python $(LOCKS)/train.txt
	$(call install,train)
	@touch $@ $(VENV)/.dev $(VENV)/.run

demo: $(VENV)/.run ## a real Kafka, a sample shop played through it, and the graph it built
	$(BIN)/cartograph demo $(DEMO)

test: $(VENV)/.dev ## the whole suite, real Kafka included
	$(PYTEST) $(SHARED_OUT)

check: $(VENV)/.dev ## ruff, mypy, import contracts, unit tests: under a minute, on every commit
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check --quiet $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PYTEST) $(SHARED_OUT) -q -m "not kafka and not slow" tests/unit tests/properties tests/contracts

test-s3: $(VENV)/.dev ## checkpoints against a second S3 server, built from the Go module proxy (needs Go)
	test -x $(S3_SERVER) || { mkdir -p $(dir $(S3_SERVER)) && \
	  GOBIN=$(CURDIR)/.cartograph/tools go install -trimpath github.com/versity/versitygw/cmd/versitygw@$(S3_VERSION) && \
	  mv .cartograph/tools/versitygw $(S3_SERVER); }
	REQUIRE_S3=1 $(PYTEST) -q tests/contracts/test_checkpoint_place.py

simulate: $(VENV)/.dev ## N random schedules of faults through the real stages (N=100000)
	$(BIN)/python -m tests.simulation --schedules $(N)

audit: $(VENV)/.dev ## locks, licences, withdrawn packages, known vulnerabilities (needs an index, and pip-audit)
	$(BIN)/python -m tests.deploy.audit

fuzz: $(VENV)/.dev ## every decoder for its share of SECONDS=600 (with atheris where it is installed)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

schemathesis: $(VENV)/.dev ## ask the read API, in every mode, all that its OpenAPI file allows and does not (EXAMPLES=300)
	$(BIN)/python -m tests.api.schemathesis_run --examples $(EXAMPLES)

soak: $(VENV)/.dev ## all faults, long: kills, outages, full disks, slow models; a table and .cartograph/soak (hours; SOAK="--kills 10")
	$(BIN)/python -m tests.faults.soak $(SOAK)

bench: bench-ingest bench-pipeline bench-upsert bench-metrics bench-memory bench-scale bench-tagging ## all benchmarks, each a table and .cartograph/bench/NAME.json
bench-ingest: $(VENV)/.dev ## SHOPPERS and ROUTE beside Quix Streams, Bytewax and stock Faust (in .venv-bench)
	$(BIN)/python -m tests.bench.ingest
bench-pipeline: $(VENV)/.dev ## the whole way of the data, events to facts
	$(BIN)/python -m tests.bench.pipeline
bench-upsert: $(VENV)/.dev ## GRAPH: totals a second, as the graph grows
	$(BIN)/python -m tests.bench.upsert
bench-scale: $(VENV)/.dev ## 1, 2 and 4 workers of a stage; workers that come and go under load
	$(BIN)/python -m tests.bench.scale
bench-endurance: $(VENV)/.dev ## everything at once for 10 million events: memory, CPU an event
	$(BIN)/python -m tests.bench.endurance
bench-restore: $(VENV)/.dev ## checkpoints: seconds per GB to make and to restore one, in a folder and in S3
	$(BIN)/python -m tests.bench.restore
bench-metrics: $(VENV)/.dev ## what metrics cost, with all of them and with none by turns
	$(BIN)/python -m tests.bench.metrics
bench-memory: $(VENV)/.dev ## RSS with a million open sessions, and as events go by
	$(BIN)/python -m tests.bench.memory

bench-capacity: $(VENV)/.dev ## unit costs of `cartograph capacity`; --write in ARGS puts them into its table
	$(BIN)/python -m tests.bench.capacity $(ARGS)
bench-tagging: $(VENV)/.train ## titles a second, strings in, spans out
	$(BIN)/python -m tests.bench.tagging

gpu-models: $(VENV)/.train ## the shipped bundles for a GPU, in .cartograph/gpu-models (any machine)
	$(BIN)/python -m models_onnx.gpu.export
gpu-check: ## ask a machine with CUDA all that must be true (in an environment with the extra gpu)
	$(BIN)/python -m models_onnx.gpu_check --out .cartograph/gpu-check

train: $(VENV)/.train ## train all bundles again: make train DATA=folder WORDNET=folder (apt-get install wordnet-base)
	$(BIN)/cartograph model train --data $(DATA) --work $(TRAINED) --out $(BUNDLES)/tagging
	$(BIN)/python -m models_onnx.cleaning.train --data $(DATA) --out $(TRAINED)/cleaning --init $(TRAINED)/tagging
	$(BIN)/python -m models_onnx.cleaning.export --data $(DATA) --checkpoint $(TRAINED)/cleaning --out $(BUNDLES)/cleaning
	$(BIN)/python -m models_onnx.synonyms.train --data $(DATA) --wordnet $(WORDNET) --out $(BUNDLES)/synonyms

train-smoke: $(VENV)/.train ## a tiny training from the data to bundles that load, in a minute
	$(BIN)/cartograph model train --smoke --data $(DATA) --work $(SMOKE)/work --out $(SMOKE)/tagging
	$(BIN)/python -m models_onnx.cleaning.train --data $(DATA) --out $(SMOKE)/cleaning --size 200 --epochs 1
	echo '{"id": 1, "text": "red shoes", "kind": "query"}' | $(BIN)/cartograph model tag --bundle $(SMOKE)/tagging

test-train: train-smoke ## a tiny training, and the tests that need the training extra
	$(PYTEST) -q -m "not kafka" tests/unit/models_onnx tests/contracts/test_models_bad_input.py

deploy-check: $(VENV)/.dev ## Dockerfile, compose and chart through hadolint, docker compose, helm, kubeconform (needs Go)
	PYTHON=$(BIN)/python deploy/check
monitoring-check: $(VENV)/.dev ## rules, alerts and dashboards on a real Prometheus (Debian's package, unpacked)
	deploy/prometheus/fetch
	REQUIRE_PROMETHEUS=1 $(PYTEST) -q tests/monitoring
dashboards: $(VENV)/.dev ## write deploy/grafana/dashboards from deploy/grafana/make
	$(BIN)/python -m deploy.grafana.make
deploy-topics: $(VENV)/.dev ## write the topics of streams/topics.py for the chart
	$(BIN)/python -m tests.deploy.topics > deploy/chart/files/topics.yaml

locks: ## resolve the pinned, hashed requirements again (needs uv on the PATH)
	for name in cpu:cpu,s3,build gpu:gpu,s3,build dev:cpu,s3,build,dev train:cpu,s3,build,dev,train bench:cpu,s3,build,dev,bench; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-header $$(echo $${name#*:} | sed 's/[^,]*/--extra &/g; s/,/ /g') \
	    pyproject.toml -o $(LOCKS)/$${name%%:*}.txt || exit 1; \
	done
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-deps \
	  --group deploy-check -o $(LOCKS)/check.txt

clean: ## what was built and run here; never the virtual environment
	rm -rf .cartograph .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
