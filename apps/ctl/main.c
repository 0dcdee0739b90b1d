/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciringctl - the operator's hand
 *
 * How: a verb is a row of a table: how many words it takes, what it asks the
 * service, and how the answer is shown.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/ctl/cascade.h"
#include "apps/ctl/print.h"
#include "apps/ctl/rpc_client.h"
#include "apps/ctl/vmm.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: pciringctl [--dir DIR] [--json] VERB...\n"
	"\n"
	"Looks at and changes a running pciringd.\n"
	"\n"
	"  list                          machines, functions, sockets\n"
	"  show MACHINE [BDF]            one machine: BARs, queues, who is "
	"there\n"
	"  stats [MACHINE]               counters\n"
	"  irq MACHINE [--dot]           interrupt stages, from devices to "
	"where\n"
	"                                they end, with counters; --dot: for\n"
	"                                Graphviz\n"
	"  info                          the service: loops, attach socket,\n"
	"                                links broken, limits, device types\n"
	"  create MACHINE [--loop N]     a new machine\n"
	"  destroy MACHINE [--force]     remove it, even under a VMM\n"
	"  bus MACHINE BUS PARENT:DEVICE\n"
	"                                a new bus: 05, behind a bridge 00:1f\n"
	"  plug MACHINE BDF DEVICE [KEY=VALUE]...\n"
	"                                a new function\n"
	"  unplug MACHINE BDF            remove it\n"
	"  place MACHINE BDF QUEUE LOOP  have a queue (or all) run by a loop\n"
	"  resize MACHINE BDF [SIZE]     a disk of another size, with K, M, G\n"
	"                                or T, or of what its file has now\n"
	"  socket MACHINE BDF PATH       have the proxy serve it on a socket\n"
	"  unsocket MACHINE BDF          stop that\n"
	"  config                        what is there, as a configuration "
	"file\n"
	"  connect MACHINE --vmm VMM [--memory SIZE]\n"
	"                                how to start the VMM: qemu,\n"
	"                                cloud-hypervisor or libvirt [2G]\n"
	"  call METHOD [JSON]            any JSON-RPC method; rpc.help lists "
	"them\n"
	"\n"
	"BDF is written 00:01.0.\n"
	"\n"
	"  --dir DIR   directory of the service [%s]\n"
	"  --json      print the raw result\n"
	"  --version   print the version and exit\n"
	"  --help      print this and exit\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage.\n";

struct command {
	struct ctl ctl;
	const char *vmm, *memory, *loop;
	bool force, dot;
	int argc; /* words after the verb */
	char **argv;
};

/* ---- Showing -------------------------------------------------------------------- */

/* Takes over @result (NULL: an error was printed). */
static int show(const struct command *c, json_t *result,
		void (*print)(const json_t *))
{
	if (!result)
		return EXIT_FAILURE;
	if (c->ctl.json || !print)
		ctl_print_json(result);
	else
		print(result);
	json_decref(result);
	return EXIT_SUCCESS;
}

static void print_nothing(const json_t *result)
{
	(void)result;
}

/* ---- The verbs -------------------------------------------------------------------- */

static int verb_list(const struct command *c)
{
	return show(c, ctl_call(&c->ctl, "machine.list", NULL), ctl_print_list);
}

static int verb_info(const struct command *c)
{
	return show(c, ctl_call(&c->ctl, "service.info", NULL), ctl_print_info);
}

static int verb_config(const struct command *c)
{
	return show(c, ctl_call(&c->ctl, "config.get", NULL), ctl_print_config);
}

static json_t *machine_show(const struct command *c)
{
	return ctl_call(&c->ctl, "machine.show",
			json_pack("{ss}", "name", c->argv[0]));
}

static json_t *find_function(const json_t *machine, const char *address)
{
	const char *a;
	json_t *f;
	size_t i;

	json_array_foreach(json_object_get(machine, "functions"), i, f)
	{
		a = json_string_value(json_object_get(f, "address"));
		if (a && !strcmp(a, address))
			return f;
	}
	fprintf(stderr, "pciringctl: the machine has no function %s\n",
		address);
	return NULL;
}

static int verb_show(const struct command *c)
{
	const char *address = c->argc > 1 ? c->argv[1] : NULL;
	json_t *machine = machine_show(c);
	json_t *what = machine;

	if (machine && address)
		what = find_function(machine, address);
	if (what && c->ctl.json)
		ctl_print_json(what);
	else if (what)
		ctl_print_machine(machine, address);
	json_decref(machine);
	return what ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int verb_stats(const struct command *c)
{
	json_t *params =
		c->argc ? json_pack("{ss}", "machine", c->argv[0]) : NULL;

	return show(c, ctl_call(&c->ctl, "stats.get", params), ctl_print_stats);
}

static void print_cascade(const json_t *graph)
{
	ctl_cascade_text(graph, stdout);
}

static void print_cascade_dot(const json_t *graph)
{
	ctl_cascade_dot(graph, stdout);
}

static int verb_irq(const struct command *c)
{
	return show(c,
		    ctl_call(&c->ctl, "irq.graph",
			     json_pack("{ss}", "machine", c->argv[0])),
		    c->dot ? print_cascade_dot : print_cascade);
}

static int verb_create(const struct command *c)
{
	json_t *params = json_pack("{ss}", "name", c->argv[0]);
	char *end;
	long loop;

	if (c->loop) {
		loop = strtol(c->loop, &end, 10);
		if (end == c->loop || *end) {
			fprintf(stderr,
				"pciringctl: --loop %s: must be a number\n",
				c->loop);
			json_decref(params);
			return EXIT_USAGE;
		}
		json_object_set_new(params, "loop", json_integer(loop));
	}
	return show(c, ctl_call(&c->ctl, "machine.create", params),
		    print_nothing);
}

static int verb_destroy(const struct command *c)
{
	return show(c,
		    ctl_call(&c->ctl, "machine.destroy",
			     json_pack("{ss sb}", "name", c->argv[0], "force",
				       c->force)),
		    print_nothing);
}

/* Hexadecimal, as a function's address is. */
static int verb_bus(const struct command *c)
{
	const char *at = c->argv[2];
	unsigned int bus, parent, device;
	int end = 0;

	if (sscanf(c->argv[1], "%2x%n", &bus, &end) != 1 || c->argv[1][end]) {
		fprintf(stderr, "pciringctl: \"%s\" is no bus such as 05\n",
			c->argv[1]);
		return EXIT_USAGE;
	}
	if (sscanf(at, "%2x:%2x%n", &parent, &device, &end) != 2 || at[end]) {
		fprintf(stderr,
			"pciringctl: \"%s\" is no place such as 00:1f\n", at);
		return EXIT_USAGE;
	}
	return show(c,
		    ctl_call(&c->ctl, "bus.create",
			     json_pack("{ss si si si}", "machine", c->argv[0],
				       "bus", (int)bus, "parent", (int)parent,
				       "device", (int)device)),
		    print_nothing);
}

/* KEY=VALUE words as an object; NULL after a line that says what is wrong. */
static json_t *parse_options(char **words, int n)
{
	json_t *options = json_object();
	char *equals;

	for (int i = 0; i < n; i++) {
		equals = strchr(words[i], '=');
		if (!equals || equals == words[i]) {
			fprintf(stderr, "pciringctl: \"%s\" is not KEY=VALUE\n",
				words[i]);
			json_decref(options);
			return NULL;
		}
		*equals = '\0';
		json_object_set_new(options, words[i], json_string(equals + 1));
	}
	return options;
}

static int verb_plug(const struct command *c)
{
	json_t *options = parse_options(c->argv + 3, c->argc - 3);

	if (!options)
		return EXIT_USAGE;
	return show(c,
		    ctl_call(&c->ctl, "function.create",
			     json_pack("{ss ss ss so}", "machine", c->argv[0],
				       "address", c->argv[1], "device",
				       c->argv[2], "options", options)),
		    print_nothing);
}

static int on_function(const struct command *c, const char *method)
{
	return show(c,
		    ctl_call(&c->ctl, method,
			     json_pack("{ss ss}", "machine", c->argv[0],
				       "address", c->argv[1])),
		    print_nothing);
}

static int verb_unplug(const struct command *c)
{
	return on_function(c, "function.destroy");
}

static bool whole_number(const char *text, int *out)
{
	int end = 0;

	return sscanf(text, "%d%n", out, &end) == 1 && !text[end];
}

static int verb_place(const struct command *c)
{
	int queue = -1, loop;

	if ((strcmp(c->argv[2], "all") && !whole_number(c->argv[2], &queue)) ||
	    !whole_number(c->argv[3], &loop)) {
		fputs("pciringctl: place takes the number of a queue, or all, "
		      "and of a loop\n",
		      stderr);
		return EXIT_USAGE;
	}
	return show(c,
		    ctl_call(&c->ctl, "function.place",
			     json_pack("{ss ss si si}", "machine", c->argv[0],
				       "address", c->argv[1], "queue", queue,
				       "loop", loop)),
		    print_nothing);
}

/* Bytes, or so many of a unit. */
static bool size_of(const char *text, long long *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	long n;
	int end = 0;

	if (sscanf(text, "%lld%n", out, &end) != 1 || *out < 0)
		return false;
	text += end;
	unit = *text ? strchr(units, *text) : NULL;
	for (n = unit ? unit - units + 1 : 0; n; n--)
		if (__builtin_mul_overflow(*out, 1024, out))
			return false;
	return !*text || (unit && !text[1]);
}

static int verb_resize(const struct command *c)
{
	long long size = 0;

	if (c->argc > 2 && (!size_of(c->argv[2], &size) || !size)) {
		fprintf(stderr, "pciringctl: \"%s\" is no size such as 512M\n",
			c->argv[2]);
		return EXIT_USAGE;
	}
	return show(c,
		    ctl_call(&c->ctl, "function.resize",
			     json_pack("{ss ss sI}", "machine", c->argv[0],
				       "address", c->argv[1], "size",
				       (json_int_t)size)),
		    print_nothing);
}

static int verb_socket(const struct command *c)
{
	return show(
		c,
		ctl_call(&c->ctl, "socket.create",
			 json_pack("{ss ss ss}", "machine", c->argv[0],
				   "address", c->argv[1], "path", c->argv[2])),
		print_nothing);
}

static int verb_unsocket(const struct command *c)
{
	return on_function(c, "socket.destroy");
}

static int verb_connect(const struct command *c)
{
	json_t *machine;
	int status;

	if (!c->vmm) {
		fprintf(stderr, "pciringctl: connect needs --vmm: %s\n",
			ctl_vmm_names);
		return EXIT_USAGE;
	}
	machine = machine_show(c);
	if (!machine)
		return EXIT_FAILURE;
	status = ctl_vmm_print(c->vmm, machine, c->memory);
	json_decref(machine);
	return status;
}

static int verb_call(const struct command *c)
{
	json_t *params = NULL;
	json_error_t where;

	if (c->argc > 1) {
		params = json_loads(c->argv[1], JSON_REJECT_DUPLICATES, &where);
		if (!params) {
			fprintf(stderr, "pciringctl: parameters: %d:%d: %s\n",
				where.line, where.column, where.text);
			return EXIT_USAGE;
		}
	}
	return show(c, ctl_call(&c->ctl, c->argv[0], params), NULL);
}

static const struct verb {
	const char *name;
	int least, most; /* words after it */
	int (*run)(const struct command *c);
} verbs[] = {
	{ "list", 0, 0, verb_list },	 { "show", 1, 2, verb_show },
	{ "stats", 0, 1, verb_stats },	 { "info", 0, 0, verb_info },
	{ "create", 1, 1, verb_create }, { "destroy", 1, 1, verb_destroy },
	{ "plug", 3, 64, verb_plug },	 { "unplug", 2, 2, verb_unplug },
	{ "socket", 3, 3, verb_socket }, { "unsocket", 2, 2, verb_unsocket },
	{ "config", 0, 0, verb_config }, { "connect", 1, 1, verb_connect },
	{ "call", 1, 2, verb_call },	 { "irq", 1, 1, verb_irq },
	{ "bus", 3, 3, verb_bus },	 { "place", 4, 4, verb_place },
	{ "resize", 2, 3, verb_resize },
};

/* ---- The command line ---------------------------------------------------------------- */

static int run(struct command *c, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name))
			continue;
		if (c->argc >= verbs[i].least && c->argc <= verbs[i].most)
			return verbs[i].run(c);
		fprintf(stderr,
			"pciringctl: %s takes %s words than that; try "
			"pciringctl --help\n",
			name, c->argc < verbs[i].least ? "more" : "fewer");
		return EXIT_USAGE;
	}
	fprintf(stderr, "pciringctl: no verb \"%s\"; try pciringctl --help\n",
		name);
	return EXIT_USAGE;
}

static int set_dir(struct ctl *ctl, const char *dir)
{
	int n = snprintf(ctl->dir, sizeof(ctl->dir), "%s", dir);

	ctl->dir_given = true;
	if (n > 0 && (size_t)n < sizeof(ctl->dir))
		return -1;
	fprintf(stderr,
		"pciringctl: --dir %s: must be short enough for the "
		"path of a Unix socket\n",
		dir);
	return EXIT_USAGE;
}

/* -1: go on; otherwise the exit status. */
static int set_option(struct command *c, int option, const char *arg)
{
	switch (option) {
	case 'd':
		return set_dir(&c->ctl, arg);
	case 'j':
		c->ctl.json = true;
		return -1;
	case 'f':
		c->force = true;
		return -1;
	case 'D':
		c->dot = true;
		return -1;
	case 'l':
		c->loop = arg;
		return -1;
	case 'm':
		c->memory = arg;
		return -1;
	case 'v':
		c->vmm = arg;
		return -1;
	case 'V':
		printf("pciringctl %s\n", PCIRING_VERSION);
		return EXIT_SUCCESS;
	case 'h':
		printf(usage, c->ctl.dir);
		return EXIT_SUCCESS;
	default:
		fputs("try pciringctl --help\n", stderr);
		return EXIT_USAGE;
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "force", no_argument, NULL, 'f' },
		{ "dot", no_argument, NULL, 'D' },
		{ "loop", required_argument, NULL, 'l' },
		{ "memory", required_argument, NULL, 'm' },
		{ "vmm", required_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct command c = { .memory = "2G" };
	int option, status;

	if (ctl_default_dir(&c.ctl))
		c.ctl.dir[0] = '\0';
	while ((option = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		status = set_option(&c, option, optarg);
		if (status >= 0)
			return status;
	}
	if (optind == argc) {
		fputs("pciringctl: what shall I do? try pciringctl --help\n",
		      stderr);
		return EXIT_USAGE;
	}
	c.argc = argc - optind - 1;
	c.argv = argv + optind + 1;
	return run(&c, argv[optind]);
}
