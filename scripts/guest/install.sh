# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# For scripts/nightly/install: runs in a real Debian, as root, once it has started. /install has
#   first.tar.xz     the sources, as "make dist" makes them; source.tar.xz: those of a newer version
#   newer/           the packages of that
# The argument is which start this is, 1 or 2. The report is KTAP.

# shellcheck source=lib.sh
. /guest/lib.sh

name=vfio_iommu_spapr_tce package=vfio-iommu-spapr-tce here=/install
logs="/var/lib/dkms/$package/*/build/make.log"
examples=/usr/share/doc/$package-tools/examples
export DEBIAN_FRONTEND=noninteractive HOME=/root LC_ALL=C.UTF-8 \
	PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
running=$(uname -r)
# where the newer kernel is: trixie-backports, or what stands for it in another Debian
newer=$(sed -n 's/^deb .* \([a-z-]*\) main$/\1/p' /etc/apt/sources.list.d/newer.list)
cd $here || exit 1

# Does the command print TEXT, and succeed?
shown() {
	text=$1
	shift
	"$@" >$here/printed 2>&1
	code=$?
	cat $here/printed
	grep -qF -- "$text" $here/printed && [ $code -eq 0 ]
}
# Does it print TEXT, and fail?
refused() { ! shown "$@" && [ $code -ne 0 ] && grep -qF -- "$1" $here/printed; }

found() { modinfo -k "$1" -n $name | grep -F "/lib/modules/$1/$2"; }
loaded() { [ "$(cat /sys/module/$name/srcversion)" = "$(modinfo -F srcversion $name)" ]; }
version_is() { [ "$(cat /sys/module/$name/version 2>/dev/null)" = "$1" ]; }
version() { scripts/release/version; }
# By the page's commands, modprobe has loaded the file that it finds.
reload() { doc reload && loaded; }
none_left() { [ -z "$(find /lib/modules/*/updates -name '*.ko*' 2>/dev/null)" ]; }
signed() { modinfo "$1"; [ -n "$(modinfo -F sig_key "$1")" ]; }

dev=$(pci_find "$EDU")
group=$(pci_group "$dev")
bound() { [ "$(pci_driver "$dev")" = vfio-pci ]; }
owner_is() {
	udevadm settle
	said=$(stat -c '%U %G %a' /dev/vfio/"$group")
	echo "/dev/vfio/$group: $said"
	[ "$said" = "$*" ]
}

# As alice, with no more locked memory than a service has by itself, or as the example says
service() {
	systemd-run --quiet --collect --unit=client --uid=alice --wait --pipe /usr/local/bin/demo 1
}
client() {
	prlimit --memlock=unlimited setpriv --reuid alice --regid alice --init-groups demo "$1"
}

# There is no network. What apt is asked for lies in its cache.
install_packages() {
	mkdir /root/first
	tar -xf $here/first.tar.xz -C /root/first
	cd /root/first/* || die "the first packages have no sources"
	check "VFIO is loaded, with the in-tree driver" modprobe vfio-pci
	check "the commands of the README" doc debian
	check "DKMS has built it" found "$running" updates/dkms
	check "DKMS has signed it" signed $name
	check "it is loaded" loaded
	check "the commands that check it" shown /updates/dkms/ doc check
	check "modprobe -r and modprobe" reload
	check "tcestat doctor is content with this host" tcestat doctor
	check "a report" doc report "s/ADDRESS/$dev/"
	check "the in-tree driver, to compare with" doc in-tree
	check "is loaded then" refused "in-tree driver or another build" tcestat doctor
	check "modprobe -r and modprobe" reload
}

give_to_alice() {
	check "the device is bound to vfio-pci" vfio_bind "$dev"
	check "its group's file is for root alone" owner_is root root 600
	useradd -m alice
	check "alice can't use it" refused "Permission denied" client 2
	check "the commands that give it to a group" doc permissions s/NAME/alice/
	check "its group's file is for the group vfio" owner_is root vfio 660
	check "alice can" client 2
	check "a service may lock too little for it" refused ENOMEM service
	mkdir -p /etc/systemd/system/client.service.d
	cp $examples/service-memlock.conf /etc/systemd/system/client.service.d/memlock.conf
	systemctl daemon-reload
	check "the example for services: it may" service
	cp $examples/limits.conf /etc/security/limits.d/vfio.conf
	check "the example for logins: alice may lock as much as it says" shown \
		"$(sed -n 's/^@vfio - memlock //p' $examples/limits.conf)" su - alice -c "ulimit -l"
	rule=/etc/udev/rules.d/70-vfio-one-device.rules
	sed "s/KERNEL==\"3\"/KERNEL==\"$group\"/" $examples/udev-one-device.rules >$rule
	udevadm control --reload
	check "the example for one device is applied" udevadm trigger --subsystem-match=vfio
	check "the file is alice's alone" owner_is alice root 600
	rm $rule
	udevadm control --reload
	udevadm trigger --subsystem-match=vfio
	check "without the example it is the group's again" owner_is root vfio 660
}

upgrade_packages() {
	hold 2 wait
	mkdir /root/changed
	tar -xf $here/source.tar.xz -C /root/changed
	cp $here/newer/*.deb /root/changed/
	old=$(version)
	cd /root/changed/*/ || die "the newer sources are not there"
	check "apt install of the packages with a changed line" doc deb-install
	check "the old module is there still, says tcestat doctor" refused \
		"in-tree driver or another build" tcestat doctor --loaded
	check "the container is open still" shown "process $holder hold" tcestat
	check "modprobe -r does not take it away" refused "in use" modprobe -r $name
	hold_killed
	check "modprobe -r and modprobe" reload
	check "the newer module is loaded" version_is "$(version)"
	check "it has the changed line" shown ", changed" modinfo -F description $name
	check "tcestat says so" shown "loaded: $(version)" tcestat --version
	check "a client uses it" client 2
	cd /root/first/*/ || die "the first sources are not there"
	check "the command that goes back to the first packages" doc deb-downgrade \
		"s/VERSION/$old/"
	check "modprobe -r and modprobe" reload
	check "the first module is loaded" version_is "$old"
	check "a client uses it" client 2
}

bind_at_start() {
	vfio_release "$dev"
	check "modprobe -r vfio-pci" modprobe -r vfio-pci
	sed 's/8086:10d3/1234:11e8/' $examples/modprobe.conf >/etc/modprobe.d/vfio-pci.conf
	cp $examples/modules-load.conf /etc/modules-load.d/vfio-pci.conf
	check "the examples for the start of the machine" systemctl restart \
		systemd-modules-load.service
	check "the device is bound by them" bound
	check "its group's file is for the group vfio again" owner_is root vfio 660
	check "a client uses it" client 2
}

# A newer kernel as an update, without its headers: /root/next is for scripts/nightly/install
kernel_update() {
	# through which apt would update the headers, too
	check "the headers' metapackage goes" apt-get -q remove linux-headers-powerpc64le
	check "apt updates the kernel alone, and reports no failure" apt-get -q install \
		-t "$newer" linux-image-powerpc64le
	other=$(find /boot -name 'vmlinu[xz]-*' | sed 's/.*vmlinu[xz]-//' | grep -vxF "$running")
	check "tcestat doctor fails, and says so" refused "$other would load the in-tree driver" \
		tcestat doctor
	sed 's/^/# /' $here/printed
	check "of the running kernel it says no such thing" tcestat doctor --loaded
	check "the commands that have systemd run it" doc monitor
	check "its service fails" refused failed systemctl start tcestat-doctor
	check "the command that refuses the in-tree driver" doc fail-closed
	check "our module is loaded nevertheless" reload
	check "a client uses it" client 2
	echo vfio-pci >>/etc/initramfs-tools/modules
	check "update-initramfs with vfio-pci" update-initramfs -u -k "$other"
	mkdir /root/next
	cp /boot/vmlinu[xz]-"$other" /root/next/vmlinux
	cp /boot/initrd.img-"$other" /root/next/initrd
	echo "$other" >/root/next/kernel
}

# The kernel has come without its headers, and nothing has built the module for it.
fails_closed() {
	check "this is the second kernel" [ "$running" = "$(cat /root/next/kernel)" ]
	check "which has the in-tree driver only" found "$running" kernel/drivers/vfio
	check "no driver is loaded" [ ! -e /sys/module/$name ]
	check "the device is bound to vfio-pci" bound
	check "its group's file is for the group vfio" owner_is root vfio 660
	check "a client can't use it" not client 2
	check "the kernel log says why" shown \
		"there is only the in-tree driver, which vfio-only-this-module.conf" dmesg
	modprobe $name >modprobe.said 2>&1
	check "so does modprobe" grep "see tcestat doctor" modprobe.said
	check "and loads nothing" [ ! -e /sys/module/$name ]
	check "tcestat doctor --loaded fails" refused "only the in-tree driver is installed" \
		tcestat doctor --loaded
	helps=$(sed -n '/^do:/{n;p;}' $here/printed)
	check "what it says to do: $helps" sh -ec "$helps"
	check "modprobe loads the module" modprobe $name
	check "it is loaded" loaded
	check "a client uses it" client 2
	check "tcestat doctor is content" tcestat doctor
	check "and so is its service" systemctl restart tcestat-doctor
	check "the headers' metapackage is back" doc backports "s/trixie-backports/$newer/"
	check "update-initramfs" update-initramfs -u -k "$running"
	check "the module is in it" shown "updates/dkms/$name.ko" lsinitramfs \
		/boot/initrd.img-"$running"
}

sign() {
	openssl req -new -x509 -newkey rsa:2048 -keyout key.pem -outform DER -out cert.der \
		-nodes -days 9 -subj /CN=check &&
		doc sign 's/KEY/key.pem/; s/CERT/cert.der/' && signed ./$name.ko
}
# By the certificate that signed it
ours_is_signed() { signed $name && [ "$(modinfo -F signer $name)" = check ]; }

own_driver_is_back() {
	check "modprobe finds the in-tree driver" found "$running" kernel/drivers/vfio
	check "none of our modules is left" none_left
	check "modprobe -r and modprobe load the in-tree driver" reload
}

remove_packages() {
	rm /etc/modprobe.d/vfio-only-this-module.conf
	check "the packages are removed" doc remove
	own_driver_is_back
}

make_install() {
	tar -xf $here/source.tar.xz -C /root
	cd /root/$package-* || die "the newer sources are not there"
	check "make install, without the packages" doc make-install
	check "modprobe finds it" found "$running" updates
	check "modprobe -r and modprobe" reload
	check "tcestat is there as well" tcestat
	check "a client uses it" demo 2
	check "it is loaded by hand" doc by-hand
	check "a client uses it" demo 2
	check "sign-file, as the guide says" sign
	check "make install" make install
	check "what is installed has that signature" ours_is_signed
	check "modprobe loads it" reload
	check "make uninstall" doc uninstall
	own_driver_is_back
}

# Debian's rpm has no database here in which make would be found.
make_rpm() {
	check "rpmbuild is installed" apt-get -q install rpm
	check "rpmbuild" doc rpmbuild 's/rpmbuild/& --nodeps/'
	check "what it has built has tcestat" shown /usr/bin/tcestat rpm \
		-qlp /root/rpmbuild/RPMS/noarch/$package-tools-*.rpm
}

echo "KTAP version 1"
if [ "$1" = 1 ]; then
	install_packages
	give_to_alice
	upgrade_packages
	bind_at_start
	kernel_update
else
	fails_closed
	remove_packages
	make_install
	make_rpm
fi
sync
echo "1..$nth"
[ $failures -eq 0 ]
