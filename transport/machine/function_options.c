/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a table of names, each with who reads its value.  Times are what the
 * operator can think in, and become ticks here.
 */
#include "transport/machine/function_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "ring/ticks.h"

/* An interrupt that waits longer is one that was lost; a queue that is hot for
 * longer is what poll=always is for. */
#define MOST_US	    100000u
#define MOST_CHAINS VQ_MAX_SIZE

const char *const function_options[] = {
	"poll: adaptive, or always, for drivers that never kick",
	"hot_us: how long a queue is looked at after it had work, 0 to 100000",
	"coalesce_us: how long an interrupt may wait for more, 0 to 100000",
	"coalesce_chains: that many are told of at once, 0 to 32768",
	"queue_size: the largest a queue can be, a power of 2 from 2 to 32768",
	"packed: offer packed rings, true or false",
	"in_order: offer use in order, true or false",
	"event_idx: offer event indices, true or false",
	"indirect: offer indirect descriptors, true or false",
	"ring_reset: offer reset of single queues, true or false",
	"notification_data: offer data in kicks, true or false",
	"notif_config_data: offer the device's words in kicks, true or false",
	NULL,
};

/* ---- Values ------------------------------------------------------------------ */

static bool number(const char *text, uint32_t most, uint32_t *out)
{
	unsigned long long n;
	char *end;

	/* strtoull() would take signs and blanks. */
	if (*text < '0' || *text > '9')
		return false;
	n = strtoull(text, &end, 10);
	if (*end || n > most)
		return false;
	*out = (uint32_t)n;
	return true;
}

static const char *set_poll(struct virtio_options *o, const char *value,
			    unsigned int bit)
{
	(void)bit;
	o->poll.always = !strcmp(value, "always");
	return o->poll.always || !strcmp(value, "adaptive")
		       ? NULL
		       : "adaptive or always";
}

static const char *set_hot(struct virtio_options *o, const char *value,
			   unsigned int bit)
{
	uint32_t us;

	(void)bit;
	if (!number(value, MOST_US, &us))
		return "0 to 100000 microseconds";
	o->poll.hot = ticks_of_us(us);
	return NULL;
}

static const char *set_coalesce(struct virtio_options *o, const char *value,
				unsigned int bit)
{
	uint32_t us;

	(void)bit;
	if (!number(value, MOST_US, &us))
		return "0 to 100000 microseconds";
	o->coalesce.ticks = ticks_of_us(us);
	return NULL;
}

static const char *set_chains(struct virtio_options *o, const char *value,
			      unsigned int bit)
{
	(void)bit;
	return number(value, MOST_CHAINS, &o->coalesce.chains) ? NULL
							       : "0 to 32768";
}

static const char *set_size(struct virtio_options *o, const char *value,
			    unsigned int bit)
{
	uint32_t size;

	(void)bit;
	if (!number(value, VQ_MAX_SIZE, &size) || size < 2 ||
	    !is_power_of_2(size))
		return "a power of 2 from 2 to 32768";
	o->queue_max = (uint16_t)size;
	return NULL;
}

static const char *set_feature(struct virtio_options *o, const char *value,
			       unsigned int bit)
{
	if (!strcmp(value, "true"))
		virtio_set(&o->offer, bit);
	else if (!strcmp(value, "false"))
		virtio_clear(&o->offer, bit);
	else
		return "true or false";
	return NULL;
}

static const struct key {
	const char *name;
	/* What it should be, if it is not. */
	const char *(*set)(struct virtio_options *o, const char *value,
			   unsigned int bit);
	unsigned int bit;
} keys[] = {
	{ "poll", set_poll, 0 },
	{ "hot_us", set_hot, 0 },
	{ "coalesce_us", set_coalesce, 0 },
	{ "coalesce_chains", set_chains, 0 },
	{ "queue_size", set_size, 0 },
	{ "packed", set_feature, VIRTIO_F_RING_PACKED },
	{ "in_order", set_feature, VIRTIO_F_IN_ORDER },
	{ "event_idx", set_feature, VIRTIO_F_EVENT_IDX },
	{ "indirect", set_feature, VIRTIO_F_INDIRECT_DESC },
	{ "ring_reset", set_feature, VIRTIO_F_RING_RESET },
	{ "notification_data", set_feature, VIRTIO_F_NOTIFICATION_DATA },
	{ "notif_config_data", set_feature, VIRTIO_F_NOTIF_CONFIG_DATA },
};
static_assert(ARRAY_SIZE(keys) + 1 == ARRAY_SIZE(function_options),
	      "each has its line of help");

/* ---- Parsing ----------------------------------------------------------------- */

static const struct key *find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

int function_options_parse(const struct device_option *opt, unsigned int nr_opt,
			   struct virtio_options *out,
			   struct device_option *rest, unsigned int *nr_rest,
			   char *error, size_t room)
{
	const struct key *key;
	const char *should;

	*out = (struct virtio_options){
		.offer = VIRTIO_OFFER_DEFAULT,
		.poll.hot = ticks_of_us(VIRTIO_HOT_US),
	};
	*nr_rest = 0;
	for (unsigned int i = 0; i < nr_opt; i++) {
		key = find(opt[i].key);
		if (!key) {
			rest[(*nr_rest)++] = opt[i];
			continue;
		}
		should = key->set(out, opt[i].value, key->bit);
		if (!should)
			continue;
		snprintf(error, room, "option %s is \"%.32s\"; it should be %s",
			 key->name, opt[i].value, should);
		return -EINVAL;
	}
	return 0;
}
