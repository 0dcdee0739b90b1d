/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * print.h - the service's answers as text for people
 */
#ifndef APPS_CTL_PRINT_H
#define APPS_CTL_PRINT_H

#include <stdbool.h>

#include <jansson.h>

void ctl_print_json(const json_t *value);
/* A configuration file, one command a line. */
void ctl_print_config(const json_t *list);
void ctl_print_info(const json_t *info);
void ctl_print_list(const json_t *machines);
/* @address NULL: all functions.  False if there is no such one. */
bool ctl_print_machine(const json_t *machine, const char *address);
/* One machine's, or an array of them. */
void ctl_print_stats(const json_t *stats);

#endif
