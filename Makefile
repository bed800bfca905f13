# Short names for what the scripts do; ./run and ./test need no make.
.DEFAULT_GOAL := help
.PHONY: help build run test test-quick test-long test-bare soak bench bench-cassandra bench-kafka bench-load bench-scrape \
  services-up services-down alerts dashboards dashboards-build up down logs ps smoke package image lint lint-deploy \
  lint-full sanitize fuzz format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the program: build/finpipe
	@tools/packages.sh install run
	@tools/build.sh finpipe

run: ## the main job: the bundled tape becomes bars
	@./run

test: ## build and run all tests
	@./test

test-quick: ## build and run the hermetic tests only
	@./test quick

test-long: ## fifty rounds of faults on real Cassandra and Kafka (FINPIPE_ROUNDS, FINPIPE_SEED), backup, a node that joins
	@tools/packages.sh install run test cassandra services
	@tools/build.sh finpipe -DFINPIPE_CASSANDRA=ON
	@FINPIPE=$$PWD/build/finpipe python3 -B tests/cassandra/operations.py
	@FINPIPE=$$PWD/build/finpipe FINPIPE_ROUNDS=$${FINPIPE_ROUNDS:-50} python3 -B tests/cassandra/test_cassandra_faults.py
	@FINPIPE=$$PWD/build/finpipe FINPIPE_ROUNDS=$${FINPIPE_ROUNDS:-50} python3 -B tests/kafka/test_kafka_faults.py

alerts: ## fire each alert by its real fault, see it told and resolved; an hour (root; FASTER=N, ALERTS="FeedDown ...")
	@tools/packages.sh install run test cassandra services observability
	@tools/build.sh finpipe -DFINPIPE_CASSANDRA=ON
	@FINPIPE=$$PWD/build/finpipe python3 -B tests/observability/alerts.py --faster $${FASTER:-1} $(ALERTS)

test-bare: ## ./run and ./test in a container of a bare Debian 12 (root, podman)
	@tools/test_bare.sh

soak: ## simulate the pipeline with new seeds until one fails or it is stopped (FROM=N: from seed N on)
	@tools/packages.sh install run test
	@tools/build.sh simulation_long_test -DFINPIPE_TESTS=ON
	@FINPIPE_SOAK=$${FROM:-$$(date +%s)000} build/simulation_long_test --gtest_filter=Pipeline.Soak

bench: ## build and run the benchmarks that need no server, most with a ratio to a rival
	@tools/packages.sh install run test
	@tools/build.sh bench_programs -DFINPIPE_BENCHMARKS=ON
	@tools/bench.sh

bench-cassandra: ## trades into a Cassandra node that it starts, beside the Python driver and the bare one
	@tools/packages.sh install run test cassandra services
	@tools/build.sh finpipe -DFINPIPE_BENCHMARKS=ON -DFINPIPE_CASSANDRA=ON
	@tools/build.sh cassandra_bench
	@benchmarks/cassandra/compare.py

bench-kafka: ## trades into a Kafka node and out of it, beside bare librdkafka and a Python client; joins, departures, memory
	@tools/packages.sh install run test cassandra services
	@tools/build.sh kafka_bench -DFINPIPE_BENCHMARKS=ON -DFINPIPE_CASSANDRA=ON
	@tools/build.sh live_latency_bench
	@tools/build.sh finpipe
	@benchmarks/kafka/compare.py
	@benchmarks/kafka/join.py 8
	@benchmarks/kafka/backlog.py

bench-load: ## the highest rate that a pipeline sustains on embedded parts, on Kafka, on Kafka and Cassandra, three times each
	@tools/packages.sh install run test cassandra services
	@tools/build.sh finpipe -DFINPIPE_CASSANDRA=ON
	@benchmarks/load/rates.py

bench-scrape: ## what it costs a run with 10,000 symbols to be scraped each second: three turns of two minutes
	@tools/packages.sh install run
	@tools/build.sh finpipe
	@benchmarks/scrape.py

services-up: ## Kafka, a schema registry and Cassandra on 127.0.0.1, in the background; prints where they are
	@tools/packages.sh install services
	@tools/services/services up

services-down: ## end them; their data stay
	@tools/services/services down

dashboards: ## ask every panel of Grafana's dashboards for data, on a whole pipeline that it starts (some minutes)
	@tools/packages.sh install run cassandra services observability
	@tools/build.sh finpipe -DFINPIPE_CASSANDRA=ON
	@FINPIPE=$$PWD/build/finpipe python3 -B tests/observability/dashboards.py

dashboards-build: ## write Grafana's dashboards and docs/dashboards.md from their code
	@observability/grafana/code/build.py

up: ## the whole stack by docker compose: page at 127.0.0.1:8080, Grafana at :3000 (docs/deploy.md)
	@tools/stack.sh up

down: ## end it; its data stay
	@tools/stack.sh down

logs: ## follow what it says
	@tools/stack.sh logs

ps: ## what of it runs, and how it is
	@tools/stack.sh ps

smoke: ## prove that trades become bars in it, through the API
	@tools/stack.sh smoke

package: ## the .deb and the tarball, in dist/
	@tools/packages.sh install run cassandra package
	@tools/build.sh finpipe -DFINPIPE_CASSANDRA=ON
	@tools/package.sh

image: ## build the image with podman from a bare Debian root, test it, run the compose file on it (root)
	@tools/image.sh build
	@tools/image.sh test
	@tools/image.sh stack

lint-deploy: ## Dockerfiles, compose file, workflows, YAML, shell scripts
	@tools/lint.sh deploy

lint: ## layer check, clang-format, clang-tidy
	@tools/lint.sh all

lint-full: ## the same with the static analyzer
	@tools/lint.sh full

sanitize: ## all modules under both sanitizers, those of the network too (an hour on 2 cores; CI leaves those out)
	@tools/packages.sh install run test
	@for preset in asan-ubsan tsan; do \
	  cmake --preset $$preset -DFINPIPE_NETWORK=ON && cmake --build --preset $$preset && \
	  setarch -R ctest --preset $$preset --no-tests=error || exit 1; \
	done

fuzz: ## fuzz every target for SECONDS (30), two at a time on two processors (clang 19)
	@tools/fuzz.sh $(or $(SECONDS),30)

format: ## rewrite the sources with clang-format
	@tools/packages.sh install lint
	@tools/lint.sh sources | xargs clang-format-19 -i

clean: ## remove every build directory
	rm -rf dist build build-debug build-asan-ubsan build-tsan build-fuzz build-fuzz-coverage
