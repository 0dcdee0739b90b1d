/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON is written by hand: all strings in it are hexadecimal digits, words of
 * ours, or the name of a driver, which is escaped.
 */
#include "apps/probe/print.h"

#include <inttypes.h>

static void print_size(FILE *out, uint64_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	unsigned int i = 0;

	while (size >= 1024 && !(size % 1024) && i + 1 < ARRAY_SIZE(units)) {
		size /= 1024;
		i++;
	}
	fprintf(out, "%" PRIu64 " %s", size, units[i]);
}

static void text_bar(FILE *out, unsigned int nr, const struct func_bar *bar)
{
	if (!bar->size)
		return;
	fprintf(out, "    bar%u %s 0x%" PRIx64 " ", nr,
		bar->io	     ? "io"
		: bar->is_64 ? "mem64"
			     : "mem32",
		bar->address);
	print_size(out, bar->size);
	fprintf(out, "%s\n", bar->prefetch ? " prefetchable" : "");
}

static void text_msix(FILE *out, const struct cap_msix *m)
{
	fprintf(out, " %u vectors, %s%s, table bar%u+0x%x, pba bar%u+0x%x",
		m->vectors, m->enabled ? "enabled" : "disabled",
		m->masked ? " and masked" : "", m->table_bar, m->table_offset,
		m->pba_bar, m->pba_offset);
}

static void text_virtio(FILE *out, const struct cap_virtio *v)
{
	const char *name = cap_virtio_name(v->type);

	fprintf(out, " virtio ");
	if (name)
		fprintf(out, "%s", name);
	else
		fprintf(out, "type %u", v->type);
	if (v->type == VIRTIO_CAP_PCI)
		return;
	fprintf(out, ": bar%u+0x%" PRIx64 " ", v->bar, v->offset);
	print_size(out, v->length);
	if (v->type == VIRTIO_CAP_NOTIFY)
		fprintf(out, ", multiplier %u", v->notify_multiplier);
}

static void text_cap(FILE *out, const struct cap *cap)
{
	const char *name = cap_name(cap->id);

	fprintf(out, "    cap %02x", cap->position);
	if (name)
		fprintf(out, " %s", name);
	else
		fprintf(out, " id %02x", cap->id);
	if (cap->kind == CAP_MSIX)
		text_msix(out, &cap->msix);
	if (cap->kind == CAP_VIRTIO)
		text_virtio(out, &cap->virtio);
	fputc('\n', out);
}

void print_text(FILE *out, const struct func *f)
{
	const char *virtio = func_virtio_name(f);

	fprintf(out, "%s [%04x:%04x] class %06x rev %02x subsystem %04x:%04x",
		f->address, f->vendor, f->device, f->class_code, f->revision,
		f->sub_vendor, f->sub_device);
	if (virtio)
		fprintf(out, " virtio-%s", virtio);
	fprintf(out, " driver %s\n", f->driver[0] ? f->driver : "none");
	for (unsigned int i = 0; i < FUNC_BARS; i++)
		text_bar(out, i, &f->bars[i]);
	for (unsigned int i = 0; i < f->nr_caps; i++)
		text_cap(out, &f->caps[i]);
	if (f->caps_end == CAPS_UNREADABLE)
		fprintf(out, "    capabilities: only root may read them\n");
	if (f->caps_end == CAPS_BROKEN)
		fprintf(out, "    capabilities: the list is broken here\n");
}

static void json_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static const char *json_bool(bool b)
{
	return b ? "true" : "false";
}

static void json_bars(FILE *out, const struct func *f)
{
	const char *comma = "";

	fprintf(out, ",\"bars\":[");
	for (unsigned int i = 0; i < FUNC_BARS; i++) {
		const struct func_bar *bar = &f->bars[i];

		if (!bar->size)
			continue;
		fprintf(out,
			"%s{\"bar\":%u,\"type\":\"%s\",\"bits\":%u,"
			"\"prefetchable\":%s,\"address\":\"%" PRIx64
			"\",\"size\":%" PRIu64 "}",
			comma, i, bar->io ? "io" : "mem", bar->is_64 ? 64 : 32,
			json_bool(bar->prefetch), bar->address, bar->size);
		comma = ",";
	}
	fputc(']', out);
}

static void json_msix(FILE *out, const struct cap_msix *m)
{
	fprintf(out,
		",\"msix\":{\"vectors\":%u,\"enabled\":%s,\"masked\":%s,"
		"\"table\":{\"bar\":%u,\"offset\":%u},"
		"\"pba\":{\"bar\":%u,\"offset\":%u}}",
		m->vectors, json_bool(m->enabled), json_bool(m->masked),
		m->table_bar, m->table_offset, m->pba_bar, m->pba_offset);
}

static void json_virtio(FILE *out, const struct cap_virtio *v)
{
	const char *name = cap_virtio_name(v->type);

	fprintf(out, ",\"virtio\":{\"type\":%u,\"name\":", v->type);
	json_string(out, name ? name : "");
	fprintf(out,
		",\"bar\":%u,\"id\":%u,\"offset\":%" PRIu64
		",\"length\":%" PRIu64,
		v->bar, v->id, v->offset, v->length);
	if (v->type == VIRTIO_CAP_NOTIFY)
		fprintf(out, ",\"multiplier\":%u", v->notify_multiplier);
	fputc('}', out);
}

static void json_caps(FILE *out, const struct func *f)
{
	static const char *const ends[] = {
		[CAPS_COMPLETE] = "complete",
		[CAPS_UNREADABLE] = "unreadable",
		[CAPS_BROKEN] = "broken",
	};

	fprintf(out, ",\"capabilities_list\":\"%s\",\"capabilities\":[",
		ends[f->caps_end]);
	for (unsigned int i = 0; i < f->nr_caps; i++) {
		const struct cap *cap = &f->caps[i];

		fprintf(out, "%s{\"position\":%u,\"id\":%u", i ? "," : "",
			cap->position, cap->id);
		if (cap->kind == CAP_MSIX)
			json_msix(out, &cap->msix);
		if (cap->kind == CAP_VIRTIO)
			json_virtio(out, &cap->virtio);
		fputc('}', out);
	}
	fputc(']', out);
}

void print_json(FILE *out, const struct func *f)
{
	const char *virtio = func_virtio_name(f);

	fprintf(out,
		"{\"address\":\"%s\",\"vendor\":\"%04x\",\"device\":\"%04x\","
		"\"subsystem_vendor\":\"%04x\",\"subsystem_device\":\"%04x\","
		"\"class\":\"%06x\",\"revision\":\"%02x\",\"virtio\":",
		f->address, f->vendor, f->device, f->sub_vendor, f->sub_device,
		f->class_code, f->revision);
	if (virtio)
		json_string(out, virtio);
	else
		fprintf(out, "null");
	fprintf(out, ",\"driver\":");
	if (f->driver[0])
		json_string(out, f->driver);
	else
		fprintf(out, "null");
	json_bars(out, f);
	json_caps(out, f);
	fputc('}', out);
}
