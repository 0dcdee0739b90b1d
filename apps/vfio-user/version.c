/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a client may take the reply into the buffer of its request (QEMU does),
 * so ours is never longer.  Clients without JSON get none; one with JSON gets
 * some, because there are clients that parse it unconditionally.  Each client
 * has its own idea of where the capabilities are: inside "capabilities", or
 * (older Cloud Hypervisor) at the top.
 */
#include "apps/vfio-user/version.h"

#include <jansson.h>

#include "apps/vfio-user/conn.h"

static_assert(VU_MAX_XFER == 65536 && VU_SAID_FDS == 16, "said below");

/* From what we want to say to the least that is still an object. */
static const char *const ours[] = {
	"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":65536}}",
	"{\"capabilities\":{\"max_msg_fds\":16}}",
	"{\"capabilities\":{}}",
	"{}",
};

static bool caps_are_sane(const json_t *caps)
{
	static const char *const numbers[] = {
		"max_msg_fds",
		"max_data_xfer_size",
		"max_dma_maps",
		"pgsizes",
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const json_t *n = json_object_get(caps, numbers[i]);

		if (n && (!json_is_integer(n) || json_integer_value(n) < 0))
			return false;
	}
	return true;
}

/* More than we would send is as good as that. */
static unsigned int most_fds(const json_t *caps)
{
	const json_t *n = json_object_get(caps, "max_msg_fds");
	json_int_t most = n ? json_integer_value(n) : 1;

	return most > VU_SAID_FDS ? VU_SAID_FDS : (unsigned int)most;
}

static int check_json(const char *text, size_t length, unsigned int *fds)
{
	json_t *root = json_loadb(text, strnlen(text, length), 0, NULL);
	const json_t *caps;
	int err = -EINVAL;

	if (!json_is_object(root))
		goto out;
	caps = json_object_get(root, "capabilities");
	if (caps && !json_is_object(caps))
		goto out;
	if (!caps_are_sane(caps ? caps : root))
		goto out;
	*fds = most_fds(caps ? caps : root);
	err = 0;
out:
	json_decref(root);
	return err;
}

int vu_version(struct vu_conn *c)
{
	size_t length = c->m.length - sizeof(struct vu_version);
	const char *text = (const char *)c->in + sizeof(struct vu_version);
	struct vu_version v;

	memcpy(&v, c->in, sizeof(v));
	if (c->negotiated)
		return -EINVAL;
	if (v.major != VU_MAJOR)
		return -EPROTONOSUPPORT;
	/* What the protocol has for those that do not say. */
	c->most_fds = 1;
	if (length && check_json(text, length, &c->most_fds))
		return -EINVAL;
	if (v.minor > VU_MINOR)
		v.minor = VU_MINOR;
	memcpy(c->out.payload, &v, sizeof(v));
	c->m.answer = sizeof(v);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		size_t size = strlen(ours[i]) + 1;

		if (size > length)
			continue;
		memcpy(c->out.payload + sizeof(v), ours[i], size);
		c->m.answer += size;
		break;
	}
	c->negotiated = true;
	return 0;
}
