# make run and make test are all that a newcomer needs.
# Prerequisites: Go, a C compiler, Python 3 with pip, make.

GO      ?= go
PYTHON  ?= python3
TOOL    := $(GO) tool -modfile=internal/tools/go.mod
LINT    := $(TOOL) golangci-lint
FUZZTIME ?= 10s

# Browser tests are Go tests behind the build tag "browser", in packages named
# browsertest; they drive the browser that CHROMIUM names.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome-stable || \
              command -v google-chrome || ls "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" 2>/dev/null)
export CHROMIUM
BROWSER := $(if $(CHROMIUM),-tags browser)

.DEFAULT_GOAL := help
.PHONY: help setup setup-full build verifier run test mutants promises test-kafka chaos browser check bench fuzz vuln fmt clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Get ONNX Runtime, PostgreSQL and the small model (once; offline afterwards)
	@$(PYTHON) deploy/setup/setup.py small

setup-full: ## The same, and the full model
	@$(PYTHON) deploy/setup/setup.py full

build: verifier ## Build bin/bgremover and bin/bgverify
	$(GO) build -o bin/bgremover ./cmd/bgremover
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/bgverify ./cmd/bgverify

# What checks receipts in a browser. Without it the service runs, and its page says so.
VERIFIER := deploy/verifier/built
verifier:
	GOOS=js GOARCH=wasm CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $(VERIFIER)/bgverify.wasm ./cmd/bgverify
	gzip -9nf $(VERIFIER)/bgverify.wasm
	cat "$$($(GO) env GOROOT)/lib/wasm/wasm_exec.js" > $(VERIFIER)/wasm_exec.js

run: setup-full build ## Start the service with the full model and print its address
	bin/bgremover serve --model u2net --accept-model-passport=u2net

test: browser setup check mutants promises ## Check format, lint, vet, and run every test with the race detector
	$(PYTHON) -m unittest discover -q -s deploy/setup -p '*_test.py'
	$(PYTHON) -m unittest discover -q -s deploy/dev -p '*_test.py'
	$(TOOL) gotestsum --format pkgname --format-hide-empty-pkg -- -race -timeout 30m -parallel 4 $(BROWSER) ./...
ifeq ($(CHROMIUM),)
	@echo "browser tests NOT RUN (no Chromium found; install it, or set CHROMIUM to its path)"
endif

mutants: ## Change the policy rules one by one, and see that a test notices each change
	$(GO) test -count=1 -v -run '^TestMutantsAreKilled$$' ./adapters/opa

promises: ## Print which promises of the policy are built, in part, or not
	$(GO) test -count=1 -v -run '^TestPromisesBacked$$' ./internal/published

# The same suites as on the embedded Kafka, and brokers that are killed; what they tried is
# printed. With CHAOS=1, in full numbers.
test-kafka: setup ## Test the record on real Apache Kafka, 1 broker and 3 (needs Java 17; Maven once)
	@counts=$$(mktemp) && export CHAOS_COUNTS=$${CHAOS_COUNTS:-$$counts} && passed=yes && \
	$(ON_KAFKA) || passed=; \
	cat $$counts; rm $$counts; test "$$passed"
KAFKA_TESTS := ./adapters/kafka ./internal/ledger
ON_KAFKA := $(PYTHON) deploy/dev/kafka.py fetch && \
	$(TOOL) gotestsum --format pkgname -- -race -timeout 60m -p 1 -tags realkafka -run '^TestReal' $(KAFKA_TESTS)

# What is tried, and how often: docs/failures.md. One package after the other, because each
# keeps the machine busy. Many tests of failure mostly wait, hence -parallel. No $(MAKE) in it:
# `make -n` would run the whole recipe.
chaos: setup ## Run the tests of failure in their full numbers, also on real Kafka, and print what was tried (about an hour)
	@counts=$$(mktemp) && export CHAOS=1 CHAOS_COUNTS=$$counts && passed=yes; \
	$(GO) test -tags faults ./internal/fault || passed=; \
	$(TOOL) gotestsum --format pkgname -- -timeout 150m -p 1 -parallel 4 $(CHAOS_PACKAGES) || passed=; \
	$(ON_KAFKA) || passed=; \
	echo; sort $$counts; rm $$counts; test "$$passed"
CHAOS_PACKAGES := ./internal/audit ./internal/ledger ./cmd/bgremover

browser:
ifeq ($(CI)$(CHROMIUM),true)
	@echo "CI=true and no Chromium: the browser tests cannot run" >&2; exit 1
endif

check: ## Check format, lint, vet
	$(LINT) fmt --diff
	$(LINT) run --allow-parallel-runners ./...
	$(GO) vet -tags browser,realkafka ./...

bench: setup-full ## Run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

fuzz: setup ## Fuzz each parser of foreign bytes for FUZZTIME (10s)
	@grep -rE --include='*_test.go' '^func Fuzz' . | sed -E 's/^(.*)\/[^/]*:func (Fuzz[A-Za-z0-9_]*).*/\1 \2/' | \
	while read -r folder target; do \
		echo "$$folder $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 200x "$$folder" || exit 1; \
	done

vuln: ## Look for known vulnerabilities (needs the network)
	$(TOOL) govulncheck ./...

fmt: ## Format the code
	$(LINT) fmt

clean: ## Remove what was built (the runtime's cache folder stays)
	rm -rf bin $(VERIFIER)/*
