/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one function an option, which says what the option should be if the
 * value is not that; the table of them is the type's table of options.
 */
#include "transport/devices/blk.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/devices/blk_request.h"

static const struct blk_backend_ops *const backends[] = {
	&blk_null_ops,
	&blk_ram_ops,
};

struct wanted {
	const struct blk_backend_ops *backend;
	struct blk_params p;
};

/* ---- Values: NULL, or what it should have been --------------------------- */

static const char *set_backend(struct wanted *w, const char *text)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(text, backends[i]->name))
			w->backend = backends[i];
	return w->backend ? NULL : "null or ram";
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *set_size(struct wanted *w, const char *text)
{
	static const char what[] =
		"a size such as 64M or 1T, in whole sectors of 512 bytes";
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	unsigned long long n;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (!is_digit(text[0]) || *end || errno || n > UINT64_MAX >> shift)
		return what;
	w->p.size = (uint64_t)n << shift;
	return w->p.size && !(w->p.size % BLK_SECTOR) ? NULL : what;
}

static const char *set_queues(struct wanted *w, const char *text)
{
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (!is_digit(text[0]) || *end || !n || n > BLK_MAX_QUEUES)
		return "1 to 64";
	w->p.queues = (uint16_t)n;
	return NULL;
}

/* The driver gets bytes, of which it makes a file name as it likes. */
static const char *set_serial(struct wanted *w, const char *text)
{
	const size_t n = strlen(text);
	size_t i;

	for (i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			break;
	if (i < n || n > sizeof(w->p.serial))
		return "at most 20 printable ASCII characters";
	memcpy(w->p.serial, text, n);
	return NULL;
}

static const char *set_readonly(struct wanted *w, const char *text)
{
	w->p.readonly = !strcmp(text, "true");
	return w->p.readonly || !strcmp(text, "false") ? NULL : "true or false";
}

/* ---- The table ----------------------------------------------------------- */

static const char *const blk_options[] = {
	"backend: null (reads as zeroes) or ram (memory of the service)",
	"size: bytes, or with K, M, G, T; a multiple of 512",
	"queues: 1 to 64 [1]",
	"serial: at most 20 characters [none]",
	"readonly: true or false [false]",
	NULL,
};

static const struct setter {
	const char *key;
	const char *(*set)(struct wanted *w, const char *text);
} setters[] = {
	{ "backend", set_backend },   { "size", set_size },
	{ "queues", set_queues },     { "serial", set_serial },
	{ "readonly", set_readonly },
};

static const char *apply(struct wanted *w, const struct device_option *o)
{
	unsigned int i = 0;

	/* All keys are known here: see device_refuse_unknown(). */
	while (strcmp(setters[i].key, o->key))
		i++;
	return setters[i].set(w, o->value);
}

static int parse_options(struct wanted *w, const struct device_option *opt,
			 unsigned int nr_opt, char *error, size_t room)
{
	const char *what;
	unsigned int i;

	if (device_refuse_unknown(&blk_type, opt, nr_opt, error, room))
		return -EINVAL;
	for (i = 0; i < nr_opt; i++) {
		what = apply(w, &opt[i]);
		if (!what)
			continue;
		snprintf(error, room,
			 "device blk: option %s must be %s, not \"%.64s\"",
			 opt[i].key, what, opt[i].value);
		return -EINVAL;
	}
	if (w->backend && w->p.size)
		return 0;
	snprintf(error, room, "device blk needs option %s",
		 w->backend ? "size, such as size=64M"
			    : "backend: null or ram");
	return -EINVAL;
}

static int create(const struct device_option *opt, unsigned int nr_opt,
		  struct virtio_device **out, char *error, size_t room)
{
	struct wanted w = { .p.queues = 1 };
	struct blk_backend *backend;
	int err;

	err = parse_options(&w, opt, nr_opt, error, room);
	if (err)
		return err;
	err = w.backend->open(w.p.size, &backend);
	if (err) {
		snprintf(error, room, "device blk: a %s disk of %llu bytes: %s",
			 w.backend->name, (unsigned long long)w.p.size,
			 strerror(-err));
		return err;
	}
	err = blk_create(&w.p, backend, out);
	if (err)
		backend->ops->close(backend);
	return err;
}

const struct device_type blk_type = {
	.name = "blk",
	.help = "a disk, in memory or nowhere",
	.options = blk_options,
	.create = create,
};
