/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a snapshot, put into words.  A declared socket that nobody serves comes
 * with a hint, the command that would serve it.
 */
#include "apps/pciringd/show.h"

#include "apps/pciringd/address.h"
#include "apps/pciringd/snapshot.h"
#include "apps/pciringd/watcher.h"

static json_t *address_json(uint16_t bdf)
{
	char address[ADDRESS_TEXT];

	return json_string(address_format(address, bdf));
}

json_t *show_client_name(const char *name)
{
	json_t *s = json_string(name);

	return s ? s : json_string("?");
}

/* ---- Sockets ------------------------------------------------------------------ */

static const char *socket_state(const struct service_machine *m,
				const struct service_socket *s)
{
	static const char *const words[] = {
		[MSG_SOCKET_CLOSED] = "closed",
		[MSG_SOCKET_LISTENS] = "listens",
		[MSG_SOCKET_BUSY] = "busy",
	};

	if (!m->watcher)
		return "no proxy";
	return s->reported ? words[s->state] : "told";
}

static json_t *socket_json(const struct service_machine *m,
			   const struct service_function *f)
{
	const struct service_socket *s = &f->socket;
	const char *dir = m->service->dir;
	json_t *o;

	if (!s->path[0])
		return json_null();
	o = json_pack("{so ss sb}", "path", show_client_name(s->path), "state",
		      socket_state(m, s), "declared", s->declared);
	if (s->reported && s->error)
		json_object_set_new(o, "error",
				    json_string(strerror(-s->error)));
	if (!m->watcher)
		json_object_set_new(
			o, "hint",
			json_sprintf("run: pciring-vfio-user%s%s --machine %s",
				     dir ? " --dir " : "", dir ? dir : "",
				     m->machine->name));
	return o;
}

/* ---- List ----------------------------------------------------------------------- */

static json_t *list_functions(struct service_machine *m)
{
	json_t *list = json_array();

	for (struct service_function *f = m->functions; f; f = f->next)
		json_array_append_new(list,
				      json_pack("{so ss so}", "address",
						address_json(f->bdf), "device",
						f->function->type->name,
						"socket", socket_json(m, f)));
	return list;
}

static int loop_number(const struct service_machine *m)
{
	return m->loop ? (int)loop_index(m->loop) : 0;
}

json_t *show_machines(struct service *s)
{
	json_t *list = json_array();
	int attachments;

	for (struct service_machine *m = s->machines; m; m = m->next) {
		attachments = 0;
		for (struct attachment *a = m->attachments; a; a = a->next)
			attachments++;
		json_array_append_new(
			list,
			json_pack("{ss si si so}", "name", m->machine->name,
				  "loop", loop_number(m), "attachments",
				  attachments, "functions", list_functions(m)));
	}
	return list;
}

/* ---- Functions -------------------------------------------------------------------- */

static json_t *bars_json(const struct snapshot_function *f)
{
	const struct snapshot_bar *b;
	json_t *list = json_array(), *o;

	for (int i = 0; i < PCI_NR_BARS; i++) {
		b = &f->bar[i];
		if (!b->size)
			continue;
		o = json_pack("{si sI ss sb sb}", "bar", i, "size",
			      (json_int_t)b->size, "kind",
			      b->flags & PCI_BAR_IO ? "io" : "memory", "bits64",
			      (b->flags & PCI_BAR_64) != 0, "mapped",
			      b->mapped);
		if (b->mapped)
			json_object_set_new(
				o, "address",
				json_sprintf("0x%llx",
					     (unsigned long long)b->base));
		json_array_append_new(list, o);
	}
	return list;
}

/* The loop that runs queue @q of a function of @m. */
static int loop_of_queue(const struct service_machine *m,
			 const struct snapshot_queue *q)
{
	const struct service *s = m->service;

	for (unsigned int i = 0; q->at && i < s->nr_loops; i++)
		if (loop_worker(s->loop[i]) == q->at)
			return (int)i;
	return loop_number(m);
}

static json_t *queues_json(const struct service_machine *m,
			   const struct snapshot_function *f)
{
	const struct vq_state *q;
	json_t *list = json_array(), *o;

	for (int i = 0; i < f->nr_queues; i++) {
		q = &f->queue[i].state;
		o = json_pack("{si si sb sb si}", "index", i, "size",
			      (int)q->size, "enabled", q->enabled, "broken",
			      q->broken, "loop",
			      loop_of_queue(m, &f->queue[i]));
		/* How far it is only the loop knows that runs it. */
		if (!f->queue[i].at) {
			json_object_set_new(o, "avail",
					    json_integer(q->last_avail));
			json_object_set_new(o, "used", json_integer(q->used));
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *status_words(uint8_t status)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} bits[] = {
		{ VIRTIO_ACKNOWLEDGE, "ACKNOWLEDGE" },
		{ VIRTIO_DRIVER, "DRIVER" },
		{ VIRTIO_FEATURES_OK, "FEATURES_OK" },
		{ VIRTIO_DRIVER_OK, "DRIVER_OK" },
		{ VIRTIO_NEEDS_RESET, "NEEDS_RESET" },
		{ VIRTIO_FAILED, "FAILED" },
	};
	json_t *list = json_array();

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++)
		if (status & bits[i].bit)
			json_array_append_new(list, json_string(bits[i].word));
	return list;
}

static json_t *features_json(const struct virtio_features *f)
{
	return json_sprintf("0x%016llx%016llx", (unsigned long long)f->w[1],
			    (unsigned long long)f->w[0]);
}

static json_t *virtio_json(const struct virtio_state *v)
{
	return json_pack("{so so so si}", "status", status_words(v->status),
			 "offered", features_json(&v->offer), "accepted",
			 features_json(&v->driver), "generation",
			 (int)v->generation);
}

/* Where its pin leads, as far as a look at the function goes. */
static json_t *intx_json(const struct snapshot_intx *i)
{
	return json_pack("{so sb so sb sb}", "pin",
			 i->pin ? json_sprintf("%c", 'A' + i->pin - 1)
				: json_null(),
			 "asserted", i->asserted, "gsi",
			 i->gsi < 0 ? json_null() : json_integer(i->gsi),
			 "level", i->level, "bound", i->bound);
}

static json_t *function_json(const struct service_machine *m,
			     const struct snapshot_function *f)
{
	const struct service_function *of = f->of;
	uint8_t cmd = f->config[PCI_COMMAND];

	return json_pack(
		"{so ss so so so sb sb sb so s{si sb si} s{si sb} so so so so}",
		"address", address_json(of->bdf), "device",
		of->function->type->name, "options",
		service_function_options(of), "vendor_id",
		json_sprintf("%04x",
			     (unsigned int)load_le(f->config + PCI_VENDOR, 2)),
		"device_id",
		json_sprintf("%04x",
			     (unsigned int)load_le(f->config + PCI_DEVICE, 2)),
		"attached", f->attached, "memory", (cmd & PCI_COMMAND_MEM) != 0,
		"bus_master", (cmd & PCI_COMMAND_MASTER) != 0, "bars",
		bars_json(f), "msix", "vectors", (int)f->msix_vectors,
		"enabled", f->msix_enabled, "bound", (int)f->vectors_bound,
		"msi", "messages", (int)f->msi_messages, "enabled",
		f->msi_enabled, "intx", intx_json(&f->intx), "virtio",
		virtio_json(&f->virtio), "queues", queues_json(m, f), "socket",
		socket_json(m, of));
}

/* ---- A machine -------------------------------------------------------------------- */

static const char *irqchip_word(const struct attachment *a)
{
	static const char *const words[] = {
		[PCIRING_IRQCHIP_NONE] = "none",
		[PCIRING_IRQCHIP_LINES] = "lines",
		[PCIRING_IRQCHIP_SPLIT] = "split",
	};

	return words[a->irqchip];
}

static json_t *attachment_json(const struct snapshot_link *l)
{
	const struct attachment *a = l->of;

	return json_pack("{so si so si ss ss si sI}", "name",
			 show_client_name(a->name), "pid", a->pid, "scope",
			 a->link.scope == PCIRING_SCOPE_MACHINE
				 ? json_string("machine")
				 : address_json(a->link.bdf),
			 "lanes", (int)a->channel.geo.lanes, "interrupts",
			 a->link.remote ? "remote" : "native", "irqchip",
			 irqchip_word(a), "regions", (int)l->regions,
			 "bytes_lent", (json_int_t)a->bytes);
}

static json_t *proxy_json(const struct watcher *w)
{
	if (!w)
		return json_null();
	return json_pack("{so si}", "name", show_client_name(w->name), "pid",
			 w->pid);
}

/* In the order in which they were made: each behind one before it. */
static json_t *buses_json(const struct service_machine *m)
{
	json_t *list = json_array();

	for (const struct service_bus *b = m->buses; b; b = b->next)
		json_array_append_new(list, json_pack("{si si si}", "bus",
						      (int)b->number, "parent",
						      (int)b->parent, "device",
						      (int)b->device));
	return list;
}

static json_t *uuid_json(const uint8_t u[16])
{
	char text[37];
	size_t n = 0;

	for (unsigned int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[n++] = '-';
		text[n++] = "0123456789abcdef"[u[i] >> 4];
		text[n++] = "0123456789abcdef"[u[i] & 15];
	}
	text[n] = '\0';
	return json_string(text);
}

json_t *show_machine(struct service_machine *m)
{
	json_t *functions, *attachments;
	struct snapshot s;

	if (snapshot_take(m, &s))
		return NULL;
	functions = json_array();
	for (unsigned int i = 0; i < s.nr_functions; i++)
		json_array_append_new(functions,
				      function_json(m, &s.function[i]));
	attachments = json_array();
	for (unsigned int i = 0; i < s.nr_links; i++)
		json_array_append_new(attachments, attachment_json(&s.link[i]));
	snapshot_fini(&s);
	return json_pack("{ss so sI si so so so so}", "name", m->machine->name,
			 "uuid", uuid_json(m->machine->uuid), "epoch",
			 (json_int_t)m->machine->epoch, "loop", loop_number(m),
			 "attachments", attachments, "proxy",
			 proxy_json(m->watcher), "buses", buses_json(m),
			 "functions", functions);
}
