#!/bin/sh
# Installs a built hs into the folders where systems look for programs, manual pages and completions. Packages use it,
# and whoever installs by hand; it needs nothing but a shell and the usual small programs.
#   install.sh EXECUTABLE PAPERS [DESTDIR]
# PAPERS is a folder with man/ and completions/, as scripts/manuals writes it. These variables change where things go:
#   PREFIX    /usr/local
#   ZSH       folder of zsh's completions below PREFIX: share/zsh/site-functions
#   UNIT      folder of the systemd unit below PREFIX (lib/systemd/system); empty, as by default: no unit
set -eu
executable=$1
papers=$2
destination=${3-}
prefix=$destination${PREFIX-/usr/local}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

# mode FILE PLACE
put() {
  mkdir -p "$(dirname -- "$3")"
  cp -f -- "$2" "$3"
  chmod "$1" "$3"
}

put 755 "$executable" "$prefix/bin/hs"
ln -sf hs "$prefix/bin/hsx"

for page in "$papers"/man/*.[157]; do
  name=$(basename -- "$page")
  section=$prefix/share/man/man${name##*.}
  mkdir -p "$section"
  # Without the time and the name, so that the same page gives the same bytes.
  gzip -9n <"$page" >"$section/$name.gz"
  chmod 644 "$section/$name.gz"
done

# Shells look for a file with the name of the command, so each of its names has one. zsh asks what is in the file.
bash=$prefix/share/bash-completion/completions
fish=$prefix/share/fish/vendor_completions.d
put 644 "$papers/completions/hs.bash" "$bash/hs"
ln -sf hs "$bash/hsx"
put 644 "$papers/completions/hs.fish" "$fish/hs.fish"
ln -sf hs.fish "$fish/hsx.fish"
put 644 "$papers/completions/_hs" "$prefix/${ZSH-share/zsh/site-functions}/_hs"

if [ -n "${UNIT-}" ]; then put 644 "$here/hypershell.service" "$prefix/$UNIT/hypershell.service"; fi
