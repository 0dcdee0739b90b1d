# SPDX-License-Identifier: BSD-3-Clause
#
# Adding a file edits no list: sources are found by folder.  A file X_test.c is
# a test program of its own; apps/*/main.c and bench/main.c are the programs.
#
#   SAN=address,undefined | SAN=thread   build and test with sanitizers, beside
#                                        the ordinary build
#   SECONDS=30   how long each fuzzer runs     SEED=N   and where it begins
#   FULL=1       bench: every size, more rounds
#   YES=1        deps: do not ask       V=1   show the commands

VERSION := 0.1.0
PREFIX  ?= /usr/local
SECONDS ?= 30
comma   := ,
B       := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
CC      = gcc
MAKEFLAGS += --no-print-directory
AR      = ar

# The one list of Debian packages: what a build needs, the demo, the tests.
DEPS_BUILD := gcc libc6-dev make pkg-config libdpdk-dev libpciaccess-dev \
	libcmocka-dev libjansson-dev liburing-dev
DEPS_DEMO  := jq cpio util-linux debian-archive-keyring e2fsprogs iproute2 \
	syslinux mtools
DEPS_TEST  := g++ clang clang-format clang-tidy libclang-rt-14-dev cppcheck \
	shellcheck python3 gnuplot-nox spin groff-base strace

# Only what needs no compiler may run before the packages are there.
ifneq ($(filter-out deps demo test soak clean help,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists libdpdk jansson pciaccess cmocka liburing && echo y),y)
$(error packages are missing: run `make deps' first)
endif
endif

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wpointer-arith -Wundef -Werror
# Debian's DPDK asks for -march=corei7; its headers are not ours to warn about.
DPDK   := $(patsubst -I%,-isystem%,$(filter-out -march=%,\
	$(shell pkg-config --cflags libdpdk 2>/dev/null)))
EAL    := -Wl,--as-needed $(patsubst %,-lrte_%,ethdev bus_vdev gso net mbuf \
	mempool rcu eal ring telemetry kvargs) -luring
# gcc's thread sanitizer does not model fences and says so at each of them.
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer $(if $(findstring thread,$(SAN)),-Wno-tsan))
BASE   := -std=gnu11 -O2 -g -march=x86-64-v2 -fPIC -fno-semantic-interposition \
	$(WARN) $(SANITIZE) -I. -D_GNU_SOURCE -DPCIRING_VERSION='"$(VERSION)"'
ALL_CFLAGS = $(BASE) -DRTE_USE_C11_MEM_MODEL $(DPDK) $(CFLAGS)
say    = $(if $(V),,@echo '  $(1)  $(2)' >&2; )
LINK   = $(call say,LD,$@)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ -Wl,--start-group \
	$(filter %.o %.a,$^) -Wl,--end-group

tests   := $(sort $(wildcard $(patsubst %,%/*_test.c,ring irq transport/* \
	apps/* bench tests/*)))
product  = $(filter-out $(tests) %/main.c tests/fuzz/fuzz_%,\
	$(sort $(wildcard $(1:%=%/*.c))))
obj      = $(1:%.c=$B/obj/%.o)
test_bin = $(foreach t,$(1:%.c=%),$B/tests/$(subst /,_,$t))
TESTS   := $(call test_bin,$(tests))
EXAMPLES := $(patsubst %.c,$B/%,$(wildcard docs/example*.c))
SOURCES := $(sort $(wildcard $(foreach d,ring irq transport/* apps/* bench \
	tests/* docs,$d/*.c $d/*.h)))

all: ## build the libraries and the programs (the default)
.PHONY: all deps demo test check lint fuzz fuzzers soak test-kvm bench install \
	clean help format tests
.DELETE_ON_ERROR:
.SECONDARY:

$B/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell test -d $B/obj && find $B/obj -name '*.d')

# archive(name, folders): everything in the folders but tests and main().  The
# folders themselves count too: a file that went away leaves the archive.
define archive
$B/lib/$(1).a: $$(call obj,$$(call product,$(2))) $$(wildcard $(2:%=%/.))
endef
$B/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)$(AR) qcs $@ $(filter %.o,$^)

# program(name, folder, archives, libraries): one main.c and its neighbours
define program
$(call archive,$(1),$(2))
$(call test_bin,$(wildcard $(2)/*_test.c)): $B/lib/$(1).a
ifneq ($(wildcard $(2)/main.c),)
all: $B/bin/$(1)
$B/bin/$(1): $$(call obj,$(2)/main.c) $B/lib/$(1).a $(3:%=$B/lib/%.a)
	@mkdir -p $$(@D)
	$$(LINK) $(4)
endif
endef

CORE := libpciring-core
$(eval $(call archive,$(CORE),ring irq transport/*))
$(eval $(call archive,ring,ring))
$(eval $(call archive,guest,tests/guest tests/flow))
$(eval $(call program,pciringd,apps/pciringd,$(CORE),$(EAL) -ljansson -lpthread))
$(eval $(call program,pciring-vfio-user,apps/vfio-user,ring,-ljansson -lpthread))
$(eval $(call program,pciringctl,apps/ctl,ring,-ljansson))
$(eval $(call program,pciring-probe,apps/probe,ring,-lpciaccess))
$(eval $(call program,pciring-bench,bench,$(CORE),$(EAL) -lpthread))
apps := pciringd pciring-vfio-user pciringctl

# What a VMM links: one object of what the calls need, in which only pciring_*
# is visible, and no symbol is left to DPDK.  Its asserts, which the tests of
# the same sources keep, are out: nothing in it can end somebody else's process.
$B/obj/lib/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -DNDEBUG -ffunction-sections \
		-fdata-sections -MMD -MP -c -o $@ $<
$B/lib/libpciring.o: $(call obj,$(addprefix lib/,$(call product,ring)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -r -nostdlib -o $@ $^ $(if $(SAN),,-Wl,--gc-sections \
		$$(nm $^ | sed -n 's/.* T pciring_/-Wl,-u,pciring_/p'))
	@objcopy --wildcard --keep-global-symbol='pciring_*' $(if $(SAN),,\
		--strip-unneeded-symbol='!pciring_*' --strip-unneeded-symbol='*') $@
$B/lib/libpciring.a: $B/lib/libpciring.o
$B/lib/libpciring.so: $B/lib/libpciring.o
	@echo 'PCIRING_0 { global: pciring_*; local: *; };' >$B/lib/libpciring.map
	$(call say,LD,$@)$(CC) $(SANITIZE) $(LDFLAGS) -shared -o $@ $^ -lpthread \
		-Wl,-soname,libpciring.so.0 -Wl,-z,defs \
		-Wl,--version-script,$B/lib/libpciring.map
	@ln -sf libpciring.so $B/lib/libpciring.so.0
ifneq ($(wildcard ring/*.c),)
all: $B/lib/libpciring.so $B/lib/libpciring.a $B/lib/$(CORE).a
endif

define test_program
$(call test_bin,$(1)): $(call obj,$(1)) $B/lib/guest.a $B/lib/$(CORE).a
	@mkdir -p $$(@D)
	$$(LINK) $(EAL) -lcmocka -ljansson -lpciaccess -lpthread
endef
$(foreach t,$(tests),$(eval $(call test_program,$t)))
$(call test_bin,$(wildcard tests/flow/*_test.c)): $(apps:%=$B/lib/%.a)
tests: $(TESTS)

# The public header has to do without DPDK, as in anybody's program.
$B/docs/%: docs/%.c $B/lib/libpciring.a Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(BASE) -MMD -MP -Iring -o $@ $< $B/lib/libpciring.a -lpthread

deps: ## install the Debian packages that are missing
	@tests/setup/deps $(DEPS_BUILD) $(DEPS_DEMO) $(DEPS_TEST)

demo: ## boot a stock guest in a stock QEMU on a pciring device
	@tests/setup/deps $(DEPS_BUILD) $(DEPS_DEMO)
	@+$(MAKE) -j$(shell nproc) all
	@tests/guest/demo
	@tests/guest/intx
	@tests/guest/devices

# Address layout randomisation of some kernels is too wild for gcc 12's TSan.
calm := $(if $(findstring thread,$(SAN)),$(shell setarch -R true 2>/dev/null && \
	echo setarch -R))
check: export PCIRING_BUILD = $(CURDIR)/$B
check: export PCIRING_BIN = $(CURDIR)/$B/bin
check: export UBSAN_OPTIONS = print_stacktrace=1
check: all tests $(EXAMPLES) ## unit and flow tests [SAN=address,undefined|thread]
	@$(calm) tests/run -j 2 -t $(if $(SAN),240,300) \
		$(if $(SAN),,$(wildcard tests/*/*_test.sh)) $(TESTS)

# For what is no child of this make: a jobserver of its own, no folder names.
quiet_j := -j$(shell nproc) --no-print-directory
test: ## everything: check, sanitizers, lint, fuzzers, guests in QEMU
	@tests/setup/deps $(DEPS_BUILD) $(DEPS_DEMO) $(DEPS_TEST)
	@MAKEFLAGS='$(quiet_j)' PCIRING_TEST_FULL=1 tests/run -v -t 1800 \
		'tests/setup/hugepages 32 make check' \
		'tests/setup/hugepages 32 make check SAN=address,undefined' \
		'tests/setup/hugepages 32 make check SAN=thread' \
		'make lint' 'make fuzz SECONDS=10 SEED=1' tests/model/run \
		$(addprefix tests/guest/,demo intx blk devices silent \
		hugepages kill-vmm cloud-hypervisor)

lint: export LINT_CFLAGS = $(filter-out -Werror -f%,$(ALL_CFLAGS))
lint: ## format, layers, headers, clang-tidy ... [CHECKS='format tidy']
	-@$(MAKE) -s $B/lib/libpciring.so
	@tests/lint/run $(CHECKS)

fuzz: ## run each fuzzer for a while [SECONDS=30]
	@+$(MAKE) fuzzers B=build/fuzz CC=clang SANITIZE='$(\
		)-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
	@SEED=$(SEED) tests/fuzz/run $(SECONDS) $(FUZZERS:$B/%=build/fuzz/%)

FUZZERS := $(patsubst tests/fuzz/%.c,$B/bin/%,$(wildcard tests/fuzz/fuzz_*.c))
$(eval $(call archive,fuzz,tests/fuzz))
fuzzers: $(FUZZERS)
	@:
$(FUZZERS): $B/bin/%: $B/obj/tests/fuzz/%.o $B/lib/fuzz.a $B/lib/guest.a \
		$(apps:%=$B/lib/%.a) $B/lib/$(CORE).a
	@mkdir -p $(@D)
	$(LINK) -fsanitize=fuzzer $(EAL) -ljansson -lpthread

soak: ## fuzzers and hostile peers for ten minutes each, VMMs killed ten times
	@tests/setup/deps $(DEPS_BUILD) $(DEPS_DEMO) $(DEPS_TEST)
	@MAKEFLAGS='$(quiet_j)' tests/run -v -t 7200 \
		'make all fuzz SECONDS=600' 'make tests && PCIRING_HOSTILE_SECONDS=$(\
		)600 build/tests/tests_flow_service_hostile_test' $(foreach i,1 2 3 4 5 6 7 8 9 10,\
		$(wildcard tests/guest/kill-vmm))

test-kvm: all tests ## what needs /dev/kvm: our sink in it, Cloud Hypervisor
	@echo "the reference VMM and its tests are not in this tree"
	@tests/run -p -v -t 600 $(foreach t,$(TESTS),$(if \
		$(findstring kvm,$t),$t)) tests/guest/cloud-hypervisor

bench: all ## measure, write build/bench/report.html [FULL=1: takes longer]
	@bench/report_run $(if $(FULL),--full) $B/bin $B/bench

install: to = $(DESTDIR)$(PREFIX)
install: all ## copy programs, libraries and pages to DESTDIR and PREFIX
	install -d $(addprefix $(to)/,bin include lib/pkgconfig share/man/man3)
	install $(wildcard $B/bin/pciring*) $(to)/bin
	install -m 644 ring/pciring.h $(to)/include
	install -m 644 $B/lib/libpciring.a $(to)/lib
	install -m 755 $B/lib/libpciring.so $(to)/lib/libpciring.so.0
	ln -sf libpciring.so.0 $(to)/lib/libpciring.so
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(VERSION),' docs/pciring.pc.in \
		>$(to)/lib/pkgconfig/pciring.pc
	docs/man/install $(to)/share/man/man3

format: ## let clang-format settle spacing
	clang-format -i $(SOURCES)

clean: ## remove what was built (the guest's downloads in build/cache stay)
	rm -rf $(filter-out build/cache,$(wildcard build/*))

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | \
		expand -t 12
