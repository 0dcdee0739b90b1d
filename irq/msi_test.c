/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/msi.h"
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define NR 130 /* three words, the last one partly used */

struct rig {
	struct msi_bank bank;
	struct sink_record sink;
	struct msi_vector vector[NR];
	uint64_t pending[MSI_PENDING_WORDS(NR)];
};

static int closed(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sink_record_init(&r->sink);
	msi_bank_init(&r->bank, r->vector, r->pending, NR, 0x18);
	msi_bank_set_next(&r->bank, &r->sink.stage, false);
	*state = r;
	return 0;
}

static void unmask(struct rig *r, unsigned int v)
{
	msi_set_vector(&r->bank, v, 0xfee00000 + v, 0x4000 + v, 0);
}

static void mask(struct rig *r, unsigned int v)
{
	msi_set_vector(&r->bank, v, 0xfee00000 + v, 0x4000 + v, 1);
}

static int open_unmasked(void **state)
{
	struct rig *r;

	closed(state);
	r = *state;
	for (unsigned int v = 0; v < NR; v++)
		unmask(r, v);
	msi_bank_set_open(&r->bank, true);
	return 0;
}

static int done(void **state)
{
	free(*state);
	return 0;
}

static void bank_starts_closed_masked_and_zero(void **state)
{
	struct rig *r = *state;

	assert_false(r->bank.open);
	for (unsigned int v = 0; v < NR; v++) {
		assert_int_equal(r->vector[v].control, 1);
		assert_int_equal(r->vector[v].address, 0);
		assert_int_equal(r->vector[v].data, 0);
		assert_false(msi_is_pending(&r->bank, v));
	}
}

static void open_unmasked_vector_sends_its_message_at_once(void **state)
{
	struct rig *r = *state;

	assert_int_equal(msi_send(&r->bank, 129), IRQ_QUEUED);
	assert_int_equal(r->sink.nr, 1);
	assert_int_equal(r->sink.message[0].address, 0xfee00000 + 129);
	assert_int_equal(r->sink.message[0].data, 0x4000 + 129);
	assert_int_equal(r->sink.message[0].requester_id, 0x18);
	assert_int_equal(r->sink.message[0].vector, 129);
	assert_false(msi_is_pending(&r->bank, 129));
}

static void event_on_a_vector_that_is_not_there_goes_nowhere(void **state)
{
	struct rig *r = *state;

	assert_int_equal(msi_send(&r->bank, NR), IRQ_DROPPED);
	assert_int_equal(msi_send(&r->bank, 0xffff), IRQ_DROPPED);
	assert_int_equal(msi_send(&r->bank, UINT32_MAX), IRQ_DROPPED);
	msi_set_vector(&r->bank, NR, 1, 2, 0);
	assert_false(msi_is_pending(&r->bank, NR));
	assert_int_equal(r->sink.nr, 0);
	for (unsigned int w = 0; w < ARRAY_SIZE(r->pending); w++)
		assert_int_equal(r->pending[w], 0);
}

/* rule 79 */
static void unmask_delivers_one_message_for_many_events(void **state)
{
	struct rig *r = *state;

	mask(r, 65);
	assert_int_equal(msi_send(&r->bank, 65), IRQ_LATCHED);
	assert_int_equal(msi_send(&r->bank, 65), IRQ_MERGED);
	assert_int_equal(msi_send(&r->bank, 65), IRQ_MERGED);
	assert_int_equal(r->sink.nr, 0);
	assert_true(msi_is_pending(&r->bank, 65));
	unmask(r, 65);
	assert_int_equal(r->sink.nr, 1);
	assert_false(msi_is_pending(&r->bank, 65));
	mask(r, 65);
	unmask(r, 65);
	assert_int_equal(r->sink.nr, 1);
}

/* rules 79, 85 */
static void pending_message_carries_address_and_data_of_the_unmask(void **state)
{
	struct rig *r = *state;

	mask(r, 3);
	msi_send(&r->bank, 3);
	msi_set_vector(&r->bank, 3, 0xfee11000, 0x77, 1);
	assert_int_equal(r->sink.nr, 0);
	msi_set_vector(&r->bank, 3, 0xfee22000, 0x88, 0);
	assert_int_equal(r->sink.nr, 1);
	assert_int_equal(r->sink.message[0].address, 0xfee22000);
	assert_int_equal(r->sink.message[0].data, 0x88);
}

/* rule 80 */
static void mask_latches_instead_of_dropping(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 10; i++) {
		mask(r, 7);
		msi_send(&r->bank, 7);
		unmask(r, 7);
	}
	assert_int_equal(r->sink.nr, 10);
}

/* rule 81 */
static void opening_replays_all_that_is_pending_and_unmasked(void **state)
{
	struct rig *r = *state;

	mask(r, 64);
	msi_bank_set_open(&r->bank, false);
	for (unsigned int v = 60; v < 70; v++)
		assert_int_equal(msi_send(&r->bank, v), IRQ_LATCHED);
	assert_int_equal(msi_send(&r->bank, NR - 1), IRQ_LATCHED);
	assert_int_equal(r->sink.nr, 0);
	msi_bank_set_open(&r->bank, true);
	assert_int_equal(r->sink.nr, 10);
	for (unsigned int i = 0; i < r->sink.nr; i++)
		assert_int_not_equal(r->sink.message[i].vector, 64);
	assert_int_equal(r->sink.message[9].vector, NR - 1);
	assert_true(msi_is_pending(&r->bank, 64));
	msi_bank_set_open(&r->bank, true);
	assert_int_equal(r->sink.nr, 10);
}

static void pending_stays_until_the_sink_took_the_message(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	assert_int_equal(msi_send(&r->bank, 1), IRQ_LATCHED);
	assert_int_equal(msi_send(&r->bank, 100), IRQ_LATCHED);
	msi_bank_flush(&r->bank);
	assert_true(msi_is_pending(&r->bank, 1));
	assert_true(msi_is_pending(&r->bank, 100));
	r->sink.refuse = false;
	msi_bank_flush(&r->bank);
	assert_int_equal(r->sink.nr, 2);
	assert_false(msi_is_pending(&r->bank, 1));
	assert_false(msi_is_pending(&r->bank, 100));
}

static void event_takes_a_pending_one_along(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	msi_send(&r->bank, 1);
	r->sink.refuse = false;
	assert_int_equal(msi_send(&r->bank, 1), IRQ_QUEUED);
	assert_false(msi_is_pending(&r->bank, 1));
	msi_bank_flush(&r->bank);
	assert_int_equal(r->sink.nr, 1);
}

static void without_a_sink_all_latches_until_there_is_one(void **state)
{
	struct rig *r = *state;

	msi_bank_set_next(&r->bank, NULL, false);
	assert_int_equal(msi_send(&r->bank, 5), IRQ_LATCHED);
	msi_bank_flush(&r->bank);
	assert_true(msi_is_pending(&r->bank, 5));
	msi_bank_set_next(&r->bank, &r->sink.stage, false);
	assert_int_equal(r->sink.nr, 1);
	assert_false(msi_is_pending(&r->bank, 5));
}

static void remote_bank_ignores_its_own_masks(void **state)
{
	struct rig *r = *state;

	mask(r, 9);
	msi_bank_set_next(&r->bank, &r->sink.stage, true);
	assert_int_equal(msi_send(&r->bank, 9), IRQ_QUEUED);
	assert_int_equal(r->sink.nr, 1);
	msi_bank_set_next(&r->bank, &r->sink.stage, false);
	assert_int_equal(msi_send(&r->bank, 9), IRQ_LATCHED);
}

static void remote_bank_is_still_closed_by_its_enable_bits(void **state)
{
	struct rig *r = *state;

	msi_bank_set_next(&r->bank, &r->sink.stage, true);
	msi_bank_set_open(&r->bank, false);
	assert_int_equal(msi_send(&r->bank, 9), IRQ_LATCHED);
	msi_bank_set_open(&r->bank, true);
	assert_int_equal(r->sink.nr, 1);
}

/* rule 76 */
static void reset_masks_zeroes_closes_and_forgets(void **state)
{
	struct rig *r = *state;

	mask(r, 2);
	msi_send(&r->bank, 2);
	msi_bank_reset(&r->bank);
	bank_starts_closed_masked_and_zero(state);
	unmask(r, 2);
	msi_bank_set_open(&r->bank, true);
	assert_int_equal(r->sink.nr, 0);
	assert_int_equal(msi_send(&r->bank, 2), IRQ_QUEUED);
}

static void forgotten_events_are_never_delivered(void **state)
{
	struct rig *r = *state;

	mask(r, 2);
	mask(r, NR - 1);
	msi_send(&r->bank, 2);
	msi_send(&r->bank, NR - 1);
	msi_bank_forget(&r->bank);
	assert_false(msi_is_pending(&r->bank, 2));
	unmask(r, 2);
	unmask(r, NR - 1);
	assert_int_equal(r->sink.nr, 0);
	assert_int_equal(msi_send(&r->bank, 2), IRQ_QUEUED);
}

static void control_keeps_only_the_mask_bit(void **state)
{
	struct rig *r = *state;

	msi_set_vector(&r->bank, 0, 0, 0, UINT32_MAX);
	assert_int_equal(r->vector[0].control, 1);
	msi_set_vector(&r->bank, 0, 0, 0, UINT32_MAX - 1);
	assert_int_equal(r->vector[0].control, 0);
}

/* What follows the bank may raise one of its vectors before it returns. */
struct within {
	struct rig *rig;
	struct sink_callback sink;
	unsigned int on, raise; /* the message of @on raises @raise, once */
	bool refuse;		/* what was raised within */
	bool inside;
	unsigned int nr; /* messages taken */
	enum irq_result result;
};

static enum irq_result take(void *ctx, const struct msi_message *m)
{
	struct within *w = ctx;

	if (w->inside && w->refuse)
		return IRQ_REFUSED;
	w->nr++;
	if (m->vector != w->on || w->inside)
		return IRQ_QUEUED;
	w->inside = true;
	w->result = msi_send(&w->rig->bank, w->raise);
	return IRQ_QUEUED;
}

static void listen_within(struct rig *r, struct within *w)
{
	w->rig = r;
	sink_callback_init(&w->sink, take, NULL, w);
	msi_bank_set_next(&r->bank, &w->sink.stage, false);
}

static void event_from_within_the_call_is_not_lost(void **state)
{
	struct within w = { .on = 3, .raise = 3, .refuse = true };
	struct rig *r = *state;

	listen_within(r, &w);
	mask(r, 3);
	msi_send(&r->bank, 3);
	unmask(r, 3);
	assert_int_equal(w.nr, 1);
	assert_int_equal(w.result, IRQ_LATCHED);
	assert_true(msi_is_pending(&r->bank, 3));
	w.refuse = false;
	msi_bank_flush(&r->bank);
	assert_int_equal(w.nr, 2);
	assert_false(msi_is_pending(&r->bank, 3));
}

static void what_left_from_within_the_call_leaves_once(void **state)
{
	struct within w = { .on = 1, .raise = 2 };
	struct rig *r = *state;

	listen_within(r, &w);
	msi_bank_set_open(&r->bank, false);
	msi_send(&r->bank, 1);
	msi_send(&r->bank, 2);
	msi_bank_set_open(&r->bank, true);
	assert_int_equal(w.result, IRQ_QUEUED);
	assert_int_equal(w.nr, 2);
	assert_int_equal(r->bank.stage.count.fired, 2);
}

/* What the header promises, vector by vector. */
struct model {
	bool pending[NR], masked[NR];
	bool open, refuse;
	unsigned int sent;
};

static void model_try(struct model *m, unsigned int v, bool event)
{
	if (!event && !m->pending[v])
		return;
	m->pending[v] = true;
	if (m->masked[v] || !m->open || m->refuse)
		return;
	m->pending[v] = false;
	m->sent++;
}

static void random_step(struct rig *r, struct model *m)
{
	unsigned int v = (unsigned int)rand() % NR;

	switch (rand() % 6) {
	case 0:
		mask(r, v);
		m->masked[v] = true;
		break;
	case 1:
		unmask(r, v);
		m->masked[v] = false;
		model_try(m, v, false);
		break;
	case 2:
		m->open = rand() & 1;
		msi_bank_set_open(&r->bank, m->open);
		for (v = 0; v < NR; v++)
			model_try(m, v, false);
		break;
	case 3:
		m->refuse = rand() & 1;
		r->sink.refuse = m->refuse;
		break;
	default:
		msi_send(&r->bank, v);
		model_try(m, v, true);
	}
}

/* rules 78-81 */
static void pending_and_sent_follow_the_naive_model(void **state)
{
	struct rig *r = *state;
	struct model m = { .open = true };

	srand(4);
	for (unsigned int i = 0; i < 50000; i++) {
		random_step(r, &m);
		assert_int_equal(r->sink.nr, m.sent);
		assert_int_equal(r->bank.stage.count.fired, m.sent);
		for (unsigned int v = 0; i % 16 == 0 && v < NR; v++)
			assert_int_equal(msi_is_pending(&r->bank, v),
					 m.pending[v]);
	}
	assert_true(m.sent > 1000);
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bank_starts_closed_masked_and_zero, closed),
		T(open_unmasked_vector_sends_its_message_at_once,
		  open_unmasked),
		T(event_on_a_vector_that_is_not_there_goes_nowhere,
		  open_unmasked),
		T(unmask_delivers_one_message_for_many_events, open_unmasked),
		T(pending_message_carries_address_and_data_of_the_unmask,
		  open_unmasked),
		T(mask_latches_instead_of_dropping, open_unmasked),
		T(opening_replays_all_that_is_pending_and_unmasked,
		  open_unmasked),
		T(pending_stays_until_the_sink_took_the_message, open_unmasked),
		T(event_takes_a_pending_one_along, open_unmasked),
		T(without_a_sink_all_latches_until_there_is_one, open_unmasked),
		T(remote_bank_ignores_its_own_masks, open_unmasked),
		T(remote_bank_is_still_closed_by_its_enable_bits,
		  open_unmasked),
		T(reset_masks_zeroes_closes_and_forgets, open_unmasked),
		T(forgotten_events_are_never_delivered, open_unmasked),
		T(control_keeps_only_the_mask_bit, closed),
		T(event_from_within_the_call_is_not_lost, open_unmasked),
		T(what_left_from_within_the_call_leaves_once, open_unmasked),
		T(pending_and_sent_follow_the_naive_model, open_unmasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
