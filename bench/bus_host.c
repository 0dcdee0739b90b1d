/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges of a real machine, from a file.
 *
 * A line is START-END, in hex, END included; what follows is not looked at, so
 * that /proc/iomem is such a file.  What contains others (a bridge's window, all
 * of which is its devices') is left out, as no bus decodes it.  `#' begins a
 * comment.
 */
#include "bench/bus_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The path is as seen from where the compiler runs. */
__asm__(".pushsection .rodata\n"
	"bus_host_begin: .incbin \"bench/ranges/host.txt\"\n"
	"bus_host_end:\n"
	".popsection\n");
extern const char bus_host_begin[], bus_host_end[];

static int parse_line(const char *line, struct bus_place *p)
{
	char *end;
	uint64_t last;

	line += strspn(line, " \t");
	if (*line == '#' || *line == '\n' || !*line)
		return 0;
	errno = 0;
	p->base = strtoull(line, &end, 16);
	if (end == line || *end != '-')
		return -EINVAL;
	line = end + 1;
	last = strtoull(line, &end, 16);
	if (end == line || errno || last < p->base ||
	    last - p->base == UINT64_MAX)
		return -EINVAL;
	p->size = last - p->base + 1;
	return 1;
}

/* Smallest ranges first at one base: what contains them comes last. */
static int by_end(const void *a, const void *b)
{
	const struct bus_place *x = a, *y = b;
	uint64_t ex = x->base + (x->size - 1), ey = y->base + (y->size - 1);

	if (ex != ey)
		return ex < ey ? -1 : 1;
	return (x->base < y->base) - (x->base > y->base);
}

/* A range that overlaps one that ends before it does contains it, or is cut by
 * it in a way that no bus has. */
static uint32_t leaves(struct bus_place *p, uint32_t n)
{
	uint32_t kept = 0;

	qsort(p, n, sizeof(*p), by_end);
	for (uint32_t i = 0; i < n; i++) {
		if (p[i].size < 4)
			continue;
		if (!kept ||
		    p[i].base > p[kept - 1].base + (p[kept - 1].size - 1))
			p[kept++] = p[i];
	}
	return kept;
}

static int read_all(FILE *f, struct bus_place **places, unsigned int *line)
{
	struct bus_place *p = NULL, *more;
	uint32_t n = 0;
	char text[256];
	int err = 0;

	for (*line = 1; fgets(text, sizeof(text), f); ++*line) {
		if (!(n & (n - 1))) {
			more = realloc(p, (n ? 2 * n : 1) * sizeof(*p));
			err = more ? 0 : -ENOMEM;
			p = more ? more : p;
		}
		if (!err)
			err = parse_line(text, &p[n]);
		if (err < 0) {
			free(p);
			return err;
		}
		n += (uint32_t)err;
		err = 0;
	}
	if (p)
		n = leaves(p, n);
	if (!n) {
		free(p);
		return -ENODATA;
	}
	*places = p;
	return (int)n;
}

int bus_places_read(const char *path, struct bus_place **places,
		    unsigned int *line)
{
	FILE *f = path ? fopen(path, "re")
		       : fmemopen((void *)(uintptr_t)bus_host_begin,
				  (uintptr_t)bus_host_end -
					  (uintptr_t)bus_host_begin,
				  "r");
	int err;

	if (!f)
		return -errno;
	err = read_all(f, places, line);
	fclose(f);
	return err;
}
