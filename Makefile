# Moondial. `make run` and `make test` are all that a fresh Debian 12 machine with Swift 6.3 needs.

SCRIPTS ?= scripts
STATE ?= .moondial
JOBS ?= 2
# Debian's C modules for Lua, which tests of worker processes load.
LUA_MODULES = lua-cjson lua-socket lua-lpeg lua-filesystem lua-sql-sqlite3
RELEASE = --configuration release --static-swift-stdlib --jobs $(JOBS)
BINARY = .build/release/moondial
.DEFAULT_GOAL := help

## run: set up, build the release binary, and host the scripts in scripts/ (Ctrl-C ends it)
run: build
	@$(BINARY) run $(SCRIPTS) --state $(STATE)

## test: set up, and run every test
test: test-setup
	@swift build --build-tests --jobs $(JOBS)
	@.ci/test --no-parallel

## test-long: the long variants: brute-force oracles, random kills, many seeds (a quarter of an hour)
test-long: test-setup
	@swift build --build-tests --jobs $(JOBS)
	@MOONDIAL_LONG_TESTS=1 .ci/test --no-parallel

## crash-test: kill -9 a busy host at 200 random moments, and account for every fire time and every watched file
crash-test: setup
	@swift build --build-tests --jobs $(JOBS)
	@MOONDIAL_CRASHES=200 swift test --skip-build --filter CrashTests

## cluster-test: three hosts on one PostgreSQL, then on one MongoDB, SECONDS each: killed, frozen, cut off; an account of every instant
SECONDS ?= 600
cluster-test: setup
	@.ci/setup postgresql
	@.ci/mongod
	@swift build --build-tests --jobs $(JOBS)
	@MOONDIAL_CLUSTER_SECONDS=$(SECONDS) MOONDIAL_CLUSTER_JOBS=2000 swift test --skip-build --filter ClusterTests

## soak: a mixed load on the release binary for SOAK seconds, after which memory, descriptors, threads and disk must be flat
SOAK ?= 600
soak: build
	@.ci/soak $(SOAK)

## bench: the measures of `moondial bench` that need no driver, a few times
bench: build
	@.ci/bench

## bench-api: the HTTP API over a large history: lists, lateness beside 2,000 requests a second, an idle host, readers of events
bench-api: build
	@.ci/bench-api $(BINARY)

## bench-modules: json beside lua-cjson and http beside curl, one minute
bench-modules: build
	@.ci/setup lua-cjson curl
	@.ci/bench-modules $(BINARY)

## bench-hosts: one, two and four hosts on one PostgreSQL, beside SQLite and APScheduler on the same server (needs Python; ten minutes)
bench-hosts: build
	@.ci/setup postgresql
	@.ci/bench-hosts $(BINARY)

## bench-processes: runs in processes beside APScheduler's, and the lateness of other jobs beside hostile ones (needs Python; five minutes)
bench-processes: build
	@.ci/bench-processes $(BINARY)

## bench-lua: what the Lua runtime costs by itself
bench-lua: setup
	@swift build $(RELEASE) --product Benchmarks
	@.build/release/Benchmarks

## simulate-seeds: SEEDS fresh stories of one host (a tenth on SQLite) and as many of several that share a store, in a release build
SEEDS ?= 10000
simulate-seeds: setup
	@swift build $(RELEASE) --product Stories
	@.build/release/Stories $(SEEDS)

## bench-gate: the instructions of a reload and fire under callgrind, against the recorded figure
bench-gate: build
	@.ci/setup valgrind || echo "bench-gate: valgrind could not be installed" >&2
	@.ci/bench-gate

## bench-peers: other schedulers and this one in turn, into docs/performance.md; PEERS=DIR: their harnesses; MEASURES="M1b M3"
bench-peers: build
	@PEERS="$(PEERS)" MEASURES="$(MEASURES)" .ci/bench-peers

## test-peers: compare triggers with cronsim, APScheduler, dateutil, icalendar, systemd, astral, ephem, python-crontab (.build/peers)
test-peers: build
	@sh Tests/TriggerPeers/run.sh $(BINARY) .build/peers

## test-api: try the HTTP API of the release binary from outside: schemathesis with 5,000 cases, and hostile clients (needs Python)
test-api: build
	@sh Tests/HTTPTrials/run.sh $(BINARY) .build/http-trials

## test-address, test-thread: the tests that make sense under a sanitizer
test-address: setup
	@MOONDIAL_SANITIZER=1 ASAN_OPTIONS=detect_leaks=0 swift test --no-parallel --sanitize=address --scratch-path .build-asan --skip 'EndToEnd'
test-thread: setup
	@MOONDIAL_SANITIZER=1 TSAN_OPTIONS=suppressions=$(CURDIR)/.ci/thread-sanitizer.supp swift test --no-parallel --sanitize=thread --scratch-path .build-tsan --filter '^(Basics|Executors|SchedulerService|Scheduling|MemoryStore|SQLiteStore|PostgresStore|Conformance|FileWatching|HTTPTransfer|HostAPI|MoondialHTTP|MoondialScheduler|Hosting|ProcessExecutor)Tests|SuspensionTests'

## build: set up, and build the release binary .build/release/moondial
build: setup
	@swift build $(RELEASE) --product moondial

## setup: install the Debian packages that are missing
setup:
	@.ci/setup

## test-setup: the same, and what tests need besides; each says what is left out without it
test-setup: setup
	@.ci/mongod
	@.ci/setup $(LUA_MODULES) || echo "test: Lua modules could not be installed, their tests are left out" >&2
	@.ci/setup python3 python3-aiosmtpd openssl nghttp2-server || echo "test: aiosmtpd, openssl or nghttpd could not be installed: mail and http over TLS are left out" >&2
	@.ci/setup postgresql || echo "test: PostgreSQL could not be installed: tests that need its server are left out" >&2

## install: put the binary into PREFIX/bin (default /usr/local)
PREFIX ?= /usr/local
install: build
	install -D $(BINARY) $(DESTDIR)$(PREFIX)/bin/moondial

## format: format the sources in place
format:
	@swift format --in-place --recursive --parallel Package.swift Sources Tests examples

## lint: whether the layout of all sources is as `make format` makes it, and C keeps to a few plain rules
lint:
	@.ci/lint

## reference: write docs/lua-api/functions.md anew
reference:
	@swift build --product moondial --jobs $(JOBS)
	@.build/debug/moondial functions --markdown > docs/lua-api/functions.md

## api, api-record: hold the public declarations of a debug build against .ci/api.symbols; record them anew
api:
	@.ci/api
api-record:
	@swift build --jobs $(JOBS)
	@.ci/api record

## clean: remove what was built
clean:
	@swift package clean

## help: show this list
help:
	@sed -n 's/^## //p' Makefile

.PHONY: reference bench-hosts bench-processes bench-modules cluster-test bench-api test-api soak bench bench-peers bench-lua bench-gate simulate-seeds crash-test run test test-long test-peers test-address test-thread build setup test-setup install format lint api api-record clean help
