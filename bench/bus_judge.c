/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The targets of the bus.
 *
 * How: each looks through all figures for those that it is about; what was not
 * measured is not judged.
 */
#include "bench/bus_report.h"

#include <stdio.h>
#include <string.h>

struct judge {
	const struct bus_report *r;
	unsigned int missed;
};

static const struct bus_figure *find(const struct bus_report *r,
				     const struct bus_figure *like)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		const struct bus_figure *f = &r->figure[i];

		if (f->n == like->n && !strcmp(f->structure, like->structure) &&
		    !strcmp(f->layout, like->layout) &&
		    !strcmp(f->pattern, like->pattern) &&
		    !strcmp(f->mode, like->mode))
			return f;
	}
	return NULL;
}

static void at_most(struct judge *j, const struct bus_figure *f,
		    const char *what, double value, double bound)
{
	if (value <= bound)
		return;
	j->missed++;
	if (j->r->json)
		return;
	fprintf(stderr,
		"pciring-bench: bus: missed: %s of %s, %s, %s, %u ranges:"
		" %.3g, at most %.3g wanted\n",
		what, f->mode, f->layout, f->pattern, f->n, value, bound);
}

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

static double ratio_bound(uint32_t n)
{
	if (n <= 512)
		return 1.75;
	if (n <= 4096)
		return 2.1;
	return n <= 262144 ? 2 : 1.2;
}

static void latency(struct judge *j, const struct bus_figure *f)
{
	struct bus_figure hits = *f;
	const struct bus_figure *of;

	if (is(f->pattern, "uniform") &&
	    (is(f->layout, "random") || is(f->layout, "dense")))
		at_most(j, f, "ratio", f->ratio, ratio_bound(f->n));
	if (is(f->pattern, "uniform") && is(f->layout, "pio"))
		at_most(j, f, "ratio to one load", f->ratio, 1.75);
	if (is(f->pattern, "hot-8") && f->hot > 0)
		at_most(j, f, "ratio to a floor of 8", f->hot, 2);
	hits.pattern = "uniform";
	of = find(j->r, &hits);
	if (is(f->pattern, "miss") && of)
		at_most(j, f, "ns", f->ns, of->ns);
}

static void batch(struct judge *j, const struct bus_figure *f)
{
	struct bus_figure floor = *f;
	const struct bus_figure *of;

	floor.structure = "floor";
	floor.mode = "latency";
	of = find(j->r, &floor);
	if (of && f->n >= 1048576 && is(f->pattern, "uniform") &&
	    !is(f->layout, "host"))
		at_most(j, f, "part of the dependent floor", f->ns / of->ns,
			0.2);
}

unsigned int bus_judge(const struct bus_report *r)
{
	struct judge j = { .r = r };

	for (unsigned int i = 0; i < r->nr; i++) {
		const struct bus_figure *f = &r->figure[i];

		if (!is(f->structure, "pciring"))
			continue;
		if (is(f->mode, "latency"))
			latency(&j, f);
		else if (is(f->mode, "batch"))
			batch(&j, f);
		else if (is(f->mode, "build") && f->n == 65536)
			at_most(&j, f, "ms", f->ns / 1e6, 15);
		else if (is(f->mode, "insert") || is(f->mode, "remove") ||
			 is(f->mode, "move"))
			at_most(&j, f, "ns", f->ns, 200);
		else if (is(f->mode, "memory") && f->n >= 512 &&
			 !is(f->layout, "pio"))
			at_most(&j, f, "bytes a range", f->bytes, 64);
	}
	return j.missed;
}
