#!/bin/sh
# Run by mmdebstrap with the new system's root as the first argument, when all packages are installed.
set -e
root="$1"
chroot "$root" sh -ec '
  for image in /boot/vmlinuz-*; do
    version=${image#/boot/vmlinuz-}
    update-tirfs -k "$version"
    /etc/kernel/postinst.d/zz-vmlinux "$version"
  done
  echo root:ennead | chpasswd
  # Not needed by a guest with one disk and Xen for a clock, and each costs a second under emulation.
  for service in hwclock.sh mountnfs.sh mountnfs-bootclean.sh checkroot-bootclean.sh bootlogs; do
    [ ! -e "/etc/init.d/$service" ] || update-rc.d "$service" disable
  done
'
# Caches, logs and identities: made again on first use, and different in every build.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/ldconfig/aux-cache
find "$root/var/log" -type f -delete
rm -f "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id
