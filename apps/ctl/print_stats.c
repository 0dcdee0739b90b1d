/* SPDX-License-Identifier: BSD-3-Clause */
/* How: each table has a list of members, which are also its columns. */
#include "apps/ctl/print.h"

#include <stdio.h>

#include "apps/ctl/table.h"
#include "ring/base.h"

struct column {
	const char *heading, *key;
};

static void add_value(struct ctl_table *t, const json_t *value)
{
	if (json_is_string(value))
		ctl_table_add(t, "%s", json_string_value(value));
	else if (json_is_boolean(value))
		ctl_table_add(t, "%s", json_is_true(value) ? "yes" : "no");
	else
		ctl_table_add(t, "%" JSON_INTEGER_FORMAT,
			      json_integer_value(value));
}

static void print_rows(const json_t *list, const char *indent,
		       const struct column *columns, unsigned int n)
{
	const char *heading[CTL_TABLE_COLUMNS];
	struct ctl_table t;
	json_t *row;
	size_t i;

	if (!json_array_size(list))
		return;
	for (unsigned int c = 0; c < n; c++)
		heading[c] = columns[c].heading;
	ctl_table_init(&t, n, heading);
	json_array_foreach(list, i, row)
	{
		for (unsigned int c = 0; c < n; c++)
			add_value(&t, json_object_get(row, columns[c].key));
	}
	ctl_table_print(&t, indent, stdout);
}

/* An object of numbers, on one line. */
static void print_numbers(const char *what, const json_t *object)
{
	const char *key;
	json_t *value;

	printf("  %s", what);
	json_object_foreach((json_t *)(uintptr_t)object, key, value) printf(
		"  %s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	putchar('\n');
}

static void print_function(const json_t *f)
{
	static const struct column queues[] = {
		{ "QUEUE", "index" },	      { "SIZE", "size" },
		{ "ENABLED", "enabled" },     { "BROKEN", "broken" },
		{ "KICKS", "kicks" },	      { "CHAINS", "chains" },
		{ "READ", "bytes_read" },     { "WRITTEN", "bytes_written" },
		{ "RAISED", "interrupts" },   { "SUPPRESSED", "suppressed" },
		{ "COALESCED", "coalesced" }, { "LOOKS", "looks" },
		{ "BAD", "bad_requests" },
	};
	const char *address = json_string_value(json_object_get(f, "address"));
	const char *device = json_string_value(json_object_get(f, "device"));

	printf("\n%s %s: %" JSON_INTEGER_FORMAT " chains, "
	       "%" JSON_INTEGER_FORMAT " bytes, "
	       "%" JSON_INTEGER_FORMAT " interrupts, "
	       "%" JSON_INTEGER_FORMAT " resets, "
	       "%" JSON_INTEGER_FORMAT " times needs-reset\n",
	       address ? address : "-", device ? device : "-",
	       json_integer_value(json_object_get(f, "chains")),
	       json_integer_value(json_object_get(f, "bytes")),
	       json_integer_value(json_object_get(f, "interrupts")),
	       json_integer_value(json_object_get(f, "resets")),
	       json_integer_value(json_object_get(f, "needs_reset")));
	print_numbers("accesses", json_object_get(f, "accesses"));
	print_numbers("intx    ", json_object_get(f, "intx"));
	if (json_object_get(f, "counters"))
		print_numbers("device  ", json_object_get(f, "counters"));
	print_rows(json_object_get(f, "queues"), "  ", queues,
		   ARRAY_SIZE(queues));
}

static void print_machine(const json_t *m)
{
	static const struct column links[] = {
		{ "ATTACHED", "name" },	    { "PID", "pid" },
		{ "FOR", "scope" },	    { "LANES", "lanes" },
		{ "REGIONS", "regions" },   { "FILES", "files" },
		{ "REQUESTS", "requests" }, { "IRQS", "irqs" },
		{ "FULL", "irq_full" },	    { "RESAMPLES", "resamples" },
		{ "WAKES", "wakes" },	    { "NOWHERE", "nowhere" },
		{ "REFUSED", "refused" },   { "BAD", "bad_requests" },
	};
	const char *name = json_string_value(json_object_get(m, "machine"));
	json_t *f, *broken = json_object_get(m, "links_broken");
	size_t i;

	printf("machine %s, loop %" JSON_INTEGER_FORMAT "\n", name ? name : "-",
	       json_integer_value(json_object_get(m, "loop")));
	print_rows(json_object_get(m, "links"), "", links, ARRAY_SIZE(links));
	if (json_integer_value(json_object_get(broken, "total")))
		print_numbers("links broken by their clients", broken);
	json_array_foreach(json_object_get(m, "functions"), i, f)
		print_function(f);
}

void ctl_print_stats(const json_t *stats)
{
	json_t *m;
	size_t i;

	if (json_is_object(stats)) {
		print_machine(stats);
		return;
	}
	json_array_foreach(stats, i, m)
	{
		if (i)
			putchar('\n');
		print_machine(m);
	}
}
