/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * print.h - a function written for people, or as a JSON object
 */
#ifndef APPS_PROBE_PRINT_H
#define APPS_PROBE_PRINT_H

#include <stdio.h>

#include "apps/probe/func.h"

/* A line for @f, then an indented one for each BAR and capability. */
void print_text(FILE *out, const struct func *f);

/*
 * One JSON object on one line, without the line's end.  Identifiers and
 * addresses are hexadecimal strings, sizes and offsets are numbers.
 */
void print_json(FILE *out, const struct func *f);

#endif
