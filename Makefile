# SPDX-License-Identifier: GPL-2.0-only
#
# The human interface. What the module consists of is in Kbuild.
#
#   KDIR              the kernel to build for (default: the running one)
#   ARCH, CROSS_COMPILE, CC, W, C    as for the kernel itself
#   INSTALL_MOD_PATH or DESTDIR      where to install (default: this system)
#   INSTALL_MOD_STRIP= (empty)       install debug information, too
#   FORCE=1                          install to this system although it does not work here
#   KERNEL, MACHINE, DRIVER, TEST, SUITE    what to test with, see "make help"
#   LINUX, CONFIG     instead of KERNEL: a kernel's source tree, and what is added to its
#                     configuration

MODULE := vfio_iommu_spapr_tce
KDIR ?= /lib/modules/$(shell uname -r)/build
INSTALL_MOD_PATH ?= $(DESTDIR)
# As DKMS does. A module that was signed by hand must stay as it is.
SIGNED = $(shell tail -c 28 $(MODULE).ko | grep -ax '~Module signature appended~')
INSTALL_MOD_STRIP ?= $(if $(SIGNED),,1)
KERNEL ?= 6.12-4k
# Part of a name will do: 6.1 is the first row of kernels.conf that begins so. Asked for in recipes
# only.
ROW = $(or $(shell awk -v k='$(KERNEL)' '$$1 == k || index($$1, k "-") == 1 {print $$1; exit}' \
	scripts/image/kernels.conf),$(KERNEL))
ifneq ($(and $(LINUX),$(filter demo selftest kunit bench,$(MAKECMDGOALS))),)
override KERNEL := $(or $(shell scripts/image/build-kernel --tree "$(LINUX)" "$(CONFIG)"), \
	$(error LINUX=$(LINUX) can't be tested with))
endif
MACHINE ?= powernv9
DRIVER ?= ours

KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR)

# Kbuild's own messages do not say what is wrong with a kernel that is not fit.
module:
	@scripts/release/supported "$(KDIR)" build
	+$(KBUILD) modules

# Distributions keep their signing key to themselves: without one, kbuild would only
# complain that it cannot sign.
install: module
	@$(if $(FORCE)$(INSTALL_MOD_PATH),,scripts/release/supported "$(KDIR)" || \
		{ echo "To install it anyway: make install FORCE=1" >&2; false; })
	+$(KBUILD) INSTALL_MOD_PATH="$(INSTALL_MOD_PATH)" INSTALL_MOD_DIR=updates \
		INSTALL_MOD_STRIP=$(INSTALL_MOD_STRIP) \
		$(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=) \
		modules_install
	@scripts/release/after-install install "$(KDIR)" "$(INSTALL_MOD_PATH)"

uninstall:
	@scripts/release/after-install uninstall "$(KDIR)" "$(INSTALL_MOD_PATH)"

# What the packages have: debian/rules and rpm/*.spec install by these two.
PACKAGE = vfio-iommu-spapr-tce
VERSION = $(shell scripts/release/version)
SOURCE_DIR = $(DESTDIR)/usr/src/$(PACKAGE)-$(VERSION)
# What an administrator, or the author of a client, reads
PAGES = installation secure-boot passthrough containers partition dpdk monitoring troubleshooting \
	errnos limits help tcestat hardware glossary clients tracepoints
# Links to the others become words there.
SOURCE_PAGES = CONTRIBUTING.md \
	$(filter-out $(PAGES:=.rst),$(notdir $(wildcard Documentation/*.rst)))
unlink = 's/`([^`<]+)[ \n]<[^ >]*$(1)[^>]*>`__/\1 (in the source)/g; \
	s/\[([^]]+)\]\([^ )]*$(1)[^)]*\)/\1 (in the source)/g'
EXAMPLES_DIR = $(DESTDIR)/usr/share/doc/$(PACKAGE)-tools/examples

install-dkms:
	install -d $(SOURCE_DIR)/compat $(SOURCE_DIR)/scripts/release
	sed 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="$(VERSION)"/' dkms.conf >$(SOURCE_DIR)/dkms.conf
	chmod 644 $(SOURCE_DIR)/dkms.conf
	install -m 644 Kbuild $(filter-out %.mod.c,$(wildcard *.c)) $(wildcard *.h) \
		$(SOURCE_DIR)
	install -m 644 $(filter-out %.mod.c,$(wildcard compat/*.[ch])) $(SOURCE_DIR)/compat
	install -m 755 compat/probe $(SOURCE_DIR)/compat
	install -m 755 scripts/release/supported scripts/release/version \
		$(SOURCE_DIR)/scripts/release
	install -D -m 644 -t $(DESTDIR)/usr/share/doc/$(PACKAGE)-dkms README.md CHANGELOG.md

install-tools:
	install -D -m 755 -t $(DESTDIR)/usr/bin tools/tcestat
	sed -i 's/^VERSION = .*/VERSION = "$(VERSION)"/' $(DESTDIR)/usr/bin/tcestat
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man4 tools/$(MODULE).4
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man8 tools/tcestat.8
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system $(wildcard tools/systemd/*)
	install -D -m 644 -t $(EXAMPLES_DIR) $(filter-out %.py,$(wildcard tools/examples/*))
	install -m 755 -t $(EXAMPLES_DIR) $(wildcard tools/examples/*.py)
	install -D -m 644 -t $(dir $(EXAMPLES_DIR))Documentation \
		$(addprefix Documentation/,$(PAGES:=.rst) install.svg windows.svg)
	install -m 644 -t $(dir $(EXAMPLES_DIR)) README.md CHANGELOG.md SECURITY.md
	sed -zEi $(foreach page,$(SOURCE_PAGES),-e $(call unlink,$(page))) \
		$(addprefix $(dir $(EXAMPLES_DIR)),Documentation/*.rst *.md)

dist deb rpm: host-package
	@scripts/release/package $@

clean:
	rm -rf out .tmp_versions Module.symvers modules.order .module-common.o .*.cmd
	find scripts -name __pycache__ -prune -exec rm -rf {} +
	rm -f $(foreach dir,. compat kunit, \
		$(addprefix $(dir)/,*.o *.ko *.mod *.mod.c *.inc .*.cmd .*.d))

# On a POWER host: one idle function of it, DEVICE=0000:01:00.0, shows whether the module works
# there.
hostcheck: module
	@$(MAKE) -s -C selftests CROSS_COMPILE= STRICT= O=$(CURDIR)/out/hostcheck \
		$(CURDIR)/out/hostcheck/hostcheck
	@scripts/hostcheck $(OPTIONS) $(DEVICE)

# Everything below runs anywhere: it gets its own tools and kernels.
demo: host-demo
	@scripts/system demo $(MACHINE) $(if $(filter file,$(origin KERNEL)),,$(ROW))

selftest: host-build
	@scripts/selftest --kernel $(ROW) --machine $(MACHINE) --driver $(DRIVER) \
		$(if $(TEST),--test "$$TEST")

kunit: host-build
	@scripts/kunit $(if $(filter file,$(origin KERNEL)),,--kernel $(ROW)) \
		--machine $(MACHINE) $(if $(SUITE),--filter "$$SUITE")

bench: host-build
	@scripts/bench $(if $(LINUX),$(KERNEL) $(MACHINE))

kernels: host-check
	@scripts/check --kernels $(if $(filter file,$(origin KERNEL)),,$(ROW))

quick: host-check
	@scripts/check --quick

check clients lint docs: %: host-%
	@scripts/$@

# What a command needs, that command installs, after it has said how much that is.
host-clients host-lint: host-check
host-demo host-build host-docs host-package host-check:
	@scripts/image/setup-host $(@:host-%=%)

# The commands are described in CONTRIBUTING.md.
help:
	@sed -n '/^## Commands/,/^## /{/^    /p}' CONTRIBUTING.md
	@echo '  KERNEL=$(KERNEL)   one of:' \
		'$(shell awk '/^[^#]/ {print $$1}' scripts/image/kernels.conf)'
	@echo '  LINUX=/path/to/source  instead of KERNEL, for demo, selftest, kunit and bench:'
	@echo '                     a kernel that is built from there;'
	@echo '                     CONFIG=4k-pages,debug: more fragments of scripts/image/configs,'
	@echo '                     or files *.config'
	@echo '  MACHINE=$(MACHINE) one of: powernv8 powernv9 powernv10 pseries pseries-hash'

.PHONY: module install uninstall install-dkms install-tools dist deb rpm clean hostcheck demo \
	selftest kunit bench kernels quick check clients lint docs help host-demo \
	host-build host-docs host-package host-check host-clients host-lint
