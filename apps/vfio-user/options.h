/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options.h - the command line of pciring-vfio-user
 *
 * Memory   strings are borrowed from argv, but for @service
 */
#ifndef VFIO_USER_OPTIONS_H
#define VFIO_USER_OPTIONS_H

#include "apps/vfio-user/proxy.h"
#include "ring/log.h"

struct vu_options {
	const char *machine;
	char service[MSG_PATH_MAX]; /* the service's attach.sock */
	uint32_t spin_ns;
	enum log_level log_level;
	unsigned int count;
	struct {
		uint16_t function;
		const char *path;
	} sockets[VU_MAX_SOCKETS];
};

/* "00:01.0" to a function's number; -EINVAL. */
int vu_parse_function(const char *text, uint16_t *function);

/* -1: run.  Otherwise the exit code: 0 after --help or --version, 2 after a
 * usage error, which has been printed. */
int vu_options_parse(struct vu_options *o, int argc, char **argv);

#endif
