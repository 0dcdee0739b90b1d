/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options.h - pciringd's command line
 */
#ifndef APPS_PCIRINGD_OPTIONS_H
#define APPS_PCIRINGD_OPTIONS_H

#include "apps/pciringd/service.h"
#include "ring/log.h"

#define OPTIONS_IDLE_AUTO (-2) /* decided by the cores there are */

struct service_options {
	char dir[MSG_PATH_MAX];
	const char *config;	  /* NULL: none */
	const char *check_config; /* only check it */
	const char *lcores;	  /* NULL: one loop on any CPU */
	int idle_us;		  /* or LOOP_IDLE_OFF, OPTIONS_IDLE_AUTO */
	enum log_level log_level;
	bool shared_dir; /* others may write there */
	struct service_limits limits;
	struct peer_access access;
	char **eal; /* borrowed: what followed -- */
	int nr_eal;
};

/* -1 go on; otherwise the exit status: 0 after --help, 2 after a usage error
 * that was printed. */
int service_options_parse(struct service_options *o, int argc, char **argv);

/* Where the sockets are unless told otherwise; -ENAMETOOLONG. */
int service_default_dir(char *dir, size_t room);

#endif
