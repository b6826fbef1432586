/*
 * What the shell of orphans.ts runs: it waits until the client has gone, and ends what that has left. It works with
 * nothing but the shell where it must. dash, which ends at a fork that fails, goes on in its trap, without forks. grep
 * and tr only make it quick and exact, and show by their results that they ran.
 *
 * `read` drops the NUL bytes of an environment in dash, bash and busybox, so that variables are glued together where
 * there is no tr. Whoever then has the id of another client, too, is taken for a task of that one.
 *
 * /bin/sh of macOS is bash 3.2, which takes the bracket of a pattern (`case`) for the end of `$(`.
 *
 * Where there is no /proc, as on macOS, ps lists processes, and what the client told of is all that is known.
 *
 * Source: proc(5); ps(1) of macOS; in /proc/PID/stat the name may hold anything, so that fields are counted from the
 * last `)`: state, parent, group, session.
 */

/** Reads a file into `content`, each line with a line end before it, and needs no process for that. */
const readAll = `
read_all() {
  content=
  { while IFS= read -r line || [ -n "$line" ]; do content="$content
$line"; done <"$1"; } 2>/dev/null
}`;

/** Tells whether the variable is in the environment in file $1. */
const isOurs = `
hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
is_ours() {
  if [ -n "$forks" ]; then
    content=$(tr '\\0' '\\n' <"$1") 2>/dev/null
    case "
$content
" in
    *"
$key
"*) return 0 ;;
    *=*) return 1 ;;
    esac
  fi
  read_all "$1"
  case $content in *"$key"*) ;; *) return 1 ;; esac
  while :; do
    case $content in *"$key"*) ;; *) break ;; esac
    content="\${content%%"$key"*} \${content#*"$key"}"
  done
  case $content in *TASK_CLIENT_ID=$hex$hex-$hex-*) return 1 ;; esac
  return 0
}`;

/** Sets `carriers`: the processes with the variable in their environment. */
const findCarriers = `
find_carriers() {
  carriers=" "
  files=
  if [ -n "$forks" ]; then
    files=$(grep -lF -- "$key" "/proc/$$/cmdline" /proc/[0-9]*/environ 2>/dev/null)
    case $files in "/proc/$$/cmdline"*) ;; *) files= ;; esac
  fi
  [ -n "$files" ] || files=/proc/[0-9]*/environ
  for file in $files; do
    case $file in */environ) ;; *) continue ;; esac
    is_ours "$file" || continue
    pid=\${file#/proc/}
    carriers="$carriers\${pid%/environ} "
  done
}`;

/** Sets `rows`: number, parent, session and name of each process. */
const listByProc = `
list_by_proc() {
  rows=
  for folder in /proc/[0-9]*; do
    read_all "$folder/stat"
    name=\${content#*(}
    name=\${name%)*}
    set -- \${content##*) }
    case $1 in [ZX] | '') continue ;; esac
    case $name in hs | hsx) name=hs ;; *) name=other ;; esac
    rows="$rows \${folder#/proc/} $2 $4 $name"
  done
}`;

/** Sets `rows` where there is no /proc: there a group stands in for a session, and a name may have blanks. */
const listByPs = `
rows_of_ps() {
  while read -r pid parent group state name; do
    case $state in Z*) continue ;; esac
    case $name in hs | hsx) name=hs ;; *) name=other ;; esac
    printf '%s ' "$pid $parent $group $name"
  done
}
list_by_ps() {
  rows=$(ps -A -o pid= -o ppid= -o pgid= -o state= -o ucomm= 2>/dev/null | rows_of_ps)
}`;

/**
 * Sets `found`: the carriers, all in the sessions that they lead or that the client told of, and all that these have
 * started. An hs among them ends what it has started itself, or its own guard does.
 */
const findProcesses = `
find_processes() {
  found=" "
  parents=" "
  more=yes
  while [ -n "$more" ]; do
    more=
    set -- $rows
    while [ $# -ge 4 ]; do
      take "$@"
      shift 4
    done
  done
}
take() {
  case $found in *" $1 "*) return ;; esac
  case $carriers in *" $1 "*) ;; *)
    case $sessions in *" $3 "*) ;; *)
      case $parents in *" $2 "*) ;; *) return ;; esac
    esac
  esac
  more=yes
  found="$found$1 "
  [ "$4" = hs ] || parents="$parents$1 "
  [ "$1" != "$3" ] || case $sessions in *" $1 "*) ;; *) sessions="$sessions$1 " ;; esac
}`;

/** Sets `found` where nothing lists processes: the groups that are left, as kill takes them. */
const findGroups = `
find_groups() {
  found=" "
  for group in $sessions; do
    kill -s 0 -- "-$group" 2>/dev/null && found="$found-$group "
  done
}`;

/** Time, in hundredths of a second, and pauses. */
const time = `
now=0
look_at_time() {
  if { read -r now rest </proc/uptime; } 2>/dev/null; then
    now=\${now%.*}\${now#*.}
  else
    now=$((now + $1))
  fi
}
pause() {
  if [ -n "$forks" ]; then
    { sleep "$1" || sleep 1; } 2>/dev/null && return
  fi
  from=$now
  spins=0
  while [ $spins -lt 100000 ]; do
    look_at_time 0
    [ $((now - from)) -lt 10 ] || return
    spins=$((spins + 1))
  done
}`;

/** Sets `found`, by the best that there is. */
const findLeft = `
find_left() {
  carriers=" "
  rows=
  if [ -r /proc/self/stat ]; then
    find_carriers
    list_by_proc
  elif [ -n "$forks" ]; then
    list_by_ps
  fi
  if [ -n "$rows" ]; then find_processes; else find_groups; fi
}`;

/** Ends all that is found: at first kindly, then by force, until nobody is found twice. */
const endAll = `
end_all() {
  look_at_time 0
  since=$now
  quiet=0
  asked=
  while [ $quiet -lt 2 ]; do
    look_at_time 10
    age=$((now - since))
    find_left
    if [ "$found" = " " ]; then
      quiet=$((quiet + 1))
    else
      quiet=0
      if [ -z "$asked" ]; then
        asked=yes
        kill -s TERM -- $found 2>/dev/null
      elif [ $age -ge 200 ]; then
        reached=
        for each in $found; do kill -s KILL -- "$each" 2>/dev/null && reached=yes; done
        [ -n "$reached" ] || [ $age -lt 1500 ] || return
      fi
    fi
    if [ $age -lt 1500 ]; then pause 0.1; elif [ $age -lt 12000 ]; then pause 1; else pause 10; fi
  done
}`;

/**
 * The whole. $1 is \`TASK_CLIENT_ID=<id>\`. A line on standard input holds the ids of the tasks' sessions and takes the
 * place of the line before; the line \`end\` says that nothing is to be done. After the end of the pipe the shell looks
 * every tenth of a second until it has twice found nobody, because a process may be between its fork and its exec. It
 * sends SIGTERM, and SIGKILL from two seconds on. It gives up, after 15 seconds, only what it may not signal.
 */
export const guardScript = `
trap '' HUP INT QUIT TERM USR1 USR2 PIPE
key=$1
sessions=" "
while read -r line; do
  [ "$line" = end ] && exit 0
  sessions=" $line "
done
${readAll}${isOurs}${findCarriers}${listByProc}${listByPs}${findProcesses}${findGroups}${findLeft}${time}${endAll}
forks=yes
trap 'forks=; trap - EXIT; end_all' EXIT
end_all
trap - EXIT
exit 0
`;
