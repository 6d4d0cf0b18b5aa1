# shellcheck shell=dash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/guest/passthrough.sh: the registers of the bridge, to freeze a PE.

# The registers of the bridge that a card is behind, as of a PHB4: tables are read and
# written through an address and a data register, all of them big endian.
IODA_ADDR=0x220
IODA_DATA=0x228
PESTA=7
PESTB=8
PEEV=20
bridge_at() {
	node=$(readlink -f "/sys/bus/pci/devices/$1/of_node")
	while [ ! -e "$node/ibm,phb-index" ] && [ "$node" != / ]; do node=$(dirname "$node"); done
	echo "0x$(od -An -tx1 -N8 "$node/reg" | tr -d ' \n')"
}
swapped() {
	printf %016x "$1" |
		sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/0x\8\7\6\5\4\3\2\1/'
}
# bridge_table TABLE INDEX [VALUE] - read or write an entry
bridge_table() {
	devmem $((bridge + IODA_ADDR)) 64 "$(swapped $(($1 << 48 | $2)))"
	if [ $# = 3 ]; then
		devmem $((bridge + IODA_DATA)) 64 "$(swapped "$3")"
	else
		swapped "$(devmem $((bridge + IODA_DATA)) 64)"
	fi
}
# frozen PE - what stands still: accesses of the CPU, DMA.
frozen() {
	echo "$(($(bridge_table "$PESTA" "$1") >> 63 & 1))" \
		"$(($(bridge_table "$PESTB" "$1") >> 63 & 1))"
}
# freeze PE - what the hardware does when a PE has made an error. The emulated bridge
# has the registers for it, but never does it by itself: it stops a stray access, and
# that is all. Nor does it keep anybody from a PE that is frozen.
freeze() {
	bridge_table "$PEEV" $(($1 / 64)) $((1 << (63 - $1 % 64)))
	bridge_table "$PESTA" "$1" $((1 << 63))
	bridge_table "$PESTB" "$1" $((1 << 63))
}
unfrozen() { bridge_table "$PEEV" $(($1 / 64)) 0; }
