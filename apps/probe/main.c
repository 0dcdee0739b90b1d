/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciring-probe - the PCI functions of the system it runs on
 *
 * It is made for a guest, where it shows what the guest's kernel sees of the
 * functions which pciring serves; it runs on any Linux.
 */
#include <dirent.h>
#include <getopt.h>
#include <pciaccess.h>
#include <stdio.h>

#include "apps/probe/print.h"

static const char usage[] =
	"usage: pciring-probe [--json]\n"
	"Lists the PCI functions of this system: ids, BARs, capabilities,\n"
	"and the driver each is bound to.\n"
	"\n"
	"  --json      the same as one JSON object on one line\n"
	"  --help      this text\n"
	"  --version   the version\n"
	"\n"
	"Only root may read capabilities.  The exit code is 0 if the list is\n"
	"complete (also if it is empty), 1 if a function could not be read,\n"
	"2 for a wrong command line.\n";

struct options {
	bool json;
};

/* Returns the exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("pciring-probe " PCIRING_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pciring-probe: unexpected '%s'\n",
			argv[optind]);
		return 2;
	}
	return -1;
}

/* Without one libpciaccess fails like for any other reason. */
static bool have_bus(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");

	if (!dir)
		return false;
	closedir(dir);
	return true;
}

static void print_one(const struct options *o, const struct func *f,
		      unsigned int nr)
{
	if (!o->json) {
		print_text(stdout, f);
		return;
	}
	if (nr)
		fputc(',', stdout);
	print_json(stdout, f);
}

/* Returns the number of functions that could not be read. */
static unsigned int list(const struct options *o, unsigned int *nr)
{
	struct pci_device_iterator *it = pci_slot_match_iterator_create(NULL);
	unsigned int failed = 0;
	struct pci_device *dev;
	struct func f;

	while (it && (dev = pci_device_next(it))) {
		int err = func_read(&f, dev);

		if (err) {
			fprintf(stderr, "pciring-probe: %02x:%02x.%x: %s\n",
				dev->bus, dev->dev, dev->func, strerror(-err));
			failed++;
			continue;
		}
		print_one(o, &f, (*nr)++);
	}
	pci_iterator_destroy(it);
	return failed;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	unsigned int nr = 0, failed = 0;
	bool bus = have_bus();
	int code, err;

	code = parse(argc, argv, &o);
	if (code >= 0)
		return code;
	err = bus ? pci_system_init() : 0;
	if (err) {
		fprintf(stderr, "pciring-probe: cannot list: %s\n",
			strerror(err < 0 ? -err : err));
		return 1;
	}
	if (o.json)
		fputs("{\"functions\":[", stdout);
	if (bus) {
		failed = list(&o, &nr);
		pci_system_cleanup();
	}
	if (o.json)
		puts("]}");
	else if (!bus)
		puts("this system has no PCI bus");
	else if (!nr && !failed)
		puts("no PCI functions");
	return failed ? 1 : 0;
}
