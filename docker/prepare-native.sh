#!/bin/sh
# prepare-native.sh PACKAGE [--gpu]: leaves the library in /opt/trainyard and the package, linked to it, in /out.
# Ends well without a library too, and says so: the image then computes on WebAssembly.
set -eu
package=$1
shift
mkdir -p /opt/trainyard /out
TRAINYARD_CACHE=/opt/trainyard node scripts/native-tensorflow.mjs "$@" | tee /tmp/outcome
grep -q '"available":true' /tmp/outcome || echo "NO NATIVE TENSORFLOW for $package: see the reason above."
rm -rf /opt/trainyard/native/builds
# a quarter of the library is symbols
find /opt/trainyard -type f -name 'libtensorflow*' -exec strip --strip-unneeded {} +
cp -a "node_modules/@tensorflow/$package" /out/
