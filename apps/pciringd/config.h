/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - the configuration file: a list of the commands that create
 *
 *	[
 *	  {"method": "machine.create", "params": {"name": "demo"}},
 *	  {"method": "function.create", "params": {"machine": "demo",
 *		"address": "00:01.0", "device": "rng"}}
 *	]
 *
 * A file is tried out whole on a registry without loops before anything of it
 * is done, so a bad one changes nothing.  Errors name the place: a line and
 * column while it is not JSON, a path such as [2].params.device after that.
 *
 * Threads   the control thread
 * Trust     any bytes are safe; a file is at most CONFIG_MAX bytes
 */
#ifndef APPS_PCIRINGD_CONFIG_H
#define APPS_PCIRINGD_CONFIG_H

#include "apps/pciringd/service.h"

#define CONFIG_MAX   (16u << 20)
#define CONFIG_ERROR 1024

/*
 * Parse and try out @length bytes of @text called @name, for a service with
 * @nr_loops loops.  0 and, if @out is not NULL, the list; or -EINVAL with
 * "NAME: where: what" in @error.
 */
int config_check(const char *name, const char *text, size_t length,
		 unsigned int nr_loops, json_t **out, char error[CONFIG_ERROR]);

/* The same for the file @path; -errno. */
int config_check_file(const char *path, unsigned int nr_loops, json_t **out,
		      char error[CONFIG_ERROR]);

/* Carry out a list that was checked. */
int config_apply(struct service *s, const char *name, json_t *list,
		 char error[CONFIG_ERROR]);

/* What is there now, as such a list; a new reference. */
json_t *config_write(struct service *s);

#endif
