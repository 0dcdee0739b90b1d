/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: readable spans come before writable ones, so the header, and with it
 * the direction of the data, is known when the first writable one comes.  Only
 * spans in the data's direction are kept.  The last writable byte is known to
 * be the status when the walk is over; it is then taken off the data again.
 *
 * A transfer is some whole pieces and perhaps a part of one more: that one is
 * shortened in place, and what was cut off waits in r->rest.
 */
#include "transport/devices/blk_request.h"

#include <stdlib.h>

#define HEADER_BYTES 16u
#define FIRST_ROOM   8u

struct walk {
	uint8_t header[HEADER_BYTES];
	uint32_t have; /* of the header */
	struct vq_span last;
};

struct blk_request *blk_request_new(struct blk *blk, uint16_t queue)
{
	struct blk_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->blk = blk;
	r->queue = queue;
	return r;
}

void blk_request_free(struct blk_request *r)
{
	free(r->iov);
	free(r);
}

static bool make_room(struct blk_request *r)
{
	const unsigned int room = r->room ? 2 * r->room : FIRST_ROOM;
	struct iovec *iov;

	if (r->nr < r->room)
		return true;
	iov = realloc(r->iov, room * sizeof(*iov));
	if (!iov)
		return false;
	r->iov = iov;
	r->room = room;
	return true;
}

static void keep(struct blk_request *r, const struct vq_span *s)
{
	if (!make_room(r)) {
		r->no_memory = true;
		return;
	}
	r->iov[r->nr++] =
		(struct iovec){ .iov_base = s->host, .iov_len = s->len };
	r->data += s->len;
}

/* Take from @s what the header still lacks. */
static void take_header(struct walk *w, struct vq_span *s)
{
	uint32_t n = HEADER_BYTES - w->have;

	if (n > s->len)
		n = s->len;
	memcpy(w->header + w->have, s->host, n);
	/* The compiler may not go back to guest memory for a field. */
	__asm__ volatile("" ::: "memory");
	w->have += n;
	s->host = (uint8_t *)s->host + n;
	s->len -= n;
}

static void take_span(struct blk_request *r, struct walk *w, struct vq_span *s)
{
	if (s->write) {
		w->last = *s;
		r->writable += s->len;
	} else if (w->have < HEADER_BYTES) {
		take_header(w, s);
		r->type = (uint32_t)load_le(w->header, 4);
		r->sector = load_le(w->header + 8, 8);
	}
	if (s->len && s->write == (r->type != BLK_T_OUT))
		keep(r, s);
}

static void take_status(struct blk_request *r, const struct walk *w)
{
	r->status = (uint8_t *)w->last.host + w->last.len - 1;
	if (r->type == BLK_T_OUT || !r->nr)
		return;
	r->data--;
	if (!--r->iov[r->nr - 1].iov_len)
		r->nr--;
}

static void forget(struct blk_request *r)
{
	r->chain = r->start;
	r->parsed = false;
	r->no_memory = false;
	r->type = BLK_T_IN;
	r->data = 0;
	r->done = 0;
	r->writable = 0;
	r->nr = 0;
	r->at = 0;
	r->rest = (struct iovec){ NULL, 0 };
	r->spans = 0;
}

enum blk_parsed blk_request_parse(struct blk_request *r)
{
	struct walk w = { .have = 0 };
	struct vq_span span;
	int n;

	forget(r);
	while ((n = vq_chain_next(&r->chain, &span)) > 0) {
		if (++r->spans > BLK_MAX_SPANS)
			return BLK_BAD;
		take_span(r, &w, &span);
	}
	if (n < 0)
		return BLK_BROKE;
	if (!r->writable)
		return BLK_BAD;
	take_status(r, &w);
	r->short_header = w.have < HEADER_BYTES;
	r->parsed = true;
	return BLK_PARSED;
}

void blk_request_cut(struct blk_request *r, uint64_t most)
{
	unsigned int i = r->at;
	uint64_t left = r->data - r->done;
	struct iovec *v;

	if (left > most)
		left = most;
	r->io.offset = r->sector * BLK_SECTOR + r->done;
	r->io.bytes = left;
	r->io.iov = left ? &r->iov[i] : NULL;
	for (; left; i++) {
		v = &r->iov[i];
		if (v->iov_len > left) {
			r->rest.iov_base = (uint8_t *)v->iov_base + left;
			r->rest.iov_len = v->iov_len - left;
			v->iov_len = left;
		}
		left -= v->iov_len;
	}
	r->io.nr = i - r->at;
}

void blk_request_advance(struct blk_request *r)
{
	r->done += r->io.bytes;
	r->at += r->io.nr;
	if (!r->rest.iov_len)
		return;
	r->iov[--r->at] = r->rest;
	r->rest = (struct iovec){ NULL, 0 };
}

void blk_request_fill(struct blk_request *r, const void *from, size_t len)
{
	const uint8_t *p = from;
	unsigned int i;
	size_t n;

	for (i = 0; i < r->nr && len; i++, p += n, len -= n) {
		n = r->iov[i].iov_len < len ? r->iov[i].iov_len : len;
		memcpy(r->iov[i].iov_base, p, n);
		r->done += n;
	}
}

uint32_t blk_request_written(const struct blk_request *r)
{
	const uint64_t n = r->type == BLK_T_OUT ? 0 : r->done;

	return (uint32_t)(n + 1 == r->writable ? n + 1 : n);
}
