# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# host.sh - what is at the other end of a guest's disk, network and console
#
# Sourced after vm.sh.  The network is a tap in a network namespace that has no
# name: it goes with its last process, so nothing can be left of it.  Who is not
# root makes it in a user namespace of his own, where the host permits that.

guest_ip=10.77.0.2
host_ip=10.77.0.1

# ---- The network ------------------------------------------------------------

# host_net: make the namespace; `inside' is then the command that enters it, and
# stays empty, with the reason in $no_net, where that cannot be.
host_net()
{
	local unshare=(unshare --net) enter=(nsenter) i

	no_net=
	inside=()
	if [ "$(id -u)" != 0 ]; then
		unshare=(unshare --user --map-current-user --keep-caps --net)
		enter=(nsenter --user --preserve-credentials)
	fi
	[ -w /dev/net/tun ] || no_net="no /dev/net/tun that we may open"
	"${unshare[@]}" true 2>/dev/null ||
		no_net="this host lets us have no network namespace"
	[ -z "$no_net" ] || return 0
	start netns "${unshare[@]}" sleep infinity
	netns=$started
	for ((i = 0; i < 100; i++)); do
		[ "$(readlink "/proc/$netns/ns/net")" = \
			"$(readlink /proc/self/ns/net)" ] || break
		sleep 0.05
	done
	inside=("${enter[@]}" --net --target "$netns")
	host_net_works || no_net="no tap in a network namespace here"
}

host_net_works()
{
	"${inside[@]}" ip tuntap add dev probe mode tap 2>/dev/null &&
		"${inside[@]}" ip tuntap del dev probe mode tap
}

# host_tap NAME: give the tap, which is there, the host's address.
host_tap()
{
	"${inside[@]}" ip addr add "$host_ip/24" dev "$1" &&
		"${inside[@]}" ip link set "$1" up
}

# Bash can only connect, and the guest may not listen yet.
connected()
{
	"${inside[@]}" timeout 60 bash -c '
		for ((i = 0; i < 100; i++)); do
			exec 3<>"/dev/tcp/$1/$2" && break
			sleep 0.1
		done 2>/dev/null
		eval "$3"' bash "$guest_ip" "$1" "$2"
}

# One connection each way; the sums are in host_got and host_sent.
host_moves_data()
{
	local file=$work/sent

	dd if=/dev/urandom of="$file" bs=1M count=10 status=none
	host_sent=$(sha256sum <"$file" | cut -d' ' -f1)
	host_got=$(connected 5001 'sha256sum <&3' | cut -d' ' -f1) || true
	connected 5002 'cat >&3' <"$file" || true
	rm "$file"
}

# ---- The console ------------------------------------------------------------

# reads_until FD TEXT: what comes from FD up to TEXT goes to $heard.
reads_until()
{
	local byte end=$((SECONDS + 20))

	heard=
	while [[ $heard != *"$2" ]] && ((SECONDS < end)); do
		IFS= read -r -d '' -n 1 -t 1 -u "$1" byte || continue
		heard+=$byte
	done
	[[ $heard == *"$2" ]]
}

# host_console PTY: somebody sits down at the terminal.
host_console()
{
	stty -F "$1" raw -echo && exec {console}<>"$1"
}

# As one does at a terminal; what was answered is in $prompt, $welcome and
# $long_answer.
host_logs_in()
{
	long_line=$(head -c 3000 /dev/urandom | base64 -w 0)
	long_line=${long_line:0:3000}
	user=guest-$RANDOM
	reads_until "$console" "login: " || true
	prompt=${heard: -7}
	printf '%s\n' "$user" >&"$console"
	reads_until "$console" $'\n' || true
	welcome=${heard%$'\n'}
	printf '%s\n' "$long_line" >&"$console"
	reads_until "$console" $'\n' || true
	long_answer=${heard%$'\n'}
	printf 'bye\n' >&"$console"
}

# ---- The disk ---------------------------------------------------------------

# debugfs reads the image as it is: no loop device, no mount, no root.
image_sum()
{
	debugfs -R "dump /data $work/dumped" "$1" >"$work/debugfs.log" 2>&1
	sha256sum <"$work/dumped" | cut -d' ' -f1
	rm -f "$work/dumped"
}

# Nothing to repair, and nothing to replay.
image_sound()
{
	e2fsck -fn "$1" >"$work/e2fsck.log" 2>&1 && echo clean || echo damaged
}

# boot_disk FILE PARAMETERS: a disk that firmware boots: syslinux, our kernel and
# our initramfs on FAT.
boot_disk()
{
	local file=$1

	need syslinux syslinux
	need mcopy mtools
	truncate -s 48M "$file"
	mformat -i "$file" -t 48 -h 64 -s 32 ::
	printf 'default linux\nlabel linux\nkernel vmlinuz\n%s\n' \
		"append initrd=initramfs $guest_console $2" >"$work/syslinux.cfg"
	mcopy -i "$file" "$work/syslinux.cfg" ::syslinux.cfg
	mcopy -i "$file" "$cache/guest/vmlinuz" ::vmlinuz
	mcopy -i "$file" "$cache/guest/initramfs" ::initramfs
	syslinux --install "$file"
}
