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
	{ "blk", "requests of a disk, from a driver through real rings",
	  bench_blk, true },
	{ "net", "frames of a NIC, beside DPDK's vhost and virtio-user",
	  bench_net, true },
};

#define NR_BENCHES (sizeof(benches) / sizeof(benches[0]))

/* The floor is always there. */
#define STRUCTURES                                                             \
	"pciring, linear, sorted, rbtree, btree, eytzinger,\n"                 \
	"                    stree, pagemap, mutex, rwlock\n"

static void help(FILE *out)
{
	fputs("usage: " PROGRAM " MEASUREMENT [--json] [--quick]"
	      " [OPTION VALUE]...\n\n",
	      out);
	for (size_t i = 0; i < NR_BENCHES; i++)
		fprintf(out, "  %-8s %s\n", benches[i].name, benches[i].help);
	fputs("  all      one after the other\n\n"
	      "  --json   one JSON object a line, not a table\n"
	      "  --quick  few sizes and rounds: only look if it works\n"
	      "  --help, --version\n\n"
	      "bus (LIST: with commas between, all if not given):\n"
	      "  --structure LIST  " STRUCTURES "  --layout LIST     "
	      "random, dense, host, pio\n"
	      "  --pattern LIST    uniform, zipf, hot-8, same, sequential,"
	      " miss\n"
	      "  --mode LIST       latency, throughput, batch, build, insert,"
	      " remove, move,\n"
	      "                    memory, readers\n"
	      "  --n LIST          so many ranges, up to 1048576\n"
	      "  --rounds N        of each figure, up to 31\n"
	      "  --ranges FILE     what the layout host is: START-END a line,"
	      " in hex, as in\n"
	      "                    /proc/iomem\n\n"
	      "scale:\n"
	      "  --functions N     so many only, up to 4096\n"
	      "  --machines N      that have them, up to 64\n\n"
	      "blk, net:\n"
	      "  --backend NAME    only this one: null, ram or file; null or"
	      " net_ring\n"
	      "  --ring NAME       split or packed only\n"
	      "  --rounds N        of each figure, up to 60\n\n"
	      "Exit status:\n"
	      "  0  measured\n"
	      "  1  measured, and a bound was not kept (with --quick ring, bus,"
	      " scale,\n"
	      "     blk and net do not judge)\n"
	      "  2  something could not be measured, or the command line is"
	      " wrong\n",
	      out);
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
