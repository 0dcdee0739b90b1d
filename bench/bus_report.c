/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_COLUMNS 16
#define BAR_WIDTH   40

void bus_report_init(struct bus_report *r, bool json, unsigned int total)
{
	*r = (struct bus_report){ .json = json, .total = total };
	bench_cpu_name(r->cpu, sizeof(r->cpu));
}

void bus_report_fini(struct bus_report *r)
{
	free(r->figure);
}

static void print_json(const struct bus_report *r, const struct bus_figure *f)
{
	printf("{\"bench\":\"bus\",\"structure\":\"%s\",\"n\":%u,"
	       "\"layout\":\"%s\",\"pattern\":\"%s\",\"mode\":\"%s\",",
	       f->structure, f->n, f->layout, f->pattern, f->mode);
	if (isnan(f->ns))
		printf("\"ns\":null,\"bytes\":%.2f,", f->bytes);
	else
		printf("\"ns\":%.3f,", f->ns);
	if (f->hot > 0)
		printf("\"ratio_floor8\":%.4f,", f->hot);
	if (f->changes > 0)
		printf("\"changes_s\":%.0f,", f->changes);
	printf("\"ratio\":%.4f,\"cpu\":\"%s\"}\n", f->ratio, r->cpu);
	fflush(stdout);
}

void bus_report_add(struct bus_report *r, const struct bus_figure *f)
{
	struct bus_figure *more;

	if (r->json)
		print_json(r, f);
	if (r->nr == r->room) {
		r->room = r->room ? 2 * r->room : 256;
		more = realloc(r->figure, r->room * sizeof(*more));
		if (!more) {
			fputs("pciring-bench: out of memory\n", stderr);
			exit(2);
		}
		r->figure = more;
	}
	r->figure[r->nr++] = *f;
}

void bus_report_step(struct bus_report *r)
{
	unsigned int full;

	r->done++;
	if (!isatty(STDERR_FILENO))
		return;
	full = r->done < r->total ? r->done * BAR_WIDTH / r->total : BAR_WIDTH;
	fprintf(stderr, "\r[%.*s%*s] %u/%u", (int)full,
		"########################################",
		(int)(BAR_WIDTH - full), "", r->done, r->total);
	if (r->done >= r->total)
		fprintf(stderr, "\r%*s\r", BAR_WIDTH + 20, "");
}

static bool one_table(const struct bus_figure *a, const struct bus_figure *b)
{
	return !strcmp(a->layout, b->layout) &&
	       !strcmp(a->pattern, b->pattern) && !strcmp(a->mode, b->mode);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int columns(const struct bus_report *r, unsigned int first, uint32_t *n)
{
	int nr = 0, j;

	for (unsigned int i = first; i < r->nr; i++) {
		const struct bus_figure *f = &r->figure[i];

		if (!one_table(f, &r->figure[first]))
			continue;
		for (j = 0; j < nr && n[j] != f->n; j++)
			;
		if (j == nr && nr < MAX_COLUMNS)
			n[nr++] = f->n;
	}
	qsort(n, (size_t)nr, sizeof(*n), by_value);
	return nr;
}

static void row(const struct bus_report *r, unsigned int first,
		const char *name, const uint32_t *n, int nr)
{
	printf("  %-13s", name);
	for (int j = 0; j < nr; j++) {
		const struct bus_figure *found = NULL;

		for (unsigned int i = first; i < r->nr; i++) {
			const struct bus_figure *f = &r->figure[i];

			if (one_table(f, &r->figure[first]) && f->n == n[j] &&
			    !strcmp(f->structure, name))
				found = f;
		}
		if (!found)
			printf(" %15s", "-");
		else
			printf(" %9.*f %5.*f", found->ns < 10000 ? 1 : 0,
			       isnan(found->ns) ? found->bytes : found->ns,
			       found->ratio < 100 ? 2 : 0, found->ratio);
	}
	printf("\n");
}

static bool is_first(const struct bus_report *r, unsigned int at,
		     unsigned int begin, bool structure)
{
	for (unsigned int i = begin; i < at; i++)
		if (one_table(&r->figure[i], &r->figure[at]) &&
		    (!structure ||
		     !strcmp(r->figure[i].structure, r->figure[at].structure)))
			return false;
	return true;
}

void bus_report_tables(const struct bus_report *r)
{
	uint32_t n[MAX_COLUMNS];
	int nr;

	printf("%s; ns, and the ratio to the floor\n", r->cpu);
	for (unsigned int i = 0; i < r->nr; i++) {
		const struct bus_figure *f = &r->figure[i];

		if (!is_first(r, i, 0, false))
			continue;
		nr = columns(r, i, n);
		printf("\n%s: %s, %s%s\n  %-13s", f->mode, f->layout,
		       f->pattern,
		       isnan(f->ns) ? " (bytes a range, all told)" : "",
		       "ranges");
		for (int j = 0; j < nr; j++)
			printf(" %9u %5s", n[j], "");
		printf("\n");
		for (unsigned int k = i; k < r->nr; k++)
			if (one_table(&r->figure[k], f) &&
			    is_first(r, k, i, true))
				row(r, i, r->figure[k].structure, n, nr);
	}
}
