/* SPDX-License-Identifier: BSD-3-Clause */
/* How: cells are kept as text until all widths are known. */
#include "apps/ctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ring/base.h"

static void append(struct ctl_table *t, char *text)
{
	char **grown;

	if (t->rows == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		grown = realloc(t->cell, t->room * sizeof(*t->cell));
		if (!grown)
			abort();
		t->cell = grown;
	}
	t->cell[t->rows++] = text;
}

void ctl_table_init(struct ctl_table *t, unsigned int columns,
		    const char *const *heading)
{
	assert(columns > 0 && columns <= CTL_TABLE_COLUMNS);
	*t = (struct ctl_table){ .columns = columns };
	for (unsigned int i = 0; i < columns; i++)
		ctl_table_add(t, "%s", heading[i]);
}

void ctl_table_add(struct ctl_table *t, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	append(t, text);
}

void ctl_table_print(struct ctl_table *t, const char *indent, FILE *out)
{
	int width[CTL_TABLE_COLUMNS] = { 0 };
	unsigned int column;
	int length, gap = 0; /* owed to the next cell that is not empty */

	for (size_t i = 0; i < t->rows; i++) {
		column = (unsigned int)(i % t->columns);
		length = (int)strlen(t->cell[i]);
		if (length > width[column])
			width[column] = length;
	}
	for (size_t i = 0; i < t->rows; i++) {
		column = (unsigned int)(i % t->columns);
		length = (int)strlen(t->cell[i]);
		if (column == 0)
			fputs(indent, out);
		if (length) {
			fprintf(out, "%*s%s", gap, "", t->cell[i]);
			gap = 0;
		}
		gap += width[column] - length + 2;
		if (column + 1 == t->columns) {
			putc('\n', out);
			gap = 0;
		}
		free(t->cell[i]);
	}
	free(t->cell);
}
