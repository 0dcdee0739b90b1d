#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The house's own checkers: each finds what it is there for.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 1
mkdir -p ring irq transport/pci transport/virtio transport/devices \
	apps/vfio-user tests/flow docs
spdx='/* SPDX-License-Identifier: BSD-3-Clause */'
echo '# SPDX-License-Identifier: BSD-3-Clause' >Makefile
passed=0 failed=0

# finds CLAIM PATTERN CHECKER FILE TEXT: silent without the file, not with it
finds() {
	local claim=$1 pattern=$2 checker=$3 file=$4 text=$5 before after
	before=$("$here/$checker" 2>&1)
	printf '%s\n%b\n' "$spdx" "$text" >"$file"
	after=$("$here/$checker" 2>&1)
	if [ $? = 1 ] && grep -qE -- "$pattern" <<<"$after" &&
		! grep -qE -- "$pattern" <<<"$before"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED: %s\n%s\n' "$claim" "$after"
	fi
	rm "$file"
}

echo "$spdx" >ring/base.h
finds an_include_upwards 'irq/a.c:2: .* is above' \
	layers irq/a.c '#include "transport/pci/func.h"'
finds an_include_sideways 'strangers' \
	layers transport/pci/a.c '#include "transport/virtio/queue.h"'
finds a_device_that_has_heard_of_pci 'must not know' \
	layers transport/devices/a.c '#include "transport/pci/func.h"'
finds a_client_that_reaches_into_the_core 'must not know' \
	layers apps/vfio-user/a.c '#include "irq/line.h"'
finds an_include_not_from_the_top 'from the top' \
	layers irq/a.c '#include "line.h"'
finds a_hypervisor_header 'only the kvm sink' \
	layers transport/pci/a.c '#include <linux/kvm.h>'
finds a_folder_without_a_rank 'has no rank' \
	layers transport/a.c '#include <stdio.h>'

finds a_device_word_in_the_proxy 'device word' \
	words apps/vfio-user/a.c 'int Virtio_x;'
finds a_ring_call_that_trusts_the_header 'use rte_ring_sp' \
	words ring/a.c 'rte_ring_mp_enqueue_elem(r, m, 8, 1);'
finds an_unfinished_word 'a.c:2' words ring/a.c "/* TO""DO: later */"
finds a_file_that_is_too_long 'over 600' \
	words ring/a.c "$(yes 'int x;' | head -n 601)"
sed -i 1d ring/base.h
finds_none=$("$here/words" 2>&1)
if grep -q 'base.h:1: no SPDX' <<<"$finds_none"; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAILED: a_source_without_a_licence"
fi

for rule in $(seq 1 123); do
	echo "| $rule | text | not yet |"
done >docs/conformance.md
finds a_test_the_table_does_not_name 'rule 43 says not yet' conformance \
	irq/a_test.c '/* rule 43 */\nstatic void t(void **s)\n{\n}\nx = t;'
finds a_rule_that_does_not_exist 'no rule 124' conformance \
	irq/a_test.c '/* rule 124 */\nstatic void t(void **s)\n{\n}\nx = t;'
finds a_test_that_is_never_run 't is never run' conformance \
	irq/a_test.c '/* rules 1, 2 */\nstatic void t(void **s)\n{\n}'
finds a_rule_comment_without_a_test 'no test function' conformance \
	irq/a_test.c '/* rule 1 */\n\nint x;'
sed -i '7s/not yet/`gone`/' docs/conformance.md
gone=$("$here/conformance")
if [[ $gone == *'rule 7 says `gone`'* ]]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAILED: a_test_that_is_gone"
fi
"$here/conformance" --write >/dev/null
whole=$("$here/conformance")
sed -i 9d docs/conformance.md
torn=$("$here/conformance")
if [[ $whole == '0 of 123'* && $torn == *'missing: [9]'* ]]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAILED: a_row_that_is_missing"
fi

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
