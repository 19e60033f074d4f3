# Installing and packaging. `install` is what the spec and the deb use; nothing here needs a network but `wheels`.
#
#   make install DESTDIR=/tmp/root PREFIX=/usr      the whole product, as files
#   make dist                                       slurmlens-VERSION.tar.gz, with wheels and browser part: rpmbuild -ta
#   make rpm, make deb                              the packages, into dist/

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/slurmlens/__init__.py)
# Of the commit, so that the same sources make the same packages.
RELEASE_DATE_S ?= $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),0)
MAINTAINER ?=
DESTDIR ?=
PREFIX ?= /usr
SYSCONFDIR ?= /etc
PACKAGE_PYTHON ?= $(PYTHON)
WHEELS ?= build/wheels
LIBRARY := $(PREFIX)/lib/slurmlens/python
PACKAGE_VENV := build/package-venv
OFFLINE = PIP_DISABLE_PIP_VERSION_CHECK=1 $(PACKAGE_VENV)/bin/pip install -q --no-index --find-links $(WHEELS)
PROGRAMS := slurmlens:slurmlens.cli.main slurmlens-node:slurmlens.node.start slurmlens-hub:slurmlens.hub.main \
            slurmlens-relay:slurmlens.relay.main
PLACED := sed -e 's,/usr/bin/slurmlens,$(PREFIX)/bin/slurmlens,g' -e 's,/usr/share/doc,$(PREFIX)/share/doc,g'

# Wheels of this Python, held against the hashes in bundle.txt; a release's archive brings them along.
.PHONY: wheels
wheels: $(WHEELS)/.complete
$(WHEELS)/.complete: packaging/bundle.txt packaging/build.txt
	@rm -rf $(WHEELS) $(PACKAGE_VENV)
	@$(PACKAGE_PYTHON) -m venv $(PACKAGE_VENV)
	@for list in build bundle; do \
	  $(PACKAGE_VENV)/bin/pip download -q --only-binary=:all: --require-hashes -d $(WHEELS) -r packaging/$$list.txt; done
	@touch $@

# A release's archive brings the browser part as well: only a checkout may have to make it (npm, a network).
.PHONY: browser-part
browser-part:
	@test -e $(VENDOR)/uPlot.iife.min.js || $(MAKE) -s $(VENDOR)/uPlot.iife.min.js

.PHONY: install
install: wheels browser-part ## all files below DESTDIR, as packages have them; PREFIX=/usr
	@test -x $(PACKAGE_VENV)/bin/pip || $(PACKAGE_PYTHON) -m venv $(PACKAGE_VENV)
	$(OFFLINE) --require-hashes -r packaging/build.txt
	$(OFFLINE) --require-hashes --no-compile --target $(DESTDIR)$(LIBRARY) -r packaging/bundle.txt
	$(OFFLINE) --no-deps --no-build-isolation --no-compile --upgrade --target $(DESTDIR)$(LIBRARY) .
	rm -rf $(DESTDIR)$(LIBRARY)/bin $(DESTDIR)$(LIBRARY)/etc $(DESTDIR)$(LIBRARY)/share
	strip --strip-unneeded $(DESTDIR)$(LIBRARY)/slurmlens/_cgroup.abi3.so
	$(PACKAGE_VENV)/bin/python -m compileall -q --invalidation-mode unchecked-hash $(and $(DESTDIR),-s $(DESTDIR)) $(DESTDIR)$(LIBRARY)
	install -d $(DESTDIR)$(PREFIX)/bin
	for program in $(PROGRAMS); do \
	  sed -e 's,@PYTHON@,$(PACKAGE_PYTHON),' -e 's,@LIBRARY@,$(LIBRARY),' -e "s,@MODULE@,$${program#*:}," \
	    packaging/launcher.in > $(DESTDIR)$(PREFIX)/bin/$${program%%:*}; \
	  chmod 0755 $(DESTDIR)$(PREFIX)/bin/$${program%%:*}; done
	$(MAKE) -s -C slurm_hooks install DESTDIR=$(DESTDIR) libexecdir=$(PREFIX)/libexec
	$(MAKE) -s -C slurm_hooks/spank install DESTDIR=$(DESTDIR) prefix=$(PREFIX) sysconfdir=$(SYSCONFDIR)
	find $(DESTDIR)$(PREFIX)/libexec/slurmlens/slurmlens-hook $(DESTDIR)$(PREFIX)/lib/slurmlens -path '*/python' -prune -o -type f \
	  -exec strip --strip-unneeded {} +
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/systemd/system-preset
	for unit in systemd/*.service systemd/*.mount; do \
	  $(PLACED) $$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$unit); done
	install -m 0644 packaging/50-slurmlens.preset $(DESTDIR)$(PREFIX)/lib/systemd/system-preset/
	install -d $(DESTDIR)$(PREFIX)/share/slurmlens/systemd
	for part in systemd/drop-ins/*.conf systemd/tmpfiles.d/slurmlens-controller.conf; do \
	  sed -e 's,/usr/share/slurmlens,$(PREFIX)/share/slurmlens,' $$part > $(DESTDIR)$(PREFIX)/share/slurmlens/systemd/$$(basename $$part); done
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/sysusers.d systemd/sysusers.d/slurmlens.conf
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/tmpfiles.d systemd/tmpfiles.d/slurmlens.conf
	install -D -m 0644 -t $(DESTDIR)$(SYSCONFDIR)/slurmlens etc/slurmlens/*.toml
	install -D -m 0644 -t $(DESTDIR)$(SYSCONFDIR)/slurmlens/problems etc/slurmlens/problems/*.toml
	install -D -m 0644 -t $(DESTDIR)$(SYSCONFDIR)/slurmlens/problems/cases etc/slurmlens/problems/cases/*.toml
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens etc/slurm/slurmlens.conf
	for part in carbon grafana logstash rsyslog syslog-ng; do install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens/$$part etc/$$part/*; done
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/include cext/client/slurmlens_progress.h
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens/fortran cext/client/slurmlens_progress.f90 cext/client/slurmlens_progress_c.c
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens/python/slurmlens daemon/slurmlens/__init__.py
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens/python/slurmlens/progress daemon/slurmlens/progress/*.py
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/man/*.1
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 docs/man/*.8
	gzip -n -9 -f $(DESTDIR)$(PREFIX)/share/man/man1/slurmlens*.1 $(DESTDIR)$(PREFIX)/share/man/man8/slurmlens*.8
	install -D -m 0644 etc/completion/slurmlens.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/slurmlens
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions etc/completion/_slurmlens
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens/galaxy galaxy/*.xml galaxy/*.yml
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/slurmlens/galaxy/test-data galaxy/test-data/*
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/slurmlens README.md CHANGELOG.md LICENSE docs/*.md
	for campaign in examples/*/; do \
	  install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/slurmlens/$$campaign $$campaign/*.toml; \
	  install -D -m 0755 -t $(DESTDIR)$(PREFIX)/share/doc/slurmlens/$$campaign $$campaign/*.sh; done
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/slurmlens/specs docs/specs/*.md

# Packages own the hooks apart from the names that slurm.conf has, which their scripts make and keep (scriptlets/hooks.*).
.PHONY: separate-hooks
separate-hooks:
	install -d $(DESTDIR)$(PREFIX)/lib/slurmlens
	mv $(DESTDIR)$(PREFIX)/libexec/slurmlens $(DESTDIR)$(PREFIX)/lib/slurmlens/hooks

.PHONY: dist
dist: dist/slurmlens-$(VERSION).tar.gz ## the release's archive: sources, wheels, browser part
dist/slurmlens-$(VERSION).tar.gz: wheels $(VENDOR)/uPlot.iife.min.js
	@mkdir -p dist
	git archive --format=tar --prefix=slurmlens-$(VERSION)/ -o dist/sources.tar HEAD
	tar -r -f dist/sources.tar --owner=0 --group=0 --transform 's,^,slurmlens-$(VERSION)/,' $(WHEELS) $(VENDOR)
	gzip -n -c dist/sources.tar > $@
	rm dist/sources.tar

.PHONY: rpm
rpm: dist ## RPMs into dist/
	rpmbuild -ta --nodeps --define '_topdir $(CURDIR)/build/rpm' --define 'slurmlens_python $(PACKAGE_PYTHON)' \
	  dist/slurmlens-$(VERSION).tar.gz
	cp build/rpm/RPMS/*/*.rpm dist/

.PHONY: deb
deb: ## Debian packages into dist/
	rm -rf build/deb
	$(MAKE) -s install DESTDIR=$(CURDIR)/build/deb/all
	$(MAKE) -s separate-hooks DESTDIR=$(CURDIR)/build/deb/all
	$(PACKAGE_PYTHON) packaging/build_deb.py --version $(VERSION) --installed build/deb/all --work build/deb --into dist \
	  --date-s $(RELEASE_DATE_S) $(and $(MAINTAINER),--maintainer "$(MAINTAINER)")

.PHONY: lint-packages
lint-packages: ## rpmlint and lintian on what lies in dist/: nothing may be left without an answer
	rpmlint --strict -c packaging/rpmlint.toml dist/*.rpm
	lintian --allow-root --fail-on error,warning dist/*.deb

# In turn, for each takes 4 GiB; packages are built for the Python and the Slurm headers that a release's Debian has.
VM_RELEASES ?= 22.05 24.11 26.05
.PHONY: test-vm
test-vm: deb rpm ## virtual machines with systemd, cgroup v2 and Slurm 22.05, 24.11, 26.05: installed, run, counted; root, qemu
	PYTHONUNBUFFERED=1 $(PYTHON) -m deploy.vm.packages $(filter-out 22.05,$(VM_RELEASES))
	SLURMLENS_VM=1 SLURMLENS_VM_RELEASES="$(VM_RELEASES)" $(BIN)/pytest --timeout=2400 tests/vm $(ARGS)
