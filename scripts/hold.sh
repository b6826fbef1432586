# Sourced: one at a time, so that two calls that both find something missing do not install or build into each other.

# hold NAME: waits until no other process of this checkout holds NAME, then holds it until the (sub)shell ends.
hold() {
  mkdir -p "$root/dist"
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$root/dist/.$1.lock"
    flock 9
    return
  fi
  # Without flock(1), as on macOS: a directory, which unlike flock outlives a holder that is killed.
  held="$root/dist/.$1.held"
  tries=0
  while ! mkdir "$held" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then
      echo "$0: another set-up has been running for five minutes; if it was killed, remove $held" >&2
      exit 1
    fi
    sleep 1
  done
  trap release EXIT
}

# For those who set an EXIT trap of their own after hold.
release() { [ -z "${held-}" ] || rmdir "$held"; }
