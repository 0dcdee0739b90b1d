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
	&blk_file_ops,
	&blk_null_ops,
	&blk_ram_ops,
};

struct wanted {
	const struct blk_backend_ops *backend;
	struct blk_wish wish;
	struct blk_params p;
};

/* ---- Values: NULL, or what it should have been --------------------------- */

static const char *set_backend(struct wanted *w, const char *text)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(text, backends[i]->name))
			w->backend = backends[i];
	return w->backend ? NULL : "file, null or ram";
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
	w->wish.size = (uint64_t)n << shift;
	return w->wish.size && !(w->wish.size % BLK_SECTOR) ? NULL : what;
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

static const char *set_bool(bool *to, const char *text)
{
	*to = !strcmp(text, "true");
	return *to || !strcmp(text, "false") ? NULL : "true or false";
}

static const char *set_readonly(struct wanted *w, const char *text)
{
	return set_bool(&w->p.readonly, text);
}

static const char *set_create(struct wanted *w, const char *text)
{
	return set_bool(&w->wish.create, text);
}

static const char *set_hugepages(struct wanted *w, const char *text)
{
	return set_bool(&w->wish.hugepages, text);
}

static const char *set_path(struct wanted *w, const char *text)
{
	w->wish.path = text;
	return text[0] ? NULL : "the path of a file or block device";
}

static const char *set_direct(struct wanted *w, const char *text)
{
	static const char *const names[] = {
		[BLK_DIRECT_AUTO] = "auto",
		[BLK_DIRECT_ON] = "on",
		[BLK_DIRECT_OFF] = "off",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]))
			continue;
		w->wish.direct = (enum blk_direct)i;
		return NULL;
	}
	return "auto, on or off";
}

/* ---- The table ----------------------------------------------------------- */

static const char *const blk_options[] = {
	"backend: file, null (reads as zeroes) or ram (memory of the service)",
	"path: of the file or block device (backend=file)",
	"size: bytes, or with K, M, G, T; a multiple of 512 [the file's]",
	"create: true or false: make the file, or make it longer [false]",
	"direct: auto, on or off: past the host's page cache [auto]",
	"hugepages: true or false: larger pages, for backend=ram [false]",
	"queues: 1 to 64 [1]",
	"serial: at most 20 characters [none]",
	"readonly: true or false [false]",
	NULL,
};

static const struct setter {
	const char *key;
	const char *(*set)(struct wanted *w, const char *text);
	const struct blk_backend_ops *of; /* of no other backend; NULL */
} setters[] = {
	{ "backend", set_backend, NULL },
	{ "path", set_path, &blk_file_ops },
	{ "size", set_size, NULL },
	{ "create", set_create, &blk_file_ops },
	{ "direct", set_direct, &blk_file_ops },
	{ "hugepages", set_hugepages, &blk_ram_ops },
	{ "queues", set_queues, NULL },
	{ "serial", set_serial, NULL },
	{ "readonly", set_readonly, NULL },
};

/* All keys are known here: see device_refuse_unknown(). */
static const struct setter *setter_of(const struct device_option *o)
{
	unsigned int i = 0;

	while (strcmp(setters[i].key, o->key))
		i++;
	return &setters[i];
}

/* Options that make no sense together, or too few of them; NULL: neither. */
static const char *judge_file(const struct wanted *w)
{
	if (!w->wish.path)
		return "needs option path, such as path=/srv/disk.img";
	if (w->wish.create && !w->wish.size)
		return "needs option size if create=true";
	if (w->wish.create && w->p.readonly)
		return "cannot have both create=true and readonly=true";
	return NULL;
}

static const char *judge(const struct wanted *w)
{
	if (!w->backend)
		return "needs option backend: file, null or ram";
	if (w->backend == &blk_file_ops)
		return judge_file(w);
	return w->wish.size ? NULL : "needs option size, such as size=64M";
}

static int judge_together(const struct wanted *w,
			  const struct device_option *opt, unsigned int nr_opt,
			  char *error, size_t room)
{
	const char *what = judge(w);
	const struct setter *s;
	unsigned int i;

	if (what) {
		snprintf(error, room, "device blk %s", what);
		return -EINVAL;
	}
	for (i = 0; i < nr_opt; i++) {
		s = setter_of(&opt[i]);
		if (!s->of || w->backend == s->of)
			continue;
		snprintf(error, room,
			 "device blk: option %s is for backend=%s only", s->key,
			 s->of->name);
		return -EINVAL;
	}
	return 0;
}

static int parse_options(struct wanted *w, const struct device_option *opt,
			 unsigned int nr_opt, char *error, size_t room)
{
	const char *what;
	unsigned int i;

	if (device_refuse_unknown(&blk_type, opt, nr_opt, error, room))
		return -EINVAL;
	for (i = 0; i < nr_opt; i++) {
		what = setter_of(&opt[i])->set(w, opt[i].value);
		if (!what)
			continue;
		snprintf(error, room,
			 "device blk: option %s must be %s, not \"%.64s\"",
			 opt[i].key, what, opt[i].value);
		return -EINVAL;
	}
	return judge_together(w, opt, nr_opt, error, room);
}

static int create(const struct device_option *opt, unsigned int nr_opt,
		  struct virtio_device **out, char *error, size_t room)
{
	struct wanted w = { .p.queues = 1 };
	struct blk_backend *backend;
	int err;

	err = parse_options(&w, opt, nr_opt, error, room);
	if (err || !out)
		return err;
	w.wish.queues = w.p.queues;
	w.wish.readonly = w.p.readonly;
	error[0] = '\0';
	err = w.backend->open(&w.wish, &backend, error, room);
	if (err && !error[0])
		snprintf(error, room, "device blk: a %s disk of %llu bytes: %s",
			 w.backend->name, (unsigned long long)w.wish.size,
			 strerror(-err));
	if (err)
		return err;
	err = blk_create(&w.p, backend, out);
	if (err)
		backend->ops->close(backend);
	return err;
}

const struct device_type blk_type = {
	.name = "blk",
	.help = "a disk: a file, a block device, memory, or nothing",
	.options = blk_options,
	.create = create,
};
