/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rng.h - an entropy device: fills what the guest lends with random bytes
 *
 * One queue, no configuration, no feature bits of its own (virtio 1.2, 5.4).
 * A buffer may be answered with fewer bytes than it holds, but, if it holds
 * any, never with none: the driver reads used.len and asks again.
 */
#ifndef TRANSPORT_DEVICES_RNG_H
#define TRANSPORT_DEVICES_RNG_H

#include "transport/devices/devices.h"

extern const struct device_type rng_type;

#endif
