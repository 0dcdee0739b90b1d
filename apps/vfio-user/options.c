/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: getopt_long(), each option checked where it is met, so that the message
 * can name it.
 */
#include "apps/vfio-user/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM		"pciring-vfio-user"
#define SPIN_US_DEFAULT 20
#define SPIN_US_MAX	1000000

static const char help[] =
	"usage: " PROGRAM " [--dir DIR] --machine NAME "
	"[--function BDF=PATH]...\n"
	"\n"
	"Serve the functions of one machine of pciringd to a VMM that speaks\n"
	"vfio-user, each on a Unix socket.  Sockets that are declared with "
	"the\n"
	"service (socket.create) are served as well.\n"
	"\n"
	"  --dir DIR            the service's directory: /run/pciring for "
	"root,\n"
	"                       $XDG_RUNTIME_DIR/pciring otherwise\n"
	"  --machine NAME       whose functions\n"
	"  --function BDF=PATH  listen on PATH for function BDF, as in\n"
	"                       00:01.0=/run/vm1-rng.sock; may be repeated\n"
	"  --spin US            how long to spin for the service's answer "
	"before\n"
	"                       sleeping, in microseconds (default 20)\n"
	"  --log-level LEVEL    error, warn, info (default) or debug\n"
	"  --help, --version\n"
	"\n"
	"Prints \"" PROGRAM ": ready\" when it listens.  A socket serves one\n"
	"client at a time; when the client goes, its memory is given back, "
	"the\n"
	"function is reset, and the next client may come.  A second client "
	"waits\n"
	"until then.\n"
	"\n"
	"Waits up to 10 seconds for the service.  When the service or the\n"
	"machine goes, all clients are disconnected, the sockets are removed "
	"and\n"
	"the exit status is 1: a VMM does not survive a restart of the "
	"service.\n"
	"SIGTERM and SIGINT do the same with exit status 0.\n";

static int usage(const char *what, const char *value)
{
	fprintf(stderr, PROGRAM ": %s%s%s (--help tells more)\n", what,
		value ? ": " : "", value ? value : "");
	return 2;
}

int vu_parse_function(const char *text, uint16_t *function)
{
	static const char form[] = "hh:hh.h";
	unsigned int digits[5], n = 0;

	if (strlen(text) != strlen(form))
		return -EINVAL;
	for (size_t i = 0; form[i]; i++) {
		const char digit[2] = { text[i] };

		if (form[i] != 'h' && text[i] != form[i])
			return -EINVAL;
		if (form[i] != 'h')
			continue;
		if (!isxdigit((unsigned char)text[i]))
			return -EINVAL;
		digits[n++] = (unsigned int)strtoul(digit, NULL, 16);
	}
	if (digits[2] > 1 || digits[4] > 7)
		return -EINVAL;
	*function = bdf_make(digits[0] << 4 | digits[1],
			     digits[2] << 4 | digits[3], digits[4]);
	return 0;
}

/* @arg is BDF=PATH; the name of the function is cut off in place. */
static int parse_socket(struct vu_options *o, char *arg)
{
	char *path = strchr(arg, '=');
	uint16_t function;

	if (!path || !path[1])
		return usage("--function wants BDF=PATH, not", arg);
	*path++ = '\0';
	if (vu_parse_function(arg, &function))
		return usage("not a function's address, as 00:01.0 is", arg);
	if (strlen(path) >= MSG_PATH_MAX)
		return usage("too long for a socket's path (107 bytes)", path);
	if (o->count == VU_MAX_SOCKETS)
		return usage("too many sockets", NULL);
	for (unsigned int i = 0; i < o->count; i++)
		if (o->sockets[i].function == function)
			return usage("given twice", arg);
	o->sockets[o->count].function = function;
	o->sockets[o->count++].path = path;
	return -1;
}

static int parse_spin(struct vu_options *o, const char *arg)
{
	char *end;
	unsigned long us = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || us > SPIN_US_MAX)
		return usage("--spin wants 0 to 1000000", arg);
	o->spin_ns = (uint32_t)us * 1000;
	return -1;
}

static int find_service(struct vu_options *o, const char *dir)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	int n;

	if (dir)
		n = snprintf(o->service, sizeof(o->service), "%s/attach.sock",
			     dir);
	else if (geteuid() == 0)
		n = snprintf(o->service, sizeof(o->service),
			     "/run/pciring/attach.sock");
	else if (run && *run)
		n = snprintf(o->service, sizeof(o->service),
			     "%s/pciring/attach.sock", run);
	else
		n = snprintf(o->service, sizeof(o->service),
			     "/tmp/pciring-%u/attach.sock", geteuid());
	if (n < 0 || (size_t)n >= sizeof(o->service))
		return usage("--dir is too long", dir);
	return -1;
}

enum {
	OPT_DIR,
	OPT_MACHINE,
	OPT_FUNCTION,
	OPT_SPIN,
	OPT_LOG,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "machine", required_argument, NULL, OPT_MACHINE },
	{ "function", required_argument, NULL, OPT_FUNCTION },
	{ "spin", required_argument, NULL, OPT_SPIN },
	{ "log-level", required_argument, NULL, OPT_LOG },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int parse_one(struct vu_options *o, int opt, const char **dir)
{
	switch (opt) {
	case OPT_DIR:
		*dir = optarg;
		return -1;
	case OPT_MACHINE:
		o->machine = optarg;
		return -1;
	case OPT_FUNCTION:
		return parse_socket(o, optarg);
	case OPT_SPIN:
		return parse_spin(o, optarg);
	case OPT_LOG:
		return log_parse_level(optarg, &o->log_level)
			       ? usage("no such level", optarg)
			       : -1;
	case OPT_HELP:
		fputs(help, stdout);
		return 0;
	case OPT_VERSION:
		puts(PROGRAM " " PCIRING_VERSION);
		return 0;
	default:
		return 2; /* getopt has said what is wrong */
	}
}

int vu_options_parse(struct vu_options *o, int argc, char **argv)
{
	const char *dir = NULL;
	int opt, code;

	*o = (struct vu_options){
		.spin_ns = SPIN_US_DEFAULT * 1000,
		.log_level = LOG_INFO,
	};
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		code = parse_one(o, opt, &dir);
		if (code >= 0)
			return code;
	}
	if (optind < argc)
		return usage("unexpected argument", argv[optind]);
	if (!o->machine || !*o->machine)
		return usage("--machine is missing", NULL);
	if (strlen(o->machine) >= PCIRING_NAME_MAX)
		return usage("too long a name", o->machine);
	return find_service(o, dir);
}
