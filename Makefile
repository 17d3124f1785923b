# `make help` lists the verbs; `make ci` is all that continuous integration does.
SHELL := /bin/bash
# One release build serves the product and its tests: without --disable-testable-imports `swift test` rebuilds
# every module with other flags, and the next `swift build` rebuilds them back.
RELEASE := -c release
TEST := swift test $(RELEASE) --disable-testable-imports
SOURCES := Sources Tests Benchmarks weights-tools Package.swift
PYTHON ?= python3
# The model that toy-eval measures: the one that the program carries.
MODEL ?= Sources/CToyModel/Toy
PROMPT ?= One sunny day

.PHONY: help build run test test-release test-debug lint format toy toy-eval docs loc ci mutants thresholds

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

build: ## build the products in release mode
	swift build $(RELEASE)

run: ## generate text with the built-in toy model (PROMPT="…")
	swift run $(RELEASE) glm-infer generate --prompt "$(PROMPT)"

test: build ## what must pass before a change lands: the command line's tests, then all Swift tests
	Tests/cli/run
	Tests/toy/run
	@$(MAKE) --no-print-directory test-release

test-release: ## all Swift tests in the release build (FILTER=regex picks some)
	$(TEST) $(if $(FILTER),--filter '$(FILTER)')

test-debug: ## Swift tests with overflow and precondition checks of a debug build (FILTER=regex); slow kernels
	swift test $(if $(FILTER),--filter '$(FILTER)')

lint: ## style: formatter, file lengths, words that libraries must not contain
	swift format lint --strict --parallel --recursive $(SOURCES)
	Tests/style/run
	@python3 -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' weights-tools/toy/*.py

format: ## rewrite the sources in the house's format
	swift format --in-place --parallel --recursive $(SOURCES)

toy: build ## write a small synthetic checkpoint to models/nano
	swift run $(RELEASE) weights-tools make --preset nano --seed 1 --out models/nano

toy-eval: build ## what the trained toy can do, measured through glm-infer (PYTHON=interpreter with torch)
	$(PYTHON) weights-tools/toy/evaluate.py --model "$(MODEL)"

docs: ## check the documentation: links resolve, no warnings
	@mkdir -p .build
	docc convert Sources/GLMInference/Documentation.docc --output-path .build/documentation \
		--fallback-display-name GLMInference --fallback-bundle-identifier glm-infer.GLMInference \
		--warnings-as-errors

loc: ## lines of Swift by target; names files above 400 lines
	@find Sources weights-tools -name '*.swift' | xargs wc -l | grep -v ' total$$' | awk \
		'{ split($$2, p, "/"); t = p[1] == "Sources" ? p[2] : p[1]; n[t] += $$1; f[t]++; all += $$1; \
		   if ($$1 > 400) { long = long "  above 400 lines: " $$2 " (" $$1 ")\n" } } \
		 END { for (t in n) { printf "%6d  %3d files  %s\n", n[t], f[t], t | "sort -k4" } close("sort -k4"); \
		   printf "%6d  in all\n%s", all, long }'

ci: ## everything that continuous integration runs
	.ci/run

thresholds: ## no loop executes more instructions than is recorded (valgrind, a few minutes)
	Benchmarks/instructions self-test
	Benchmarks/instructions check

mutants: ## prove that the golden files notice forty wrong models (about a quarter of an hour)
	Tests/mutants/run
