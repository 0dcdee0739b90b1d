/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.h - rows of cells, printed in columns as wide as they need to be
 */
#ifndef APPS_CTL_TABLE_H
#define APPS_CTL_TABLE_H

#include <stdio.h>

#define CTL_TABLE_COLUMNS 14

struct ctl_table {
	unsigned int columns;
	char **cell; /* owned: rows of columns strings */
	size_t rows, room;
};

/* The first row is the heading: @columns words. */
void ctl_table_init(struct ctl_table *t, unsigned int columns,
		    const char *const *heading);
/* printf() the next cell of the table. */
void ctl_table_add(struct ctl_table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Print all whole rows, each after @indent, and free the table. */
void ctl_table_print(struct ctl_table *t, const char *indent, FILE *out);

#endif
