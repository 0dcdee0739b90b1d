/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devices.h - the device types there are, by name
 *
 * A type turns options (what the operator wrote) into a device.  Adding a type
 * is one file and one line in the table of devices.c.
 *
 * Threads   create on the control thread; then see virtio/device.h
 * Memory    a device is freed by its ops->destroy
 */
#ifndef TRANSPORT_DEVICES_DEVICES_H
#define TRANSPORT_DEVICES_DEVICES_H

#include "transport/virtio/device.h"

struct device_option {
	const char *key;
	const char *value;
};

struct device_type {
	const char *name;
	const char *help;	    /* one line */
	const char *const *options; /* "key: meaning", NULL-terminated */
	/* -EINVAL and a sentence in @error that names the option and what it
	 * should be; other -errno from the host.  @out NULL: only look whether
	 * the options make sense, and touch nothing of the host. */
	int (*create)(const struct device_option *opt, unsigned int nr_opt,
		      struct virtio_device **out, char *error, size_t room);
};

/* NULL-terminated. */
extern const struct device_type *const device_types[];

const struct device_type *device_type_find(const char *name);

/* For create(): -EINVAL and a sentence if there is an option that @t does not
 * list. */
int device_refuse_unknown(const struct device_type *t,
			  const struct device_option *opt, unsigned int nr_opt,
			  char *error, size_t room);

#endif
