/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciring-bench bus: what finds a range by an address, beside its rivals
 *
 * How: for each layout and number of ranges one set, in which all structures are
 * built at once; they take turns (bus_time.h).
 */
#include "bench/bus_rivals.h"
#include "bench/bus_time.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIZES 32

struct plan {
	bool quick;
	bool layout[NR_BUS_LAYOUTS], pattern[NR_BUS_PATTERNS];
	bool mode[NR_BUS_MODES];
	bool all;		/* each mode with each pattern */
	const char *structures; /* NULL: all */
	const char *ranges;
	int other_cpu; /* than the one we are on; -1: none */
	struct bus_place *place;
	uint32_t nr_places;
	uint32_t n[MAX_SIZES + 1]; /* ends with 0 */
	unsigned int nr_n, rounds;
};

static const uint32_t full_sizes[] = { 4,     8,     64,     512,     4096,
				       32768, 65536, 262144, 1048576, 0 };
static const uint32_t quick_sizes[] = { 8, 512, 0 };
static const uint32_t pio_sizes[] = { 4, 8, 64, 512, 4096, 0 };

static bool in_list(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (list) {
		if (!strncmp(list, name, n) && (!list[n] || list[n] == ','))
			return true;
		list = strchr(list, ',');
		list += list ? 1 : 0;
	}
	return false;
}

static int usage(const char *what, const char *arg)
{
	fprintf(stderr,
		"pciring-bench: bus: %s: %s\n"
		"  --structure, --layout, --pattern, --mode LIST\n"
		"                 only these, with commas between them\n"
		"  --n LIST       only as many ranges\n"
		"  --rounds N     of each figure\n"
		"  --ranges FILE  what the layout `host' is: START-END a line,"
		" in hex;\n"
		"                 /proc/iomem is one\n",
		what, arg);
	return -EINVAL;
}

/* @list names some of @names; none that there is not. */
static int choose(bool *on, const char *const *names, int nr, const char *list)
{
	unsigned int found = 0, wanted = 1;

	for (const char *c = list; *c; c++)
		wanted += *c == ',';
	for (int i = 0; i < nr; i++) {
		on[i] = in_list(list, names[i]);
		found += on[i];
	}
	return found == wanted ? 0 : usage("no such thing", list);
}

static int parse_sizes(struct plan *p, const char *list)
{
	char *end;

	p->nr_n = 0;
	do {
		unsigned long n = strtoul(list, &end, 0);

		if (end == list || (*end && *end != ',') || n < 1 ||
		    n > BUS_MAX_RANGES || p->nr_n == MAX_SIZES)
			return usage("not a number of ranges", list);
		p->n[p->nr_n++] = (uint32_t)n;
		list = end + 1;
	} while (*end);
	return 0;
}

static int parse(struct plan *p, const char *arg, const char *value)
{
	if (!value)
		return usage("wants a value", arg);
	if (!strcmp(arg, "--structure")) {
		p->structures = value;
		return 0;
	}
	if (!strcmp(arg, "--layout"))
		return choose(p->layout, bus_layout_name, NR_BUS_LAYOUTS,
			      value);
	if (!strcmp(arg, "--pattern")) {
		p->all = true;
		return choose(p->pattern, bus_pattern_name, NR_BUS_PATTERNS,
			      value);
	}
	if (!strcmp(arg, "--mode"))
		return choose(p->mode, bus_mode_name, NR_BUS_MODES, value);
	if (!strcmp(arg, "--n"))
		return parse_sizes(p, value);
	if (!strcmp(arg, "--ranges")) {
		p->ranges = value;
		return 0;
	}
	if (strcmp(arg, "--rounds") != 0)
		return usage("unexpected argument", arg);
	p->rounds = (unsigned int)strtoul(value, NULL, 0);
	return p->rounds >= 1 && p->rounds <= BUS_MAX_ROUNDS
		       ? 0
		       : usage("1 to 31 rounds", value);
}

static void add_subjects(struct bus_rig *rig, const struct plan *p)
{
	for (size_t i = 0; bus_structures[i]; i++) {
		const struct bus_structure *what = bus_structures[i];

		if (rig->set.n > what->max ||
		    (!what->is_floor && p->structures &&
		     !in_list(p->structures, what->name)))
			continue;
		if (what->is_floor && rig->set.layout == BUS_PIO)
			what = &bus_floor_pio;
		rig->subject[rig->nr++].what = what;
	}
}

static int measure(const struct plan *p, struct bus_rig *rig,
		   enum bus_layout layout, uint32_t n)
{
	bool independent[NR_BUS_MODES] = { 0 };
	int err;

	err = bus_set_init(&rig->set, layout, n, p->place, p->nr_places);
	if (err) {
		fprintf(stderr, "pciring-bench: bus: %u ranges, %s: %s\n", n,
			bus_layout_name[layout], strerror(-err));
		return err;
	}
	add_subjects(rig, p);
	err = bus_rig_init(rig);
	independent[BUS_MODE_LATENCY] = p->mode[BUS_MODE_LATENCY];
	for (int i = 0; i < NR_BUS_PATTERNS && !err; i++)
		if (p->pattern[i])
			err = bus_rig_lookups(rig, (enum bus_pattern)i,
					      p->all || i == BUS_UNIFORM
						      ? p->mode
						      : independent);
	if (!err && p->mode[BUS_MODE_READERS])
		err = bus_rig_readers(rig);
	if (!err)
		err = bus_rig_changes(rig, p->mode);
	bus_rig_fini(rig);
	bus_set_fini(&rig->set);
	return err;
}

static const uint32_t *sizes_of(const struct plan *p, int layout)
{
	if (p->nr_n)
		return p->n;
	if (p->quick)
		return quick_sizes;
	return layout == BUS_PIO ? pio_sizes : full_sizes;
}

static int run(const struct plan *p, struct bus_report *report)
{
	struct bus_rig *rig = malloc(sizeof(*rig));
	double ns_per_tick = bench_ns_per_tick();
	int err = rig ? 0 : -ENOMEM;

	for (int i = 0; i < NR_BUS_LAYOUTS; i++) {
		if (!p->layout[i])
			continue;
		for (const uint32_t *n = sizes_of(p, i); *n && !err; n++) {
			if (i == BUS_PIO && *n > 4096)
				continue;
			*rig = (struct bus_rig){
				.report = report,
				.rounds = p->rounds,
				.ns_per_tick = ns_per_tick,
				.other_cpu = p->other_cpu,
				.quick = p->quick,
			};
			err = measure(p, rig, (enum bus_layout)i, *n);
			bus_report_step(report);
		}
	}
	free(rig);
	return err;
}

/* Which other CPU we might have had; -1: none. */
static int pin(void)
{
	int cpu = sched_getcpu(), other;
	cpu_set_t set;

	cpu = cpu < 0 ? 0 : cpu;
	sched_getaffinity(0, sizeof(set), &set);
	for (other = CPU_SETSIZE - 1; other >= 0; other--)
		if (other != cpu && CPU_ISSET((unsigned int)other, &set))
			break;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	return other;
}

static unsigned int steps(const struct plan *p)
{
	unsigned int n = 0;

	for (int i = 0; i < NR_BUS_LAYOUTS; i++)
		for (const uint32_t *s = sizes_of(p, i); p->layout[i] && *s;
		     s++)
			n++;
	return n;
}

static void defaults(struct plan *p, const struct bench_options *o)
{
	*p = (struct plan){ .quick = o->quick, .rounds = o->quick ? 2 : 7 };
	for (int i = 0; i < NR_BUS_LAYOUTS; i++)
		p->layout[i] = true;
	for (int i = 0; i < NR_BUS_PATTERNS; i++)
		p->pattern[i] = !o->quick || i == BUS_UNIFORM ||
				i == BUS_HOT8 || i == BUS_MISS;
	for (int i = 0; i < NR_BUS_MODES; i++)
		p->mode[i] = true;
}

int bench_bus(const struct bench_options *o)
{
	struct bus_report report;
	struct plan p;
	unsigned int missed = 0, line = 0;
	int err = 0;

	defaults(&p, o);
	for (char **arg = o->args; *arg && !err; arg += 2) {
		err = parse(&p, arg[0], arg[1]);
		if (!arg[1])
			break;
	}
	if (err)
		return 2;
	err = bus_places_read(p.ranges, &p.place, &line);
	if (err < 0) {
		fprintf(stderr, "pciring-bench: bus: %s:%u: %s\n",
			p.ranges ? p.ranges : "host", line, strerror(-err));
		return 2;
	}
	p.nr_places = (uint32_t)err;
	p.other_cpu = pin();
	bus_structures_init();
	bus_report_init(&report, o->json, steps(&p));
	err = run(&p, &report);
	if (!err && !o->json)
		bus_report_tables(&report);
	if (!err && !o->quick)
		missed = bus_judge(&report);
	bus_report_fini(&report);
	free(p.place);
	if (err)
		return 2;
	return missed ? 1 : 0;
}
