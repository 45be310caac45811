# make help lists the targets.

# Which nginx the module is built for (it fits no other version): this machine's own, from Debian's
# nginx-dev, or the one of the crate nginx-src. For another configured tree see scripts/build.
NGINX ?= $(if $(wildcard /usr/share/nginx/src/conf_flags /etc/debian_version),distro,vendored)
# nginx itself reads an environment variable of this name (sockets that it inherits).
unexport NGINX
# What `make test` runs: all, t/ alone (make test T=t), or one suite (make test T=t/variables.t).
T ?=

name := ngx_http_secure_link_hmac_module
objs := $(if $(filter vendored,$(NGINX)),objs/vendored,objs)
module := $(CURDIR)/$(objs)/$(name).so
needs := $(if $(filter vendored,$(NGINX)),vendored,build)

# The nginx that loads it, for the targets that start one.
binary := $(if $(filter vendored,$(NGINX)),$(CURDIR)/objs/vendored/nginx,nginx)
with := MODULE=$(module) NGINX=$(binary)

# Where this machine's nginx looks for modules. A vendored module does not fit there: say where.
modules_dir ?= $(if $(filter distro,$(NGINX)),$(shell PATH="$$PATH:/usr/sbin" nginx -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p'))

# The Debian of `make test-deb`: this machine's.
release = $(or $(RELEASE),$(shell . /etc/os-release && echo "$$VERSION_CODENAME"))

.PHONY: help build install install-cli check test test-long test-examples test-valgrind test-asan test-faults \
	test-leaks test-timing test-matrix soak fuzz fuzz-minimize fuzz-selftest fuzz-http fuzz-http-selftest bench \
	bench-instructions demo run docs crates dist deb test-deb deny sbom reproducible clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo 'NGINX=distro (this machine'"'"'s nginx) or NGINX=vendored (the one of a crate); here: $(NGINX)'

build: ## Build the module into objs/
	@scripts/need $(needs)
	@scripts/build $(NGINX)

install: build ## Install it where nginx looks for modules (DESTDIR=, modules_dir=)
	@test -n "$(modules_dir)" || { echo "Say where: make install modules_dir=DIRECTORY" >&2; exit 1; }
	@# By rename: a running nginx keeps the file that it has mapped.
	install -d "$(DESTDIR)$(modules_dir)"
	install -m 644 $(module) "$(DESTDIR)$(modules_dir)/.$(name).so.new"
	mv -f "$(DESTDIR)$(modules_dir)/.$(name).so.new" "$(DESTDIR)$(modules_dir)/$(name).so"
	@echo 'Put at the top of nginx.conf:  load_module modules/$(name).so;  and restart nginx (a reload keeps an old one).'

install-cli: ## Install secure-link, its manual pages and completions (DESTDIR=, prefix=, zsh_dir=)
	@DESTDIR="$(DESTDIR)" prefix="$(prefix)" zsh_dir="$(zsh_dir)" scripts/install-cli

check: ## Formatting, lints, and what else is quickly checked
	@scripts/need $(needs) check
	@scripts/check $(NGINX)

test: ## Engine tests, t/ (twice), the example configuration, tests/ (T=t: that alone, T=t/one.t: one suite)
	@scripts/need $(needs) $(if $(filter t t/%,$(T)),suites,serve test)
	@scripts/build $(NGINX)
	@$(with) scripts/test $(T)

test-long: ## What takes minutes: a million forged links, 200 000 counted requests, a zone that is full for two minutes
	@scripts/need $(needs) serve test
	@scripts/build $(NGINX)
	@$(with) METERING_REQUESTS=200000 METERING_FORGED=1000000 LIMITS_LINKS=500 LIMITS_MINUTES=2 \
		scripts/test tests/metering.pl tests/limits.pl

test-examples: ## The signers of examples/ in all languages; installs Go, Java, Mono and a part of Rails, 730 MB
	@scripts/need $(needs) serve test examples
	@scripts/build $(NGINX)
	@$(with) EXAMPLES=all scripts/test tests/examples.pl

test-valgrind: ## t/ under valgrind; fails when an error or a leak is ours (T=t/one.t)
	@scripts/need $(needs) test valgrind
	@scripts/build $(NGINX) symbols
	@MODULE=$(CURDIR)/$(objs)/symbols/$(name).so NGINX=$(binary) scripts/test-valgrind $(T)

test-asan: ## t/ with nginx and module built with AddressSanitizer, nginx with UBSan too (T=t/one.t); always vendored
	@scripts/need vendored test
	@scripts/build vendored asan
	@MODULE=$(CURDIR)/objs/vendored/asan/$(name).so NGINX=$(CURDIR)/objs/vendored/asan/nginx scripts/test-asan $(T)

test-faults: ## Workers killed, reloads, allocations that fail, a clock that jumps, full zones: 10 minutes
	@scripts/need $(needs) serve test
	@scripts/build $(NGINX)
	@$(with) scripts/test $(wildcard tests/faults/*.pl)

test-leaks: ## Memory is flat over a million requests of every verdict and 200 reloads
	@scripts/need $(needs) serve test
	@scripts/build $(NGINX)
	@$(with) scripts/test tests/long/leaks.pl

test-timing: ## That the time of a refusal tells neither how much of a MAC is right nor whether an id exists
	@scripts/need
	@PATH="$$PATH:$$HOME/.cargo/bin" cargo test --package secure-link --release --locked --test timing

test-matrix: ## Build for and run t/ against nginx 1.22, 1.26, 1.28 and 1.30, of Debian's releases and vendored (ON='sid vendored': on these)
	@scripts/test-matrix $(ON)

soak: ## Everything at once, with reloads and kills, then accounts (MINUTES=15)
	@scripts/need $(needs) serve test
	@scripts/build $(NGINX)
	@$(with) SOAK_MINUTES=$(or $(MINUTES),15) scripts/test tests/long/soak.pl

fuzz: ## Coverage-guided fuzzing of the engine and the zones (SECONDS=20 each, JOBS=n at a time, T=verify_jwt: one)
	@scripts/need fuzz
	@scripts/fuzz run $(or $(SECONDS),20) $(T)

fuzz-minimize: ## Add to fuzz/corpus what runs have reached, in as few inputs as do it
	@scripts/need fuzz
	@scripts/fuzz minimize $(T)

fuzz-selftest: ## Plant bugs in a copy of the sources: fuzzing has to find each within two minutes
	@scripts/need fuzz
	@scripts/fuzz selftest

fuzz-http: ## Random requests to nginx with the module, every answer against a model (SECONDS=60 SEED=n)
	@scripts/need $(needs) fuzz-http
	@scripts/build $(NGINX)
	@objs/fuzz-http/venv/bin/python tests/fuzz-http/fuzz.py --module $(module) --nginx $(binary) \
		--seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

fuzz-http-selftest: ## Plant bugs in a copy of the sources: fuzz-http has to find each within two minutes
	@scripts/need $(needs) fuzz-http
	@objs/fuzz-http/venv/bin/python tests/fuzz-http/selftest.py --kind $(NGINX) --nginx $(binary)

bench: ## The engine alone, and nginx beside its peers, 6 minutes (ROUNDS=5 TURN=1, RECORD=yes: into docs/, RELEASE=sid: there)
ifdef RELEASE
	@scripts/in-release $(RELEASE) make bench ROUNDS=$(ROUNDS) TURN=$(TURN) RECORD=$(RECORD)
else
	@scripts/need $(needs) bench $(if $(filter distro,$(NGINX)),peers)
	@scripts/build $(NGINX)
	@$(with) scripts/bench
endif

bench-instructions: ## Instructions that a granted request costs over plain nginx (callgrind)
	@scripts/need $(needs) valgrind
	@scripts/build $(NGINX) symbols
	@MODULE=$(CURDIR)/$(objs)/symbols/$(name).so NGINX=$(binary) scripts/instructions

demo: ## Start nginx with nginx.conf.example, show what links do, stop it
	@scripts/need $(needs) serve
	@scripts/build $(NGINX)
	@$(with) scripts/demo

run: ## The same, left running until Ctrl-C, with links to click
	@scripts/need $(needs) serve
	@scripts/build $(NGINX)
	@$(with) scripts/demo --run

docs: ## The documentation as a site in objs/site/, with the engine's API; its links are checked
	@scripts/need docs
	@scripts/docs

crates: ## What crates.io would get of the engine, the directives and the command line tool: packaged and built, not published (Rust 1.90)
	@scripts/need
	@PATH="$$PATH:$$HOME/.cargo/bin" cargo publish --dry-run --allow-dirty --locked -p secure-link -p secure-link-directives -p secure-link-cli

dist: ## Tarballs of the sources and of the crates, of which packages are built, into objs/dist/
	@scripts/dist

deb: ## Debian packages of the module and the command line tool, into objs/deb/ (RELEASE=trixie: for that one)
ifdef RELEASE
	@scripts/in-release $(RELEASE) make deb
else
	@scripts/need deb
	@scripts/deb
endif

test-deb: ## Install, use, remove and install again the packages in a fresh system (RELEASE=trixie: there)
	@scripts/need vendored
	@scripts/build vendored
	@scripts/in-release $(release) make deb
	@cp objs/vendored/$(name).so objs/releases/$(release).objs/of-another-nginx.so
	@scripts/in-release --fresh $(release) scripts/test-deb

deny: ## Licences, sources and bans of the dependencies (ADVISORIES=yes: those too, from the network)
	@scripts/need deny
	@objs/tools/bin/cargo-deny --locked --all-features check $(if $(ADVISORIES),advisories) licenses bans sources

sbom: ## What a release is made of, as CycloneDX: objs/*.cdx.json
	@scripts/need $(needs) sbom
	@scripts/build $(NGINX)
	@scripts/sbom $(objs)

reproducible: ## Build the release twice, in two directories: the same bytes, without a path of this machine
	@scripts/need $(needs)
	@scripts/reproducible $(NGINX)

clean: ## Remove what was built
	rm -rf objs target t/servroot*
