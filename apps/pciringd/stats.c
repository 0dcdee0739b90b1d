/* SPDX-License-Identifier: BSD-3-Clause */
/* How: a snapshot, put into words. */
#include "apps/pciringd/stats.h"

#include "apps/pciringd/address.h"
#include "apps/pciringd/show.h"
#include "apps/pciringd/snapshot.h"

static void put(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *queue_stats(unsigned int index, const struct snapshot_queue *q)
{
	json_t *o = json_object();

	put(o, "index", index);
	put(o, "size", q->state.size);
	json_object_set_new(o, "enabled", json_boolean(q->state.enabled));
	json_object_set_new(o, "broken", json_boolean(q->state.broken));
	put(o, "kicks", q->stats.kicks);
	put(o, "chains", q->stats.chains);
	put(o, "bytes_read", q->stats.bytes_read);
	put(o, "bytes_written", q->stats.bytes_written);
	put(o, "interrupts", q->stats.interrupts);
	put(o, "suppressed", q->stats.suppressed);
	put(o, "coalesced", q->stats.coalesced);
	put(o, "looks", q->stats.looks);
	put(o, "bad_requests", q->stats.bad_requests);
	return o;
}

static json_t *access_stats(const struct snapshot_function *f)
{
	json_t *o = json_object();

	put(o, "config_read", f->accesses.config_reads);
	put(o, "config_write", f->accesses.config_writes);
	put(o, "bar_read", f->accesses.bar_reads);
	put(o, "bar_write", f->accesses.bar_writes);
	put(o, "notify", f->notifies);
	put(o, "page_kicks", f->page_kicks);
	put(o, "eventfd_kicks", f->eventfd_kicks);
	put(o, "posted", f->posted);
	put(o, "bad", f->accesses.bad);
	return o;
}

/* What it counts itself; NULL: nothing. */
static json_t *device_counters(const struct service_function *f)
{
	struct virtio_device *d = f->function->device;
	uint64_t value[VIRTIO_DEVICE_COUNTERS];
	const char *const *name;
	unsigned int n;
	json_t *o;

	if (!d->ops->counters)
		return NULL;
	n = d->ops->counters(d, &name, value, ARRAY_SIZE(value));
	o = json_object();
	for (unsigned int i = 0; i < n; i++)
		put(o, name[i], value[i]);
	return o;
}

static json_t *intx_stats(const struct snapshot_intx *i)
{
	json_t *o = json_object();

	put(o, "rises", i->rises);
	put(o, "merged", i->merged);
	put(o, "signals", i->signals);
	put(o, "resamples", i->resamples);
	return o;
}

static uint64_t bad_requests(const struct snapshot_function *f)
{
	uint64_t n = 0;

	for (unsigned int q = 0; q < f->nr_queues; q++)
		n += f->queue[q].stats.bad_requests;
	return n;
}

static json_t *function_stats(const struct snapshot_function *f)
{
	json_t *o = json_object(), *queues = json_array(), *own;
	uint64_t chains = 0, bytes = 0;
	char address[ADDRESS_TEXT];

	for (unsigned int q = 0; q < f->nr_queues; q++) {
		chains += f->queue[q].stats.chains;
		bytes += f->queue[q].stats.bytes_read +
			 f->queue[q].stats.bytes_written;
		json_array_append_new(queues, queue_stats(q, &f->queue[q]));
	}
	json_object_set_new(o, "address",
			    json_string(address_format(address, f->of->bdf)));
	json_object_set_new(o, "device",
			    json_string(f->of->function->type->name));
	json_object_set_new(o, "accesses", access_stats(f));
	json_object_set_new(o, "queues", queues);
	own = device_counters(f->of);
	if (own)
		json_object_set_new(o, "counters", own);
	put(o, "chains", chains);
	put(o, "bytes", bytes);
	/* A message of plain MSI is a rise of what would be INTx. */
	put(o, "interrupts", f->interrupts.fired + f->intx.rises);
	put(o, "latched",
	    f->interrupts.latched + f->interrupts.masked + f->msi.latched +
		    f->msi.masked);
	put(o, "no_vector", f->no_vector);
	json_object_set_new(o, "intx", intx_stats(&f->intx));
	put(o, "resets", f->virtio_stats.resets);
	put(o, "needs_reset", f->virtio_stats.needs_reset);
	put(o, "bad_kicks", f->virtio_stats.bad_kicks);
	put(o, "bad_requests", bad_requests(f));
	put(o, "bad_writes", f->virtio_stats.bad_writes);
	return o;
}

static uint64_t sum(const uint64_t *words, size_t n)
{
	uint64_t total = 0;

	while (n--)
		total += *words++;
	return total;
}

static json_t *link_stats_of(const struct snapshot_link *l)
{
	const struct attachment *a = l->of;
	json_t *o = json_object();
	char address[ADDRESS_TEXT];
	bool whole = a->link.scope == PCIRING_SCOPE_MACHINE;

	json_object_set_new(o, "name", show_client_name(a->name));
	put(o, "pid", (uint64_t)a->pid);
	json_object_set_new(
		o, "scope",
		json_string(whole ? "machine"
				  : address_format(address, a->link.bdf)));
	put(o, "lanes", a->channel.geo.lanes);
	json_object_set_new(
		o, "path",
		json_string(a->channel.mailbox ? "mailbox" : "rings"));
	put(o, "regions", l->regions);
	put(o, "files", attachment_files(a->machine));
	put(o, "bytes_lent", a->bytes);
	put(o, "requests", l->channel.requests);
	put(o, "completions", l->channel.completions);
	put(o, "irqs", l->channel.irqs);
	put(o, "irq_full", l->channel.irq_full);
	put(o, "wakes", l->channel.wakes);
	put(o, "resamples", l->resamples);
	put(o, "bad_requests", l->channel.bad_requests);
	put(o, "reads", sum(l->link.reads, ARRAY_SIZE(l->link.reads)));
	put(o, "writes", sum(l->link.writes, ARRAY_SIZE(l->link.writes)));
	put(o, "posted", l->link.posted);
	put(o, "nowhere", l->link.nowhere);
	put(o, "refused", l->link.refused);
	return o;
}

json_t *stats_links_broken(const uint64_t count[CHANNEL_NR_FAULTS])
{
	json_t *o = json_object();

	put(o, "total", count[CHANNEL_WHOLE]);
	for (unsigned int i = 1; i < CHANNEL_NR_FAULTS; i++)
		put(o, attachment_fault((enum channel_fault)i), count[i]);
	return o;
}

json_t *stats_machine(struct service_machine *m)
{
	json_t *functions, *links;
	struct snapshot s;

	if (snapshot_take(m, &s))
		return NULL;
	functions = json_array();
	for (unsigned int i = 0; i < s.nr_functions; i++)
		json_array_append_new(functions,
				      function_stats(&s.function[i]));
	links = json_array();
	for (unsigned int i = 0; i < s.nr_links; i++)
		json_array_append_new(links, link_stats_of(&s.link[i]));
	snapshot_fini(&s);
	return json_pack("{ss si so so so}", "machine", m->machine->name,
			 "loop", m->loop ? (int)loop_index(m->loop) : 0,
			 "functions", functions, "links", links, "links_broken",
			 stats_links_broken(m->links_broken));
}

json_t *stats_all(struct service *s)
{
	json_t *list = json_array();

	for (struct service_machine *m = s->machines; m; m = m->next)
		json_array_append_new(list, stats_machine(m));
	return list;
}
