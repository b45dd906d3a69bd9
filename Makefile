# postern: `make` builds, `make check` tests, `make demo` shows. See README.md.
#
#   make SAN=address,undefined   sanitizer build in build/address,undefined
#   make SAN=thread              likewise
#   make BUILD=DIR               build somewhere else
#   make install DESTDIR= PREFIX=/usr

.DEFAULT_GOAL := all
# One short line per step; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(or $(V),$(findstring s,$(firstword -$(MAKEFLAGS)))),,@printf '%-4s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))
ifneq ($(filter-out clean distclean install-deps,$(or $(MAKECMDGOALS),all)),)
-include config.mk
endif

SAN ?=
BUILD ?= build/$(if $(SAN),$(SAN),normal)
PREFIX := $(if $(filter NONE,$(PREFIX)),/usr,$(or $(PREFIX),/usr))
LIBEXECDIR ?= $(PREFIX)/libexec/postern
SYSCONFDIR ?= /etc
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/postern
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla
ifeq ($(SAN),)
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection
SANFLAGS :=
else
HARDENING :=
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
# Compiled in half the time that -O2 -g takes; a report has its file and line all the same. With so little optimization gcc guesses what
# snprintf() may truncate; the normal build knows.
PLAIN = -O1 -g1 $(GUESSES)
endif
GUESSES := -Wno-unknown-warning-option -Wno-format-truncation
# The tests themselves are run once or twice; with a sanitizer they are not even optimized.
$(BUILD)/tests/unit/%.o: PLAIN = $(if $(SAN),-O0,-O1) -g1 $(GUESSES)
ALL_CFLAGS = -std=c11 -fPIE -pthread $(WARNINGS) $(HARDENING) $(SANFLAGS) $(CFLAGS) $(PLAIN)
ALL_CPPFLAGS = -I. -DHAVE_CONFIG_H -include config.h -DPOSTERN_LIBEXECDIR='"$(LIBEXECDIR)"' -DPOSTERN_SBINDIR='"$(PREFIX)/sbin"' -DPOSTERN_SYSCONFDIR='"$(SYSCONFDIR)/postern"' $(CPPFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)

# Each folder is an archive; a program is its main.o plus the archives it may use (tests/check_layers.sh).
FOLDERS := lib tunnel dns transport edge doctor ctl milter
folder_objects = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(1)/main.c,$(sort $(wildcard $(1)/*.c))))
$(foreach f,$(FOLDERS),$(eval $(f)_ARCHIVE := $(BUILD)/$(f)/lib$(f).a))
$(foreach f,$(FOLDERS),$(eval $(f)_OBJECTS := $(call folder_objects,$(f))))

lib_CFLAGS = $(CONFIG_CFLAGS)
tunnel_CFLAGS = $(SODIUM_CFLAGS)
transport_CFLAGS =
dns_CFLAGS = $(LDNS_CFLAGS)
edge_CFLAGS = $(OPENSSL_CFLAGS) $(IDN2_CFLAGS) $(SECCOMP_CFLAGS) $(JANSSON_CFLAGS)
doctor_CFLAGS = $(OPENSSL_CFLAGS) $(JANSSON_CFLAGS)
ctl_CFLAGS = $(SODIUM_CFLAGS) $(JANSSON_CFLAGS) $(ZLIB_CFLAGS)
milter_CFLAGS = $(MILTER_CFLAGS) $(CDB_CFLAGS) $(IDN2_CFLAGS)

# A program of its own in a subfolder: what the edge must not have in its process.
sts_fetch_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard edge/sts_fetch/*.c)))
$(sts_fetch_OBJECTS): edge_CFLAGS = $(CURL_CFLAGS) $(OPENSSL_CFLAGS)

transport_LIBS = $(tunnel_ARCHIVE) $(lib_ARCHIVE) $(SODIUM_LIBS) $(CONFIG_LIBS)
edge_LIBS = $(doctor_ARCHIVE) $(dns_ARCHIVE) $(tunnel_ARCHIVE) $(lib_ARCHIVE) $(LDNS_LIBS) $(OPENSSL_LIBS) $(IDN2_LIBS) $(SECCOMP_LIBS) $(SODIUM_LIBS) $(CONFIG_LIBS) $(JANSSON_LIBS)
ctl_LIBS = $(doctor_ARCHIVE) $(dns_ARCHIVE) $(transport_ARCHIVE) $(tunnel_ARCHIVE) $(lib_ARCHIVE) $(LDNS_LIBS) $(OPENSSL_LIBS) $(SODIUM_LIBS) $(CONFIG_LIBS) \
	$(JANSSON_LIBS) $(ZLIB_LIBS)
milter_LIBS = $(lib_ARCHIVE) $(MILTER_LIBS) $(CDB_LIBS) $(IDN2_LIBS) $(CONFIG_LIBS)

# What a test may use.
ALL_ARCHIVES_AND_LIBS = $(ctl_ARCHIVE) $(doctor_ARCHIVE) $(transport_ARCHIVE) $(milter_ARCHIVE) $(edge_ARCHIVE) $(edge_LIBS) $(JANSSON_LIBS) $(ZLIB_LIBS) \
	$(MILTER_LIBS) $(CDB_LIBS)

PROGRAMS := $(BUILD)/postern-transport $(BUILD)/postern-edge $(BUILD)/postern-sts-fetch $(BUILD)/postern-milter $(BUILD)/postern

.PHONY: all check check-unit check-docs check-layers check-fuzz check-packages deb fuzz tls-compare bench soak bench-milter crash failover valgrind figures demo install install-files uninstall clean distclean install-deps unit-programs tool-programs fuzz-programs fuzz-coverage fuzz-coverage-programs bench-programs
all: $(PROGRAMS)

config.mk: config.mk.in configure.ac
	@command -v autoconf >/dev/null || { echo "autoconf is missing: run scripts/install-deps build" >&2; exit 1; }
	autoheader && autoconf
	./configure --quiet --prefix=/usr
	@touch config.mk

$(BUILD)/%.o: %.c config.mk Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) $($(firstword $(subst /, ,$*))_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define archive_rule
$($(1)_ARCHIVE): $($(1)_OBJECTS)
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call archive_rule,$(f))))

$(BUILD)/postern-transport: $(BUILD)/transport/main.o $(transport_ARCHIVE) $(tunnel_ARCHIVE) $(lib_ARCHIVE)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(transport_ARCHIVE) $(transport_LIBS)
$(BUILD)/postern-edge: $(BUILD)/edge/main.o $(edge_ARCHIVE) $(doctor_ARCHIVE) $(dns_ARCHIVE) $(tunnel_ARCHIVE) $(lib_ARCHIVE)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(edge_ARCHIVE) $(edge_LIBS)
$(BUILD)/postern-sts-fetch: $(sts_fetch_OBJECTS) $(edge_ARCHIVE) $(lib_ARCHIVE)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CURL_LIBS) $(OPENSSL_LIBS)
$(BUILD)/postern-milter: $(BUILD)/milter/main.o $(milter_ARCHIVE) $(lib_ARCHIVE)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(milter_ARCHIVE) $(milter_LIBS)
$(BUILD)/postern: $(BUILD)/ctl/main.o $(ctl_ARCHIVE) $(doctor_ARCHIVE) $(dns_ARCHIVE) $(transport_ARCHIVE) $(tunnel_ARCHIVE) $(lib_ARCHIVE)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(ctl_ARCHIVE) $(ctl_LIBS)

# postern-transport for containers whose images have other libraries, or none: build/static/postern-transport.
.PHONY: static
static:
	$(MAKE) --no-print-directory BUILD=build/static SAN= LDFLAGS="-static-pie -Wl,--no-warnings" build/static/postern-transport

# Unit tests: one program per tests/unit/test_NAME.c, linked with whatever archives it needs.
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SOURCES))
tests_CFLAGS = $(CMOCKA_CFLAGS) $(SODIUM_CFLAGS) $(LDNS_CFLAGS) $(OPENSSL_CFLAGS) $(CONFIG_CFLAGS) $(JANSSON_CFLAGS)
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(foreach f,$(FOLDERS),$($(f)_ARCHIVE))
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ALL_ARCHIVES_AND_LIBS) $(CMOCKA_LIBS)
$(BUILD)/tests/unit/test_sts_fetch: $(BUILD)/edge/sts_fetch/confinement.o
unit-programs: $(UNIT_PROGRAMS)
.SECONDARY:

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/edge/*/*.d $(BUILD)/tests/*/*.d)

install-deps:
	scripts/install-deps build

# ---- tests: check and demo install what they need, touch nothing of the machine's mail, and leave nothing behind ----

check:
	@scripts/install-deps check
	@tests/check.sh
demo:
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory -s all
	@tests/demo.sh

check-unit: $(UNIT_PROGRAMS) $(PROGRAMS)
	tests/run_unit.sh $(BUILD)
check-docs: $(PROGRAMS)
	BUILD=$(BUILD) tests/check_docs.sh
	BUILD=$(BUILD) tests/check_docs_lines.py
	tests/check_catalogue
check-layers:
	tests/check_layers.sh
check-fuzz:
	tests/run_fuzz.sh
# Debian packages of what is committed, and of nothing else, in build/deb.
deb:
	@scripts/install-deps package
	scripts/build-packages build/deb
# Packages are built, installed, run, upgraded, removed and purged in a clean Debian: tests/packages/README.md.
check-packages:
	@scripts/install-deps package
	tests/packages/run
# A long run: make fuzz [T=TARGET] [S=SECONDS], as many targets at a time as there are processors. See tests/fuzz/README.md.
fuzz:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s fuzz-programs
	tests/run_fuzz.sh -r -s $(or $(S),600) $(T)
# Does every target reach what it is for?
fuzz-coverage:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s fuzz-coverage-programs
	tests/fuzz/coverage
# DANE by postern-edge, smtp(8), posttls-finger and danetool: the table of doc/TLS.md.
tls-compare: all
	tests/lab/lab run tests/tls_compare.py
# How fast, how large, how fair: doc/BENCH.md anew, or some of its sections: make bench ONLY="drain edge". QUICK=1 only tries it.
bench:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s all bench-programs
	POSTERN_BUILD=$(CURDIR)/$(BUILD) QUICK=$(QUICK) tests/bench/run $(ONLY)
# 24,000 messages through one edge that is watched, as it is, by the thread sanitizer, and by valgrind: make soak [MESSAGES=24000].
soak:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s bench-programs BUILD=build/normal
	@$(MAKE) --no-print-directory -s all tool-programs SAN= BUILD=build/normal
	@$(MAKE) --no-print-directory -s all SAN=thread
	POSTERN_BUILD=$(CURDIR)/build/normal tests/bench/soak $(if $(MESSAGES),--messages $(MESSAGES))
	POSTERN_BUILD=$(CURDIR)/build/thread tests/bench/soak $(if $(MESSAGES),--messages $(MESSAGES))
	POSTERN_BUILD=$(CURDIR)/build/normal tests/bench/soak --valgrind $(if $(MESSAGES),--messages $(MESSAGES))
# What the milter costs: a table of doc/BENCH.md.
bench-milter: all
	tests/lab/lab run tests/bench/milter.py

# Nothing lost and nothing doubled, whatever is killed when: tests/crash/README.md.
crash:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s all tool-programs
	POSTERN_BUILD=$(CURDIR)/$(BUILD) tests/lab/lab run tests/crash/run

# Three edges that are killed one after the other and two at a time, under 5,000 messages.
failover:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s all tool-programs
	POSTERN_BUILD=$(CURDIR)/$(BUILD) tests/lab/lab run tests/failover/run

# Real deliveries under memcheck: errors, leaks, descriptors.
valgrind:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s all tool-programs
	POSTERN_BUILD=$(CURDIR)/$(BUILD) tests/lab/lab run tests/valgrind/run

# doc/FIGURES.md anew, or some of its sections: make figures ONLY="strangers canaries".
figures:
	@scripts/install-deps check
	@$(MAKE) --no-print-directory -s all tool-programs
	POSTERN_BUILD=$(CURDIR)/$(BUILD) tests/figures/run $(ONLY)

# Small programs that tests talk to: tests/tools/NAME.c.
TOOL_PROGRAMS := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(sort $(wildcard tests/tools/*.c)))
$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $(foreach f,$(FOLDERS),$($(f)_ARCHIVE))
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(ALL_ARCHIVES_AND_LIBS)
# What tests preload into a program that is otherwise as it is installed: tests/preload/NAME.c.
PRELOADS := $(patsubst tests/preload/%.c,$(BUILD)/tests/preload/%.so,$(wildcard tests/preload/*.c))
$(BUILD)/tests/preload/%.so: tests/preload/%.c config.mk Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) -std=c11 -pthread -fPIC -shared $(WARNINGS) $(CFLAGS) -MMD -MP -o $@ $<
tool-programs: $(TOOL_PROGRAMS) $(PRELOADS)

# What benchmarks need: tests/bench/NAME.c, and the parts of it that are called NAME_*.c.
BENCH_NAMES := sink load delay
BENCH_PROGRAMS := $(addprefix $(BUILD)/tests/bench/,$(BENCH_NAMES))
define bench_rule
$(BUILD)/tests/bench/$(1): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/$(1).c tests/bench/$(1)_*.c)) $(foreach f,$(FOLDERS),$($(f)_ARCHIVE))
	$$(call say,LD)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(ALL_ARCHIVES_AND_LIBS)
endef
$(foreach n,$(BENCH_NAMES),$(eval $(call bench_rule,$(n))))
bench-programs: $(BENCH_PROGRAMS)

# Fuzz targets: tests/fuzz/fuzz_NAME.c, with clang's libFuzzer, in a build of their own.
FUZZ_NAMES := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
fuzz-programs:
	$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang SAN=address,undefined CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" \
		$(addprefix build/fuzz/tests/fuzz/,$(FUZZ_NAMES))
# The same for tests/fuzz/coverage: source-based coverage in the place of sanitizers.
fuzz-coverage-programs:
	$(MAKE) --no-print-directory BUILD=build/fuzz-coverage CC=clang HARDENING= CFLAGS="-O0 -fprofile-instr-generate -fcoverage-mapping" \
		LDFLAGS=-fprofile-instr-generate $(addprefix build/fuzz-coverage/tests/fuzz/,$(FUZZ_NAMES))
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(foreach f,$(FOLDERS),$($(f)_ARCHIVE))
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(ALL_ARCHIVES_AND_LIBS)

# ---- installation ----

MAN1 := $(wildcard man/*.1)
MAN5 := $(wildcard man/*.5)
MAN7 := $(wildcard man/*.7)
MAN8 := $(wildcard man/*.8)
SYSUSERS := $(wildcard conf.examples/sysusers.d/*.conf)
TMPFILES := $(wildcard conf.examples/tmpfiles.d/*.conf)
UNITS := $(notdir $(wildcard conf.examples/systemd/*.service conf.examples/systemd/*.socket))
EXAMPLE_GROUPS := transactional sendmail exim container
EXAMPLES := $(foreach f,$(wildcard conf.examples/*),$(if $(wildcard $(f)/*),,$(f)))

install: all
	@$(MAKE) --no-print-directory install-files

# Only copies what BUILD holds: the lab installs builds that were made with other flags.
install-files:
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(UNITDIR)
	$(INSTALL) -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/examples
	test -d $(DESTDIR)$(SYSCONFDIR)/postern || $(INSTALL) -d $(DESTDIR)$(SYSCONFDIR)/postern
	$(INSTALL) -m 755 $(BUILD)/postern $(DESTDIR)$(PREFIX)/bin/postern
	$(INSTALL) -m 755 $(BUILD)/postern-edge $(DESTDIR)$(PREFIX)/sbin/postern-edge
	$(INSTALL) -m 755 $(BUILD)/postern-milter $(DESTDIR)$(PREFIX)/sbin/postern-milter
	$(INSTALL) -m 755 $(BUILD)/postern-transport $(DESTDIR)$(LIBEXECDIR)/postern-transport
	$(INSTALL) -m 755 $(BUILD)/postern-sts-fetch $(DESTDIR)$(LIBEXECDIR)/postern-sts-fetch
	$(INSTALL) -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 $(MAN5) $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 644 $(MAN7) $(DESTDIR)$(MANDIR)/man7
	$(INSTALL) -m 644 $(MAN8) $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 644 $(EXAMPLES) $(DESTDIR)$(DOCDIR)/examples
	for group in $(EXAMPLE_GROUPS); do \
		$(INSTALL) -d $(DESTDIR)$(DOCDIR)/examples/$$group && $(INSTALL) -m 644 conf.examples/$$group/* $(DESTDIR)$(DOCDIR)/examples/$$group || exit 1; \
	done
	$(INSTALL) -m 644 README.md SECURITY.md doc/*.md $(DESTDIR)$(DOCDIR)
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/monitoring
	$(INSTALL) -m 644 contrib/monitoring/* $(DESTDIR)$(DOCDIR)/monitoring
	$(INSTALL) -d $(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(TMPFILESDIR) $(DESTDIR)$(COMPLETIONDIR)
	$(INSTALL) -m 644 $(SYSUSERS) $(DESTDIR)$(SYSUSERSDIR)
	$(INSTALL) -m 644 $(TMPFILES) $(DESTDIR)$(TMPFILESDIR)
	$(INSTALL) -m 644 contrib/bash-completion/postern $(DESTDIR)$(COMPLETIONDIR)/postern
	for unit in $(UNITS); do \
		sed 's|/usr/sbin/|$(PREFIX)/sbin/|; s|/usr/libexec/postern/|$(LIBEXECDIR)/|' conf.examples/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done

# Programs and manuals go; configuration, keys and lists stay.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/postern $(DESTDIR)$(PREFIX)/sbin/postern-edge $(DESTDIR)$(PREFIX)/sbin/postern-milter $(DESTDIR)$(LIBEXECDIR)/postern-transport \
		$(DESTDIR)$(LIBEXECDIR)/postern-sts-fetch
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MAN1))) $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(MAN5)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(MAN7))) $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(MAN8)))
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS))
	rm -f $(addprefix $(DESTDIR)$(SYSUSERSDIR)/,$(notdir $(SYSUSERS))) $(addprefix $(DESTDIR)$(TMPFILESDIR)/,$(notdir $(TMPFILES)))
	rm -f $(DESTDIR)$(COMPLETIONDIR)/postern
	rm -rf $(DESTDIR)$(DOCDIR)
	-rmdir $(DESTDIR)$(LIBEXECDIR) 2>/dev/null

# The servers of the lab (build/lab) take minutes to install, so they outlive a clean.
clean:
	rm -rf $(filter-out build/lab,$(wildcard build/*))
distclean:
	rm -rf build autom4te.cache configure configure~ config.h config.h.in config.h.in~ config.log config.mk config.status
