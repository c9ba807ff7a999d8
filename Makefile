# Everything a developer or a user of the source tree does: `make run` shows the main job, `make test` passes every test.

BUILD_PACKAGES = libssl-dev libsqlite3-dev libcurl4-openssl-dev
RUN_PACKAGES = $(BUILD_PACKAGES) sqlite3 curl
TEST_PACKAGES = $(BUILD_PACKAGES) python3-venv sqlite3 strace openssl curl chromium dpkg-dev patchelf prometheus systemd
PROVE_PACKAGES = $(TEST_PACKAGES)
SCAN_PACKAGES = $(TEST_PACKAGES) sslscan testssl.sh bsdextrautils dnsutils
SLOW_PACKAGES = $(BUILD_PACKAGES) python3 openssl slowhttptest
DEB_PACKAGES = $(BUILD_PACKAGES) binutils dpkg-dev lintian patchelf python3
SYSTEMD_PACKAGES = $(TEST_PACKAGES) debootstrap systemd-container
BENCH_PACKAGES = $(BUILD_PACKAGES) python3-venv nginx-light wrk nodejs sqlite3
SWIFT_BUILD = swift build $(SWIFT_FLAGS)
PREFIX ?= /usr/local
VENV = .venv
BENCH_VENV = .venv-bench

SEEDS ?= 1000
OUTCOME_SEEDS ?= 5
STREAMS ?= 500000
ROUNDS ?= 20
MINUTES ?= 1
FUZZ_TARGETS ?= request chunked connection signature secret event configuration

.PHONY: build release run test simulate outcomes differential fuzz sanitize prove tls-scan slow-clients swift-test python-test format lint bench deb systemd-test newcomer install clean build-packages run-packages test-packages prove-packages bench-packages scan-packages slow-packages deb-packages systemd-packages

build: build-packages
	$(SWIFT_BUILD)

# The daemon with an embedded simulated Seam, on loopback: no account, no key, no configuration. Ctrl-C stops it.
run: run-packages build
	@exec .build/debug/sparekey serve --sandbox

test: swift-test python-test

swift-test: test-packages
	swift test $(SWIFT_FLAGS) --skip SimulationTests
	swift test $(SWIFT_FLAGS) --filter SimulationTests

# The official Python clients, and the daemon as a process: killed, stopped, traced.
python-test: test-packages $(VENV)/ready
	$(SWIFT_BUILD) --product sparekey
	$(SWIFT_BUILD) --product parse-requests
	$(VENV)/bin/python -m pytest -q -rs Tests/Python

$(VENV)/ready: Tests/Python/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r Tests/Python/requirements.txt
	touch $@

format:
	swift format -i -r Package.swift Sources Tests

lint:
	swift format lint --strict -r Package.swift Sources Tests

# The whole of Sparekey against the simulated Seam, SEEDS worlds in two processes; a seed that fails is named with how to replay it.
simulate: build-packages
	swift build -c release --product simulate
	@half=$$(( ($(SEEDS) + 1) / 2 )); \
	.build/release/simulate run 1 $$half & first=$$!; \
	.build/release/simulate run $$((half + 1)) $$(($(SEEDS) - half)); second=$$?; \
	wait $$first && exit $$second

# Guests let in, by workload: Sparekey, a plain handler, an oracle.
outcomes: build-packages
	swift build -c release --product simulate
	.build/release/simulate outcomes $(OUTCOME_SEEDS)

# The request parser beside h11 and llhttp over STREAMS generated streams; `make test` compares the first 12,000.
differential: test-packages $(VENV)/ready
	$(SWIFT_BUILD) --product parse-requests
	$(VENV)/bin/python Tests/Python/test_differential.py $(STREAMS) 1

# libFuzzer with the address sanitizer, MINUTES for each of FUZZ_TARGETS. What is found lies in .build-fuzz/findings: mend it, and
# put the file into Tests/Strictness/Seeds, which `make test` replays.
fuzz: build-packages
	SPAREKEY_FUZZ=1 swift build -c release --scratch-path .build-fuzz --product fuzz -Xswiftc -sanitize=fuzzer,address \
	    -Xcc -fsanitize=address,fuzzer-no-link -Xswiftc -use-ld=lld -Xlinker --allow-multiple-definition
	@mkdir -p .build-fuzz/findings
	@for target in $(FUZZ_TARGETS); do \
	    echo "== $$target"; mkdir -p .build-fuzz/corpus/$$target; \
	    .build-fuzz/release/fuzz $$target -max_total_time=$$(($(MINUTES) * 60)) -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
	        -print_final_stats=1 -verbosity=0 -artifact_prefix=.build-fuzz/findings/$$target- \
	        .build-fuzz/corpus/$$target Tests/Strictness/Seeds/$$target || exit 1; \
	done

# Every Swift test under the address sanitizer, then under the thread sanitizer, which first has to find a race that is there and
# none where a lock is held; an hour on two cores. Leaks are not looked for: what a task holds when a process exits is none.
# Eight tests at a time, for slow as they are then, all at once would starve each other beyond their time limits.
SANITIZED = --disable-xctest --experimental-maximum-parallelization-width 8
SANITIZED_SEEDS = 20
ASAN = ASAN_OPTIONS=detect_leaks=0 SPAREKEY_SEEDS=$(SANITIZED_SEEDS)
# A race whose first access is forgotten already is not reported: the longer memory finds what the usual one finds three times in four.
TSAN = LD_PRELOAD=$(CURDIR)/.build-tsan/mutex.so TSAN_OPTIONS=history_size=4 SPAREKEY_SEEDS=$(SANITIZED_SEEDS)

sanitize: test-packages
	$(ASAN) swift test $(SANITIZED) --sanitize address --scratch-path .build-asan --skip SimulationTests
	$(ASAN) swift test --skip-build $(SANITIZED) --sanitize address --scratch-path .build-asan --filter SimulationTests
	mkdir -p .build-tsan
	clang -O2 -Wall -Werror -shared -fPIC -o .build-tsan/mutex.so Tests/Sanitizers/mutex.c
	swiftc -sanitize=thread -o .build-tsan/race Tests/Sanitizers/Race.swift
	! $(TSAN) .build-tsan/race 2>/dev/null
	$(TSAN) .build-tsan/race locked
	swift build --build-tests --disable-xctest --sanitize thread --scratch-path .build-tsan
	$(TSAN) swift test --skip-build $(SANITIZED) --sanitize thread --scratch-path .build-tsan --skip SimulationTests
	$(TSAN) swift test --skip-build $(SANITIZED) --sanitize thread --scratch-path .build-tsan --filter SimulationTests

# What it survives: kills, power cuts, faults of the disk and of the machine, in one table. ROUNDS kills, the other parts by that
# number; kills, power cuts and hostile clients go on for MINUTES at least.
prove: MINUTES = 0
prove: prove-packages $(VENV)/ready
	swift build -c release --product sparekey
	$(VENV)/bin/python Tests/Prove/prove.py --rounds $(ROUNDS) --minutes $(MINUTES) --binary .build/release/sparekey

# sslscan and testssl.sh against the daemon with a test certificate.
tls-scan: scan-packages $(VENV)/ready
	$(SWIFT_BUILD) --product sparekey
	$(VENV)/bin/python Tests/Python/scan_tls.py

# What 2,000 slow connections do to the acknowledgement of good webhooks; with nothing else running.
slow-clients: slow-packages
	swift build -c release --product sparekey
	python3 Benchmarks/slow_clients.py --json .build/slow-clients.json

# Ratios against peers measured in the same run; some ten minutes, with nothing else running. BENCH_FLAGS goes to bench.py, such as
# `--rounds 1 --continue` for one round more. The figures go to .build/bench.json, the chart to .build/bench.svg.
bench: bench-packages $(BENCH_VENV)/ready
	swift build -c release --product sparekey
	swift build -c release --product bench-server
	$(BENCH_VENV)/bin/python Benchmarks/bench.py --json .build/bench.json --chart .build/bench.svg $(BENCH_FLAGS)

$(BENCH_VENV)/ready: Benchmarks/requirements.txt
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -r Benchmarks/requirements.txt
	touch $@

# With the Swift runtime in it: it runs where no Swift is.
release: build-packages
	swift build -c release --product sparekey --static-swift-stdlib

# The Debian package, in .build/deb.
deb: deb-packages release
	rm -rf .build/deb
	config/debian/build .build/release/sparekey .build/deb
	lintian --fail-on error .build/deb/*.deb

# The package under a systemd of its own, in a container of a fresh Debian 12: restarts under load, watchdog, upgrade, purge, …
# A few minutes; says so where no container can be booted.
systemd-test: systemd-packages $(VENV)/ready
	[ -e .build/deb/*.deb ] || $(MAKE) deb
	$(VENV)/bin/python -m pytest -v Tests/Systemd/test_systemd.py

# The README's way from a clean Debian 12 to a substitution in the log, word for word.
newcomer: systemd-packages $(VENV)/ready
	[ -e .build/deb/*.deb ] || $(MAKE) deb
	$(VENV)/bin/python -m pytest -v Tests/Systemd/test_newcomer.py

# For machines without dpkg. The service is neither enabled nor started.
install: release
	@.ci/install-packages python3
	install -D -m 0755 -s .build/release/sparekey $(DESTDIR)$(PREFIX)/bin/sparekey
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
	    config/debian/generated .build/release/sparekey $(DESTDIR)$(PREFIX)/share
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/share/sparekey/examples config/examples/mail-guest
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/sparekey/messages config/messages/*.yaml
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/sparekey/alerts config/alerts/sparekey.rules.yaml
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/sparekey/grafana config/grafana/*.json
	install -D -m 0640 config/sparekey.yaml $(DESTDIR)/etc/sparekey/sparekey.yaml.sample
	install -d .build/units $(DESTDIR)/etc/systemd/system
	for unit in systemd/*.service systemd/*.socket; do \
		sed 's|/usr/bin/sparekey|$(PREFIX)/bin/sparekey|' "$$unit" > .build/units/$${unit##*/} && \
		install -m 0644 .build/units/$${unit##*/} $(DESTDIR)/etc/systemd/system || exit; done
	install -D -m 0644 systemd/sparekey.sysusers $(DESTDIR)/usr/lib/sysusers.d/sparekey.conf
	install -D -m 0644 systemd/sparekey.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/sparekey.conf
	install -D -m 0644 systemd/sparekey.preset $(DESTDIR)/usr/lib/systemd/system-preset/60-sparekey.preset

clean:
	swift package clean
	rm -rf $(VENV) $(BENCH_VENV)

build-packages:
	@.ci/install-packages $(BUILD_PACKAGES)

run-packages:
	@.ci/install-packages $(RUN_PACKAGES)

test-packages:
	@.ci/install-packages $(TEST_PACKAGES)

prove-packages:
	@.ci/install-packages $(PROVE_PACKAGES)

bench-packages:
	@.ci/install-packages $(BENCH_PACKAGES)

slow-packages:
	@.ci/install-packages $(SLOW_PACKAGES)

scan-packages:
	@.ci/install-packages $(SCAN_PACKAGES)

deb-packages:
	@.ci/install-packages $(DEB_PACKAGES)

systemd-packages:
	@.ci/install-packages $(SYSTEMD_PACKAGES)
