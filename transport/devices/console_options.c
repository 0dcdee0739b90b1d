/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a port's value is cut at its commas; the first piece is the kind and the
 * path, each other one a word.  What is wrong is said of the piece.
 */
#include "transport/devices/console.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/devices/console_device.h"

#define VALUE_MAX 512
#define SIZE_MAX_ 9999ul

static const char *const kinds[] = {
	[CONSOLE_PTY] = "pty:",
	[CONSOLE_UNIX] = "unix:",
	[CONSOLE_FILE] = "file:",
};

static const char what_port[] =
	"pty:PATH, unix:PATH or file:PATH, then ,name=TEXT ,console ,data or "
	",input=PATH";

/* What follows @prefix; NULL: it begins otherwise. */
static const char *after(const char *text, const char *prefix)
{
	const size_t n = strlen(prefix);

	return strncmp(text, prefix, n) ? NULL : text + n;
}

/* ---- Pieces of a port: NULL, or what they should have been ------------------ */

static const char *set_path(char *to, size_t room, const char *path)
{
	const size_t n = strlen(path);

	if (path[0] != '/' || n >= room)
		return "given an absolute path of at most 107 characters";
	memcpy(to, path, n + 1);
	return NULL;
}

static const char *set_name(struct console_port_spec *p, const char *name)
{
	const size_t n = strlen(name);
	size_t i;

	/* The guest makes a file name of it. */
	for (i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			break;
	if (!n || i < n || n > CONSOLE_NAME_MAX)
		return "given a name of 1 to 63 printable ASCII characters, "
		       "without blanks and slashes";
	memcpy(p->name, name, n + 1);
	return NULL;
}

static const char *set_kind(struct console_port_spec *p, const char *piece)
{
	const char *path;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		path = after(piece, kinds[i]);
		if (!path)
			continue;
		p->host.kind = (enum console_kind)i;
		return set_path(p->host.path, sizeof(p->host.path), path);
	}
	return what_port;
}

static const char *set_word(struct console_port_spec *p, const char *word)
{
	const char *value;

	if (!strcmp(word, "console") || !strcmp(word, "data")) {
		p->console = !strcmp(word, "console");
		return NULL;
	}
	value = after(word, "name=");
	if (value)
		return set_name(p, value);
	value = after(word, "input=");
	if (value && p->host.kind == CONSOLE_FILE)
		return set_path(p->host.input, sizeof(p->host.input), value);
	return what_port;
}

/* ---- Options ----------------------------------------------------------------- */

static const char *set_port(struct console_spec *spec, unsigned int id,
			    const char *text)
{
	struct console_port_spec *p = &spec->port[id];
	char copy[VALUE_MAX], *rest = copy;
	const char *what;

	if (p->there || strlen(text) >= sizeof(copy))
		return what_port;
	memcpy(copy, text, strlen(text) + 1);
	p->there = true;
	p->console = !id;
	what = set_kind(p, strsep(&rest, ","));
	while (!what && rest)
		what = set_word(p, strsep(&rest, ","));
	return what;
}

static bool number(const char **text, char end, uint16_t *n)
{
	char *stop;
	unsigned long v;

	if (**text < '1' || **text > '9')
		return false;
	v = strtoul(*text, &stop, 10);
	if (*stop != end || v > SIZE_MAX_)
		return false;
	*n = (uint16_t)v;
	*text = stop + 1;
	return true;
}

static const char *set_size(struct console_spec *spec, const char *text)
{
	if (number(&text, 'x', &spec->cols) && number(&text, '\0', &spec->rows))
		return NULL;
	return "columns x rows, each 1 to 9999, such as 80x25";
}

static const char *const console_options[] = {
	"port0: (pty|unix|file):PATH[,name=TEXT][,console|,data][,input=PATH]",
	"port1: as port0, for drivers with MULTIPORT",
	"port2: the same",
	"port3: the same",
	"port4: the same",
	"port5: the same",
	"port6: the same",
	"port7: the same",
	"port8: the same",
	"port9: the same",
	"port10: the same",
	"port11: the same",
	"port12: the same",
	"port13: the same",
	"port14: the same",
	"port15: the same",
	"size: columns x rows [80x25]",
	NULL,
};

static const char *apply(struct console_spec *spec,
			 const struct device_option *o)
{
	/* All keys are known here: see device_refuse_unknown(). */
	const char *id = after(o->key, "port");

	if (id)
		return set_port(spec, (unsigned int)atoi(id), o->value);
	return set_size(spec, o->value);
}

static int parse_options(struct console_spec *spec,
			 const struct device_option *opt, unsigned int nr_opt,
			 char *error, size_t room)
{
	const char *what;
	unsigned int i;

	if (device_refuse_unknown(&console_type, opt, nr_opt, error, room))
		return -EINVAL;
	for (i = 0; i < nr_opt; i++) {
		what = apply(spec, &opt[i]);
		if (!what)
			continue;
		snprintf(error, room,
			 "device console: option %s must be %s, not \"%.64s\"",
			 opt[i].key, what, opt[i].value);
		return -EINVAL;
	}
	for (i = 0; i < CONSOLE_MAX_PORTS; i++)
		if (spec->port[i].there)
			return 0;
	snprintf(error, room,
		 "device console needs a port, such as "
		 "port0=pty:/run/vm0-console");
	return -EINVAL;
}

static int create(const struct device_option *opt, unsigned int nr_opt,
		  struct virtio_device **out, char *error, size_t room)
{
	struct console_spec spec = { .cols = 80, .rows = 25 };
	struct console_port_spec *p;
	unsigned int i;
	int err;

	err = parse_options(&spec, opt, nr_opt, error, room);
	if (err || !out)
		return err;
	for (i = 0; i < CONSOLE_MAX_PORTS; i++) {
		p = &spec.port[i];
		p->host.hold = p->console;
		p->host.cols = spec.cols;
		p->host.rows = spec.rows;
	}
	return console_create(&spec, out, error, room);
}

const struct device_type console_type = {
	.name = "console",
	.help = "consoles and channels: ptys, sockets, files",
	.options = console_options,
	.create = create,
};
