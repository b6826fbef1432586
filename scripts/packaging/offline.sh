#!/bin/sh
# Prepares an unpacked source archive for a build without network, Node and npm: puts Bun where scripts/bun and
# scripts/build look for it. Run in the folder of the sources:
#   sh scripts/packaging/offline.sh bun-linux-x64-VERSION.tgz [bun-linux-aarch64-VERSION.tgz]
# Each file is Bun's package as npm has it, and is compared with its hash in package-lock.json first.
set -eu
for file in "$@"; do
  name=$(basename -- "$file" .tgz)
  platform=${name#bun-}
  platform=${platform%-*}
  version=${name##*-}
  # The entry of the lock is one line of JSON for each of its members.
  locked=$(sed -n "\\,\"node_modules/@oven/bun-$platform\": {,,/}/s/.*\"integrity\": \"sha512-\\(.*\\)\".*/\\1/p" \
    package-lock.json)
  wanted=$(printf %s "$locked" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  found=$(sha512sum <"$file" | cut -d' ' -f1)
  if [ -z "$wanted" ] || [ "$wanted" != "$found" ]; then
    echo "$file is not the package @oven/bun-$platform of package-lock.json: sha512 $found, not '$wanted'" >&2
    exit 1
  fi
  rm -rf "node_modules/@oven/bun-$platform"
  mkdir -p "node_modules/@oven/bun-$platform" dist/.bun
  tar -xzf "$file" -C "node_modules/@oven/bun-$platform" --strip-components=1
  cp -f "$file" "dist/.bun/$platform-$version.tgz"
done
# What is in node_modules is what this lock says: scripts/bun asks for npm otherwise.
cp -f package-lock.json node_modules/.installed
