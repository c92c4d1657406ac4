#!/bin/sh
# Run by mmdebstrap with the new system's root as the first argument, when all packages are installed.
set -e
root="$1"
export PASSWORD_HASH='$6$ennead$kGjQjj5dG.wVFkylixyeLQ2vszlNcQhAJxAgNDoNg6IoF.6bhPTErF7R23gFQMW5mLs3f.o/7hU9cl43roIml.'
chroot "$root" sh -ec '
  # usrmerge has nothing to do in a new system (usr-is-merged stands in for it), and all of Perl is there for its sake only.
  dpkg-query --show --showformat="\${Package}\n" usrmerge perl "perl-modules-*" "libperl5.*" libfile-find-rule-perl \
    libnumber-compare-perl libtext-glob-perl "libgdbm*" | xargs dpkg --purge
  for image in /boot/vmlinuz-*; do
    version=${image#/boot/vmlinuz-}
    update-tirfs -k "$version"
    # The archive that this makes holds the time of day. Packed once more, it does not.
    packed=/boot/initrd.img-$version
    unpacked=$(mktemp -d)
    zcat "$packed" | (cd "$unpacked" && cpio --extract --quiet)
    find "$unpacked" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    (cd "$unpacked" && find . ! -name . | LC_ALL=C sort | cpio --create --quiet --format=newc --reproducible --owner=0:0) |
      gzip -n9 > "$packed"
    rm -r "$unpacked"
    /etc/kernel/postinst.d/zz-vmlinux "$version"
  done
  # "ennead", with a salt of our own so that it is the same in every build. The password is in the documentation.
  usermod --password "$PASSWORD_HASH" root
  # One disk, mounted writable by the kernel and checked by its journal, and Xen for a clock: nothing is left for these
  # to do, and under emulation each costs a second or more.
  for service in hwclock.sh checkroot.sh checkroot-bootclean.sh checkfs.sh mountall.sh mountall-bootclean.sh \
    mount-configfs mountnfs.sh mountnfs-bootclean.sh bootmisc.sh bootlogs brightness; do
    [ ! -e "/etc/init.d/$service" ] || update-rc.d "$service" disable
  done
'
# For the bill of materials, which takes it away: name, version and SHA-256 of every package.
chroot "$root" sh -ec '
  dpkg-query --show --showformat="\${Package}:\${Architecture}=\${Version}\n" | xargs apt-cache show --no-all-versions |
    awk "/^Package: /{p=\$2} /^Version: /{v=\$2} /^SHA256: /{print p, v, \$2}"
' > "$root/$PACKAGE_LIST"
# Caches, logs and identities: made again on first use, and different in every build.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/ldconfig/aux-cache
find "$root/var/log" -type f -delete
rm -f "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id "$root"/etc/resolv.conf
