# What people run. `make help` lists it; ARGS="…" goes to the command behind.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check audit sbom dist bench bench-peers bench-reads bench-simulator bench-evaluation bench-live bench-crash bench-chaos bench-soak bench-gateway bench-fuzz bench-fuzz-profiles bench-sms-gammu bench-outage bench-full-disk bench-overload bench-clock bench-away bench-bad-rows bench-sms bench-ladder bench-segments bench-villages bench-memory bench-country bench-fuzz-coverage screens bench-api bench-forms bench-web bench-growth

VENV := .venv
AUDIT := .venv-audit
FUZZ := .venv-fuzz
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
# Ends with 1 when a vulnerability is known, and with 3 when nobody could be asked.
ASK = { deploy/setup_apart.sh $(AUDIT) deploy/audit.lock || { echo "NOT ASKED: pip-audit cannot be installed" >&2; exit 3; }; } \
	&& $(AUDIT)/bin/python -m deploy.audit $(AUDIT)/bin/pip-audit requirements.lock deploy/audit.lock
LOCK := $(shell sha256sum requirements.lock | cut -c1-16)

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup:  ## make the environment in .venv (again only when its versions change)
	@if [ "$$(cat $(READY) 2>/dev/null)" != "$(LOCK)" ] || ! $(PYTHON) -c '' 2>/dev/null; then deploy/setup.sh $(VENV) && echo $(LOCK) > $(READY); fi

demo: setup  ## everything on this machine, simulated, from sensor to SMS (ARGS="--fresh --port 8100 …")
	@deploy/need.sh mosquitto mosquitto "a broker written in Python stands in"
	@deploy/need.sh libpangoft2-1.0.so.0 "libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core" "reports are not made into PDF"
	@exec $(VENV)/bin/ndiyan demo $(ARGS)

test: setup  ## the whole suite, with a real broker, a real PostgreSQL and a real browser (ARGS="-k leak")
	@deploy/need.sh mosquitto mosquitto "tests that need a broker are left out"
	@deploy/need.sh chromium chromium "tests that need a browser are left out"
	@deploy/need.sh libpangoft2-1.0.so.0 "libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core" "reports are not made into PDF"
	@deploy/need.sh fusermount3 fuse3 "the power is not cut"
	@deploy/need.sh gammu-smsd gammu-smsd "no modem is tried"
	@deploy/need.sh bearerbox kannel "Kannel is not tried"
	@deploy/need.sh /usr/lib/kannel/test/fakesmsc kannel-extras "Kannel is not tried"
	@deploy/need.sh /usr/share/doc/libnet-smpp-perl/examples/smsc.pl libnet-smpp-perl "Net::SMPP is not tried"
	@exec $(PYTHON) -m pytest --numprocesses $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup  ## style, types, and the audit, which passes when nobody could be asked, and says so
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@($(ASK)) || [ $$? -eq 3 ]

audit:  ## known vulnerabilities of what the locks pin; fails, and says so, when nobody could be asked
	@$(ASK)

sbom: setup  ## what a server installs, with hashes and licences, as CycloneDX 1.6 in dist/ndiyan.cdx.json
	@deploy/setup_apart.sh $(AUDIT) deploy/audit.lock
	@mkdir -p dist
	@set -o pipefail; $(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --spec-version 1.6 --output-reproducible --output-format JSON $(VENV) \
		| $(PYTHON) -m deploy.sbom deploy/server.lock > dist/ndiyan.cdx.json

dist: setup sbom  ## what a release has: wheel, source and what is in it (SBOM), in dist/
	@exec $(PYTHON) -m hatchling build -d dist

bench: setup  ## ingest against raw COPY and a naive script, then the simulator (ARGS="--messages 2000 --rounds 1" for the first)
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@$(VENV)/bin/ndiyan bench ingest $(ARGS)
	@exec $(VENV)/bin/ndiyan bench simulator

bench-peers: setup  ## ingest beside Node-RED, which npm fetches the first time (ARGS="--messages 20000 --rounds 1")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(VENV)/bin/ndiyan bench peers $(ARGS)

bench-reads: setup  ## charts, latest values and a day of 10,000 zones as a matrix (ARGS="--zones 1000")
	@exec $(VENV)/bin/ndiyan bench reads $(ARGS)

bench-simulator: setup  ## what a simulated year costs, and whether it is one of Labé (ARGS="--zones 6 --days 10 --live-zones 100")
	@exec $(VENV)/bin/ndiyan bench simulator $(ARGS)

bench-evaluation: setup  ## one evaluation of 1,000 zones, and whether it grows with history (ARGS="--zones 100 --days 2 10")
	@exec $(PYTHON) -m benchmarks.evaluation $(ARGS)

bench-live: setup  ## 1,000 zones live by the minute, through mosquitto and ingest, in real time (ARGS="--zones 100 --minutes 1")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.live $(ARGS)

bench-crash: setup  ## kill -9, freezes, double faults, power cuts: nothing lost, nothing twice (ARGS="--cycles 1000 --seed 7", --planted, "--power 60", --workers, "--minutes 60")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@deploy/need.sh fusermount3 fuse3 "the power cannot be cut"
	@exec $(PYTHON) -m benchmarks.crash $(ARGS)

bench-chaos: setup  ## as bench-crash, and evaluation, sender, pages and keeper are struck as well (ARGS="--cycles 2000 --seed 7")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.crash --everything $(ARGS)

bench-soak: setup  ## a whole server for hours, a fault each minute, backups held against it: nothing lost, nothing grows (ARGS="--minutes 120 --seed 7")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.soak $(ARGS)

bench-gateway: setup  ## kill -9 of the gateway's program 200 times: no reading and no pulse lost or twice (ARGS="--kills 20", "--minutes 10" for the cost of a day)
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.gateway $(ARGS)

bench-fuzz: setup  ## a million malformed messages: none unaccounted, none slow, memory flat (ARGS="--messages 20000 --seed 7")
	@exec $(PYTHON) -m benchmarks.fuzz $(ARGS)

bench-fuzz-coverage: setup  ## parsers under a coverage-guided fuzzer: no crash, no hang, what is accepted is right (ARGS="zones replies --runs 100000")
	@deploy/setup_apart.sh $(FUZZ) deploy/fuzz.lock
	@PYTHONPATH=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))') exec $(FUZZ)/bin/python -m benchmarks.fuzz_coverage $(ARGS)

bench-fuzz-profiles: setup  ## mutated messages of every device dialect: none unaccounted, none in a wrong unit (ARGS="--messages 5000")
	@exec $(PYTHON) -m benchmarks.fuzz_profiles $(ARGS)

bench-sms-gammu: setup  ## kill -9 of our sender over Gammu's daemon and a modem: nothing lost, nothing twice (ARGS="--kills 50 --seed 7")
	@deploy/need.sh gammu-smsd gammu-smsd "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.sms_gammu $(ARGS)

bench-full-disk: setup  ## the database's whole disk full for a minute under load: what it does, nothing lost (root; ARGS="--seconds 30")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.full_disk $(ARGS)

bench-overload: setup  ## twice what the machine can take: memory bounded, nothing lost, when it has caught up (ARGS="--minutes 2 --figure overload.svg")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.overload $(ARGS)

bench-away: setup  ## a whole server without its database for an hour of real time: nothing lost, every SMS answered (ARGS="--minutes 10 --without broker")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.away $(ARGS)

bench-clock: setup  ## the server's clock a day ahead and a day behind while all runs: what each part does (ARGS="--hold 60")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.clock $(ARGS)

bench-bad-rows: setup  ## what rows that the database refuses cost in a batch of 10,000 (ARGS="--rounds 9")
	@exec $(PYTHON) -m benchmarks.bad_rows $(ARGS)

bench-villages: setup  ## detection in villages of a second, independent model (ARGS="--seeds 21 22 --keep sets --each", --perturb, "--model villages own", "--without pump/state_code")
	@exec $(PYTHON) -m benchmarks.villages $(ARGS)

bench-outage: setup  ## an hour without the database: nothing lost, nothing confirmed early (ARGS="--messages 20000")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.outage $(ARGS)

bench-sms: setup  ## SMS over SMPP: 1,000 kill -9 and 200 link cuts over 100,000, pace, who goes first (ARGS="--messages 2000 --kills 20 --cuts 5", "--two --kills 500 --freezes 100" for one of two services)
	@exec $(PYTHON) -m benchmarks.sms $(ARGS)

bench-ladder: setup  ## 10,000 alerts climb their ladders while routes fail and people answer (ARGS="--alerts 1000 --zones 100 --days 3")
	@exec $(PYTHON) -m benchmarks.ladder $(ARGS)

bench-api: setup  ## 10,000 cases out of our OpenAPI: no server error, no undocumented answer (ARGS="--cases 1000 --seed 7")
	@exec $(PYTHON) -m benchmarks.api $(ARGS)

bench-forms: setup  ## every form and address of the pages with what nobody should write: no server error (ARGS="--cases 1000 --seed 7")
	@exec $(PYTHON) -m benchmarks.forms $(ARGS)

bench-web: setup  ## server time of the overview of 1,000 zones and of a channel's year (ARGS="--zones 100 --rounds 3")
	@exec $(PYTHON) -m benchmarks.web $(ARGS)

bench-memory: setup  ## what a whole server of 50 zones takes at its busiest moment, against 1 GB (ARGS="--zones 6 --days 2")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(PYTHON) -m benchmarks.memory $(ARGS)

bench-readers: setup  ## many people look at the pages at once: who is answered, what memory they keep (ARGS="--readers 1 --pages 100")
	@exec $(PYTHON) -m benchmarks.readers $(ARGS)

bench-country: setup  ## 20,000 zones for an hour as fast as it goes: what gives first, memory, disk (ARGS="--zones 600 --away 30 --minutes 30")
	@deploy/need.sh mosquitto mosquitto "there is nothing to measure"
	@exec $(VENV)/bin/ndiyan bench country $(ARGS)

bench-growth: setup  ## exponents of cost with zones, history and channels, drawn into docs (ARGS="--zones 60 200 600 --days 2 6 24")
	@exec $(PYTHON) -m benchmarks.growth $(ARGS)

bench-segments: setup  ## a million random texts: segments counted as two other programs do, which npm fetches (ARGS="--texts 20000")
	@exec $(PYTHON) -m benchmarks.segments $(ARGS)

screens: setup  ## remake the screenshots of docs/pages.md from a running demo (ARGS=ready.json, of `ndiyan demo --ready-file ready.json`)
	@deploy/need.sh chromium chromium "there is nothing to look through"
	@exec $(PYTHON) -m deploy.screens $(ARGS)
