/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_options.h - what an operator may say of a function, whatever its
 * device
 *
 * They stand among the device's own options, whose names they cannot have.
 *
 * Threads   any
 */
#ifndef TRANSPORT_MACHINE_FUNCTION_OPTIONS_H
#define TRANSPORT_MACHINE_FUNCTION_OPTIONS_H

#include "transport/devices/devices.h"
#include "transport/virtio/virtio.h"

/* "key: meaning", NULL-terminated. */
extern const char *const function_options[];

/*
 * Take ours out of @opt and into @out, which begins as the defaults; the
 * device's go to @rest, of room for @nr_opt, *@nr_rest of them.  -EINVAL with a
 * sentence in @error that names the option and what it should be.
 */
int function_options_parse(const struct device_option *opt, unsigned int nr_opt,
			   struct virtio_options *out,
			   struct device_option *rest, unsigned int *nr_rest,
			   char *error, size_t room);

#endif
