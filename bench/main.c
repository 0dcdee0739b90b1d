/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciring-bench: figures, each beside those of a rival
 *
 * How: a table of measurements, each of which is a file of this folder.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

#define PROGRAM "pciring-bench"

static const struct {
	const char *name;
	const char *help;
	int (*run)(const struct bench_options *o);
	bool has_options; /* of its own */
} benches[] = {
	{ "proxy", "an access through the vfio-user proxy, a bare socket",
	  bench_proxy, false },
	{ "irq", "each stage of the interrupt cascade, into each sink",
	  bench_irq, false },
	{ "ring", "an access and a message between two cores, beside rivals",
	  bench_ring, false },
	{ "bus", "what finds a range by an address, beside its rivals",
	  bench_bus, true },
	{ "scale", "thousands of functions of many machines, in one service",
	  bench_scale, true },
};

#define NR_BENCHES (sizeof(benches) / sizeof(benches[0]))

static void help(FILE *out)
{
	fprintf(out, "usage: " PROGRAM " MEASUREMENT [--json] [--quick]"
		     " [OPTION VALUE]...\n\n");
	for (size_t i = 0; i < NR_BENCHES; i++)
		fprintf(out, "  %-8s %s\n", benches[i].name, benches[i].help);
	fprintf(out,
		"  %-8s all of them\n\n"
		"  --json   one JSON object a line\n"
		"  --quick  only look if it works\n"
		"  --structure, --layout, --pattern, --mode, --n LIST\n"
		"           bus: only these, or so many ranges\n"
		"  --rounds N, --ranges FILE\n"
		"           bus: of each figure; what the layout of a host"
		" is\n"
		"  --functions N, --machines N\n"
		"           scale: only so many, of up to 4096 and 64\n"
		"  --help, --version\n\n"
		"Exits with 1 if a bound that a measurement has is not"
		" kept (ring, bus, scale: not\njudged with --quick), with 2 if "
		"something "
		"could not be"
		" measured.\n",
		"all");
}

static int usage(const char *what)
{
	fprintf(stderr, PROGRAM ": %s (--help tells more)\n", what);
	return 2;
}

/* A measurement pins itself; the next one finds the CPUs that were there. */
static int run(const char *name, const struct bench_options *o)
{
	bool all = !strcmp(name, "all"), found = false;
	cpu_set_t cpus;
	int code = 0, got;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (size_t i = 0; i < NR_BENCHES; i++) {
		if (!all && strcmp(name, benches[i].name) != 0)
			continue;
		if (o->args[0] && !benches[i].has_options)
			return usage("unexpected argument");
		found = true;
		got = benches[i].run(o);
		if (got > code)
			code = got;
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	return found ? code : usage("no such measurement");
}

int main(int argc, char **argv)
{
	/* They take the place of what was looked at. */
	char **own = argv + 1;
	struct bench_options o = { .args = own };
	const char *name = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help")) {
			help(stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--version")) {
			puts(PROGRAM " " PCIRING_VERSION);
			return 0;
		}
		if (!strcmp(argv[i], "--json"))
			o.json = true;
		else if (!strcmp(argv[i], "--quick"))
			o.quick = true;
		else if (argv[i][0] != '-' && !name)
			name = argv[i];
		else if (argv[i][0] != '-' || !name)
			return usage("unexpected argument");
		else {
			/* An option of the measurement's own, and its value. */
			*own++ = argv[i++];
			if (i < argc)
				*own++ = argv[i];
		}
	}
	*own = NULL;
	return name ? run(name, &o) : usage("which measurement?");
}
