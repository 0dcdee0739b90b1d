/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: members that are missing print as "-" or 0, so that an older or newer
 * service is still readable.
 */
#include "apps/ctl/print.h"

#include <inttypes.h>
#include <stdio.h>

#include "apps/ctl/table.h"
#include "ring/base.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *yes(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key)) ? "yes" : "no";
}

void ctl_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

void ctl_print_config(const json_t *list)
{
	json_t *command;
	size_t i;

	putchar('[');
	json_array_foreach(list, i, command)
	{
		printf("%s\n  ", i ? "," : "");
		json_dumpf(command, stdout, 0);
	}
	printf("%s]\n", json_array_size(list) ? "\n" : "");
}

/* ---- info ------------------------------------------------------------------- */

static void print_loops(const json_t *loops)
{
	static const char *const heading[] = {
		"LOOP",	  "MACHINES", "IDLE",	     "TURNS", "WITH WORK",
		"SLEEPS", "IO_URING", "MOST CHAINS", "AWAY",  "RECALLS",
	};
	struct ctl_table t;
	const json_t *idle, *away;
	json_t *loop;
	size_t i;

	ctl_table_init(&t, ARRAY_SIZE(heading), heading);
	json_array_foreach(loops, i, loop)
	{
		idle = json_object_get(loop, "idle_us");
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "loop"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "machines"));
		if (json_is_integer(idle))
			ctl_table_add(&t, "%" JSON_INTEGER_FORMAT " us",
				      json_integer_value(idle));
		else
			ctl_table_add(&t, "polls");
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "turns"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "turns_with_work"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "sleeps"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "uring_enters"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(loop, "most_chains"));
		away = json_object_get(loop, "queues_of_others");
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(away, "chains"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT,
			      number(away, "recalls"));
	}
	ctl_table_print(&t, "", stdout);
}

static void print_numbers(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (json_is_integer(value))
			printf("  %s %" JSON_INTEGER_FORMAT, key,
			       json_integer_value(value));
	}
}

void ctl_print_info(const json_t *info)
{
	const json_t *devices = json_object_get(info, "devices");
	json_t *device, *option;
	size_t i, k;

	printf("pciringd %s, pid %" JSON_INTEGER_FORMAT
	       ", up %" JSON_INTEGER_FORMAT " s, %" JSON_INTEGER_FORMAT
	       " machines\n\n",
	       text(info, "version"), number(info, "pid"),
	       number(info, "uptime_seconds"), number(info, "machines"));
	print_loops(json_object_get(info, "loops"));
	printf("\nAttach socket:");
	print_numbers(json_object_get(info, "attach"));
	printf("\nLinks broken by their clients:");
	print_numbers(json_object_get(json_object_get(info, "attach"),
				      "links_broken"));
	printf("\nLimits:");
	print_numbers(json_object_get(info, "limits"));
	printf("\n\nDevice types:\n");
	json_array_foreach(devices, i, device)
	{
		printf("  %-8s %s\n", text(device, "name"),
		       text(device, "help"));
		json_array_foreach(json_object_get(device, "options"), k,
				   option)
			printf("           %s\n", json_string_value(option));
	}
}

/* ---- list ------------------------------------------------------------------- */

static void list_function(struct ctl_table *t, const json_t *machine,
			  const json_t *f)
{
	const json_t *s = json_object_get(f, "socket");

	ctl_table_add(t, "%s", text(machine, "name"));
	ctl_table_add(t, "%s", text(f, "address"));
	ctl_table_add(t, "%s", text(f, "device"));
	ctl_table_add(t, "%s", text(s, "path"));
	ctl_table_add(t, "%s", text(s, "state"));
}

static void list_hints(const json_t *machines)
{
	const json_t *hint;
	json_t *m, *f;
	size_t i, k;

	json_array_foreach(machines, i, m)
	{
		json_array_foreach(json_object_get(m, "functions"), k, f)
		{
			hint = json_object_get(json_object_get(f, "socket"),
					       "hint");
			if (!hint)
				continue;
			/* One proxy serves all of a machine. */
			printf("no proxy serves %s; %s\n", text(m, "name"),
			       json_string_value(hint));
			break;
		}
	}
}

void ctl_print_list(const json_t *machines)
{
	static const char *const heading[] = { "MACHINE", "FUNCTION", "DEVICE",
					       "SOCKET", "STATE" };
	const json_t *functions;
	struct ctl_table t;
	json_t *m, *f;
	size_t i, k;

	if (!json_array_size(machines)) {
		puts("no machines; make one with: pciringctl create NAME");
		return;
	}
	ctl_table_init(&t, ARRAY_SIZE(heading), heading);
	json_array_foreach(machines, i, m)
	{
		functions = json_object_get(m, "functions");
		json_array_foreach(functions, k, f) list_function(&t, m, f);
		if (!json_array_size(functions))
			list_function(&t, m, NULL);
	}
	ctl_table_print(&t, "", stdout);
	list_hints(machines);
}

/* ---- show ------------------------------------------------------------------- */

static void show_attachments(const json_t *m)
{
	const json_t *list = json_object_get(m, "attachments");
	const json_t *proxy = json_object_get(m, "proxy");
	json_t *a;
	size_t i;

	json_array_foreach(list, i, a)
		printf("attached  %s (pid %" JSON_INTEGER_FORMAT
		       ") for %s, %" JSON_INTEGER_FORMAT
		       " lanes, %" JSON_INTEGER_FORMAT
		       " regions of memory, %" JSON_INTEGER_FORMAT
		       " MiB, interrupts %s, irqchip %s\n",
		       text(a, "name"), number(a, "pid"), text(a, "scope"),
		       number(a, "lanes"), number(a, "regions"),
		       number(a, "bytes_lent") >> 20, text(a, "interrupts"),
		       text(a, "irqchip"));
	if (!json_array_size(list))
		puts("attached  nobody");
	if (json_is_object(proxy))
		printf("proxy     %s (pid %" JSON_INTEGER_FORMAT ")\n",
		       text(proxy, "name"), number(proxy, "pid"));
}

/* In hexadecimal, as in the addresses of functions there. */
static void show_buses(const json_t *m)
{
	json_t *b;
	size_t i;

	json_array_foreach(json_object_get(m, "buses"), i, b)
		printf("bus       %02x behind %02x:%02x\n",
		       (unsigned int)number(b, "bus"),
		       (unsigned int)number(b, "parent"),
		       (unsigned int)number(b, "device"));
}

static void show_bars(const json_t *bars)
{
	static const char *const heading[] = { "BAR", "SIZE", "KIND", "AT" };
	struct ctl_table t;
	json_t *bar;
	size_t i;

	ctl_table_init(&t, ARRAY_SIZE(heading), heading);
	json_array_foreach(bars, i, bar)
	{
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT, number(bar, "bar"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT " KiB",
			      number(bar, "size") / 1024);
		ctl_table_add(&t, "%s%s", text(bar, "kind"),
			      json_is_true(json_object_get(bar, "bits64"))
				      ? " 64"
				      : "");
		ctl_table_add(&t, "%s", text(bar, "address"));
	}
	ctl_table_print(&t, "    ", stdout);
}

static void show_queues(const json_t *queues)
{
	static const char *const heading[] = { "QUEUE", "SIZE",	 "STATE",
					       "LOOP",	"AVAIL", "USED" };
	struct ctl_table t;
	const char *state;
	json_t *q;
	size_t i;

	ctl_table_init(&t, ARRAY_SIZE(heading), heading);
	json_array_foreach(queues, i, q)
	{
		state = json_is_true(json_object_get(q, "broken")) ? "broken"
			: json_is_true(json_object_get(q, "enabled"))
				? "enabled"
				: "off";
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT, number(q, "index"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT, number(q, "size"));
		ctl_table_add(&t, "%s", state);
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT, number(q, "loop"));
		if (!json_object_get(q, "avail")) {
			ctl_table_add(&t, "-");
			ctl_table_add(&t, "-");
			continue;
		}
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT, number(q, "avail"));
		ctl_table_add(&t, "%" JSON_INTEGER_FORMAT, number(q, "used"));
	}
	ctl_table_print(&t, "    ", stdout);
}

static void show_virtio(const json_t *virtio)
{
	const json_t *status = json_object_get(virtio, "status");
	json_t *word;
	size_t i;

	printf("  virtio   status");
	json_array_foreach(status, i, word)
		printf(" %s", json_string_value(word));
	printf("%s\n  features offered  %s\n           accepted %s\n",
	       json_array_size(status) ? "" : " reset", text(virtio, "offered"),
	       text(virtio, "accepted"));
}

static void show_socket(const json_t *s)
{
	const char *error = json_string_value(json_object_get(s, "error"));
	const char *hint = json_string_value(json_object_get(s, "hint"));

	if (!json_is_object(s)) {
		puts("  socket   none declared");
		return;
	}
	printf("  socket   %s: %s%s%s\n", text(s, "path"), text(s, "state"),
	       error ? ": " : "", error ? error : "");
	if (hint)
		printf("           %s\n", hint);
}

static void show_intx(const json_t *intx)
{
	const json_t *gsi = json_object_get(intx, "gsi");

	if (!json_is_string(json_object_get(intx, "pin"))) {
		puts("  intx     no pin");
		return;
	}
	printf("  intx     pin %s %s, ", text(intx, "pin"),
	       json_is_true(json_object_get(intx, "asserted")) ? "asserted"
							       : "silent");
	if (json_is_integer(gsi))
		printf("GSI %" JSON_INTEGER_FORMAT, json_integer_value(gsi));
	else
		fputs("line of its own", stdout);
	printf(" %s, %s\n",
	       json_is_true(json_object_get(intx, "level")) ? "high" : "low",
	       json_is_true(json_object_get(intx, "bound"))
		       ? "bound to an eventfd"
		       : "not bound");
}

static void show_function(const json_t *f)
{
	const json_t *msix = json_object_get(f, "msix");

	printf("\n%s %s [%s:%s] %s, memory %s, bus master %s\n",
	       text(f, "address"), text(f, "device"), text(f, "vendor_id"),
	       text(f, "device_id"),
	       json_is_true(json_object_get(f, "attached")) ? "attached"
							    : "not attached",
	       yes(f, "memory"), yes(f, "bus_master"));
	show_socket(json_object_get(f, "socket"));
	show_virtio(json_object_get(f, "virtio"));
	printf("  msi-x    %" JSON_INTEGER_FORMAT
	       " vectors, enabled %s, %" JSON_INTEGER_FORMAT
	       " bound to eventfds\n",
	       number(msix, "vectors"), yes(msix, "enabled"),
	       number(msix, "bound"));
	show_intx(json_object_get(f, "intx"));
	show_bars(json_object_get(f, "bars"));
	show_queues(json_object_get(f, "queues"));
}

bool ctl_print_machine(const json_t *machine, const char *address)
{
	bool found = !address;
	json_t *f;
	size_t i;

	if (!address) {
		printf("machine   %s on loop %" JSON_INTEGER_FORMAT "\n",
		       text(machine, "name"), number(machine, "loop"));
		printf("uuid      %s, epoch %" JSON_INTEGER_FORMAT "\n",
		       text(machine, "uuid"), number(machine, "epoch"));
		show_attachments(machine);
		show_buses(machine);
	}
	json_array_foreach(json_object_get(machine, "functions"), i, f)
	{
		if (address && strcmp(address, text(f, "address")))
			continue;
		show_function(f);
		found = true;
	}
	return found;
}
