# `make` lists the targets. They install what they need into this folder. Needed: Python, make, and access to a package
# registry.

ENVIRONMENT := tools/bootstrap/environment
PYTHON := .venv/bin/python

# A section of samconfig.toml: default, staging or production.
STAGE ?= default

.DEFAULT_GOAL := help
.PHONY: help
help:
	@awk -F ': ## ' '/^[a-z-]+: ## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Serve the API on this machine: HOST=127.0.0.1 PORT=3000 PARAMETERS="Name=Value ..."
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m gerbang_local

.PHONY: test
test: ## Run every test that can run on this machine: ARGS="-k refresh" for some
	@$(ENVIRONMENT) local test clients docs browser fuzz
	@$(PYTHON) -m dynamodb_local fetch || true
	@tools/bootstrap/javascript-clients || true
	@exec $(PYTHON) -m pytest -n auto --maxprocesses 8 -m "not build" $(ARGS)

.PHONY: fuzz
fuzz: ## Send valid and invalid requests, made from the OpenAPI document, and check the answers: SECONDS=1200
	@$(ENVIRONMENT) local test fuzz
	@exec $(PYTHON) -m tests.fuzz $(or $(SECONDS),1200)

.PHONY: check
check: ## Everything that CI runs: format, lint, types, imports, template, build, tests
	@exec bash .ci/run

.PHONY: format
format: ## Format every file as `make check` requires
	@$(ENVIRONMENT) lint
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

.PHONY: build
build: ## Build functions and layers as they are deployed: STAGE=default
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m sam_deploy --stage $(STAGE) build -- $(ARGS)

.PHONY: deploy
deploy: ## Build, and create or update the stack: STAGE=default ARGS=
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m sam_deploy --stage $(STAGE) deploy -- $(ARGS)

.PHONY: sam-local
sam-local: ## Serve the built functions in Lambda's containers (Docker): HOST= PORT= PARAMETERS= as run; ARGS= for sam
	@$(ENVIRONMENT) local test
	@exec $(PYTHON) -m sam_local start -- $(ARGS)

.PHONY: sam-env
sam-env: ## Simulate AWS for a `sam local` that you start with .aws-sam/env.json: STAND_INS_PORT=3100 PARAMETERS= DYNAMODB_ENDPOINT=
	@$(ENVIRONMENT) local test
	@exec $(PYTHON) -m sam_local env

.PHONY: sam-invoke
sam-invoke: ## Invoke built functions with their events, in Lambda's containers: FUNCTION=ApiLoginFunction, or all functions
	@$(ENVIRONMENT) local test
	@exec $(PYTHON) -m sam_local invoke $(FUNCTION) -- $(ARGS)

.PHONY: smoke
smoke: ## Test a deployed stack as clients do: STACK=gerbang REGION=eu-west-1, or URL=; LAMBDA_ROUTE= JWT_ROUTE= of your API
	@$(if $(STACK)$(URL),,$(error STACK= or URL= is missing. Give the name of a stack, or the URL of an API))
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m gerbang_smoke $(if $(STACK),--stack "$(STACK)") $(if $(REGION),--region "$(REGION)") $(if $(URL),--url "$(URL)") \
	    $(if $(LAMBDA_ROUTE),--lambda-route "$(LAMBDA_ROUTE)") $(if $(JWT_ROUTE),--jwt-route "$(JWT_ROUTE)")

.PHONY: dynamodb
dynamodb: ## Start DynamoDB Local, in memory, for DYNAMODB_ENDPOINT of `make run`: PORT=8000
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m dynamodb_local $(PORT)

# What a tool works on: a deployed stack, or a running `make run` (LOCAL=1, with its HOST and PORT).
WHERE = $(if $(LOCAL),--local,$(if $(STACK),--stack "$(STACK)") $(if $(REGION),--region "$(REGION)"))

HASH_OPTIONS = $(if $(DIGEST),--digest "$(DIGEST)") $(if $(PREHASH),--prehash "$(PREHASH)") \
	$(if $(ENCODING),--encoding "$(ENCODING)") $(if $(PEPPER_FILE),--pepper-file "$(PEPPER_FILE)")

.PHONY: import-legacy
import-legacy: ## Import users: FROM=firebase FILE=users.json STACK=gerbang REGION=eu-west-1, or LOCAL=1; CHECK=1; ARGS=--help
	@$(if $(FILE)$(findstring --help,$(ARGS)),,$(error FILE= is missing. Give the export of the old system, or - for standard input))
	@$(if $(STACK)$(LOCAL)$(CHECK)$(TRY)$(findstring --help,$(ARGS)),,$(error STACK= or LOCAL=1 is missing. Give the name of a stack, or try it with CHECK=1))
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m gerbang_import --file "$(FILE)" $(WHERE) $(if $(FROM),--from "$(FROM)") $(if $(ALSO),--also $(ALSO)) \
	    $(if $(HASH_CONFIG),--hash-config "$(HASH_CONFIG)") $(if $(DOMAIN),--domain "$(DOMAIN)") $(if $(VERIFIED),--verified) \
	    $(if $(CHECK),--check) $(if $(TRY),--try "$(TRY)") $(if $(REPLACE),--replace) $(HASH_OPTIONS) $(ARGS)

.PHONY: admin
admin: ## Find, show and change accounts: STACK=gerbang, or LOCAL=1; ARGS="show mira@example.com"; ARGS=--help
	@$(if $(STACK)$(LOCAL)$(findstring --help,$(ARGS)),,$(error STACK= or LOCAL=1 is missing. Give the name of a stack))
	@$(ENVIRONMENT) local
	@exec $(PYTHON) -m gerbang_admin $(ARGS) $(WHERE)

.PHONY: bench
bench: ## Measure the built functions and write docs/performance.md: CASE=api/auth/login for one; ARGS="--rounds 5 --json f"
	@$(ENVIRONMENT) local test docs
	@$(PYTHON) -m sam_deploy build
	@exec $(PYTHON) -m gerbang_bench $(if $(CASE),--case "$(CASE)") $(ARGS)

.PHONY: price
price: ## Compute a month's bill at AWS's list prices, next to Cognito's: MAU=100000 ARGS="--region us-east-1", or --write
	@$(ENVIRONMENT) $(if $(findstring --write,$(ARGS)),docs)
	@exec $(PYTHON) -m gerbang_bench.bill $(if $(MAU),--mau "$(MAU)") $(ARGS)

.PHONY: docs
docs: ## Write what is made from the code: docs/endpoints.md, docs/settings.md, openapi.json, the page at /docs, docs/api/
	@$(ENVIRONMENT) local docs
	@exec $(PYTHON) -m gerbang_docs

.PHONY: texts
texts: ## List the texts of /docs and docs/api/ that have no translation, and put them into the catalogues
	@$(ENVIRONMENT) local docs
	@exec $(PYTHON) -m gerbang_docs texts

REQUIREMENTS := tools/bootstrap/uv export --frozen --quiet --no-annotate --no-header --no-emit-project

.PHONY: lock
lock: ## Update uv.lock, and the requirements of the layers, from pyproject.toml
	@tools/bootstrap/uv lock
	@$(REQUIREMENTS) --no-default-groups --output-file layers/dependencies/requirements.txt
	@$(REQUIREMENTS) --only-group asymmetric --output-file layers/dependencies/asymmetric.txt
