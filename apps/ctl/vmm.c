/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: guest memory must be shared, or the service could not reach it; all
 * else is one option per declared socket.  Values go through a quoting for the
 * place where they are pasted.
 */
#include "apps/ctl/vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char ctl_vmm_names[] = "qemu, cloud-hypervisor, libvirt";

/* ---- Quoting -------------------------------------------------------------------- */

static void put_shell(const char *s)
{
	putchar('\'');
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*s);
	}
	putchar('\'');
}

static void put_xml(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", stdout);
			break;
		case '<':
			fputs("&lt;", stdout);
			break;
		case '\'':
			fputs("&apos;", stdout);
			break;
		default:
			putchar(*s);
		}
	}
}

/* QEMU's -device in its JSON form; the caller frees it. */
static char *qemu_device(const char *path)
{
	json_t *o = json_pack("{ss s{ss ss}}", "driver", "vfio-user-pci",
			      "socket", "type", "unix", "path", path);
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text;
}

/* ---- The VMMs -------------------------------------------------------------------- */

static void qemu_begin(const char *memory)
{
	printf("# tested: QEMU 10.1 and later, by `make demo'\n"
	       "qemu-system-x86_64 -m %s \\\n"
	       "  -object memory-backend-memfd,id=ram,size=%s,share=on \\\n"
	       "  -machine q35,memory-backend=ram",
	       memory, memory);
}

static void qemu_socket(const char *path)
{
	char *device = qemu_device(path);

	fputs(" \\\n  -device ", stdout);
	put_shell(device ? device : "");
	free(device);
}

static void line_end(void)
{
	putchar('\n');
}

static void ch_begin(const char *memory)
{
	printf("# untested with cloud-hypervisor itself; a scripted client "
	       "with "
	       "its profile is tested\n"
	       "cloud-hypervisor --memory size=%s,shared=on",
	       memory);
}

static void ch_socket(const char *path)
{
	printf(" \\\n  --user-device ");
	fputs("socket=", stdout);
	put_shell(path);
}

static void libvirt_begin(const char *memory)
{
	(void)memory; /* the domain has its own */
	fputs("<!-- untested; merge into the domain, whose QEMU must be 10.1 "
	      "or later -->\n"
	      "<domain type='kvm' "
	      "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
	      "  <memoryBacking>\n"
	      "    <source type='memfd'/>\n"
	      "    <access mode='shared'/>\n"
	      "  </memoryBacking>\n"
	      "  <qemu:commandline>\n",
	      stdout);
}

static void libvirt_socket(const char *path)
{
	char *device = qemu_device(path);

	fputs("    <qemu:arg value='-device'/>\n    <qemu:arg value='", stdout);
	put_xml(device ? device : "");
	fputs("'/>\n", stdout);
	free(device);
}

static void libvirt_end(void)
{
	fputs("  </qemu:commandline>\n</domain>\n", stdout);
}

static const struct vmm {
	const char *name;
	void (*begin)(const char *memory);
	void (*socket)(const char *path);
	void (*end)(void);
} vmms[] = {
	{ "qemu", qemu_begin, qemu_socket, line_end },
	{ "cloud-hypervisor", ch_begin, ch_socket, line_end },
	{ "libvirt", libvirt_begin, libvirt_socket, libvirt_end },
};

static const struct vmm *find(const char *name)
{
	for (size_t i = 0; i < sizeof(vmms) / sizeof(vmms[0]); i++)
		if (!strcmp(vmms[i].name, name))
			return &vmms[i];
	return NULL;
}

/* ---- What there is to connect --------------------------------------------------- */

static const char *socket_path(const json_t *f)
{
	return json_string_value(
		json_object_get(json_object_get(f, "socket"), "path"));
}

/* How many functions have a socket; a word about those that have none, and
 * about a proxy that does not run. */
static unsigned int check_sockets(const json_t *machine)
{
	const char *name = json_string_value(json_object_get(machine, "name"));
	const json_t *hint = NULL;
	unsigned int n = 0;
	json_t *f;
	size_t i;

	json_array_foreach(json_object_get(machine, "functions"), i, f)
	{
		const char *address =
			json_string_value(json_object_get(f, "address"));

		if (!socket_path(f)) {
			fprintf(stderr,
				"pciringctl: %s has no socket; declare one "
				"with: pciringctl socket %s %s PATH\n",
				address, name, address);
			continue;
		}
		n++;
		hint = json_object_get(json_object_get(f, "socket"), "hint");
	}
	if (hint)
		fprintf(stderr, "pciringctl: no proxy serves %s; %s\n", name,
			json_string_value(hint));
	return n;
}

int ctl_vmm_print(const char *vmm, const json_t *machine, const char *memory)
{
	const struct vmm *v = find(vmm);
	const char *path;
	json_t *f;
	size_t i;

	if (!v) {
		fprintf(stderr, "pciringctl: no VMM \"%s\"; there are: %s\n",
			vmm, ctl_vmm_names);
		return 1;
	}
	if (!check_sockets(machine)) {
		fprintf(stderr, "pciringctl: nothing to connect to\n");
		return 1;
	}
	v->begin(memory);
	json_array_foreach(json_object_get(machine, "functions"), i, f)
	{
		path = socket_path(f);
		if (path)
			v->socket(path);
	}
	v->end();
	return 0;
}
