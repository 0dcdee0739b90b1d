/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_btree.h - a B-tree as Rust's BTreeMap, which rust-vmm's vm-device and
 * Cloud Hypervisor keep their ranges in
 *
 * Nodes have 5 to 11 keys, each with its value, and are looked through from the
 * first key on.  An insertion looks at every range there is whether it overlaps,
 * as both do.  Their keys are pairs of base and size, and so twice as large as
 * here: that is in their favour.
 */
#ifndef BENCH_BUS_BTREE_H
#define BENCH_BUS_BTREE_H

#include "bench/bus_memory.h"
#include "bench/bus_structure.h"

#define BTREE_KEYS 11
#define BTREE_MIN  5

struct btree_value {
	uint64_t size;
	struct bus_range *range;
	const struct bus_ops *ops;
};

struct btree_node {
	uint32_t nr;
	uint64_t key[BTREE_KEYS];
	struct btree_value value[BTREE_KEYS];
	struct btree_node *child[BTREE_KEYS + 1]; /* of inner ones */
};

struct btree {
	struct btree_node *root;
	uint32_t height; /* 0: the root is a leaf */
	struct bus_pool leaves, inner;
};

int btree_init(struct btree *t);
void btree_fini(struct btree *t);
int btree_build(struct btree *t, struct bus_range *const *r, uint32_t n);
int btree_insert(struct btree *t, struct bus_range *r);
void btree_remove(struct btree *t, struct bus_range *r);
size_t btree_memory(const struct btree *t);

static inline bool btree_lookup(const struct btree *t, uint64_t addr,
				unsigned int size, struct bus_answer *a)
{
	const struct btree_node *n = t->root, *at = NULL;
	uint32_t slot = 0;

	for (uint32_t h = t->height;; h--) {
		uint32_t i = 0;

		while (i < n->nr && n->key[i] <= addr)
			i++;
		if (i) {
			at = n;
			slot = i - 1;
		}
		if (!h)
			break;
		n = n->child[i];
	}
	if (at) {
		const struct btree_value *v = &at->value[slot];
		const struct bus_item item = { at->key[slot], v->size, v->range,
					       v->ops };

		return bus_item_answer(&item, addr, size, a);
	}
	*a = (struct bus_answer){ NULL };
	return false;
}

#endif
