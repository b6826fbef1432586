# Completion of hs and hsx for bash 3.2 and later; written by: hs completion bash
# What can stand at the cursor is asked of the program itself, which knows its options, settings and database.

_hs_complete() {
  local program=$1 answer header native flags value line
  COMPREPLY=()
  [[ $program == '~/'* ]] && program=$HOME/${program#'~/'}
  answer=$(command "$program" __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null </dev/null) ||
    return 0
  header=${answer%%$'\n'*}
  native=${header%%$'\t'*}
  flags=${header#*$'\t'}
  flags=${flags%%$'\t'*}
  value=${header##*$'\t'}
  if [[ $answer == *$'\n'* ]]; then
    while IFS= read -r line; do
      COMPREPLY[${#COMPREPLY[@]}]=$line
    done <<<"${answer#*$'\n'}"
  fi
  [[ $flags == *nospace* ]] && _hs_option nospace
  # With candidates the shell adds nothing of its own.
  ((${#COMPREPLY[@]} > 0)) || _hs_native "$native" "$value"
  type compopt >/dev/null 2>&1 || _hs_blanks "$flags"
  return 0
}

# What the shell itself completes; $1: what that is, $2: how it begins.
_hs_native() {
  case $1 in
  files)
    _hs_option bashdefault && _hs_option default || _hs_paths -f "$2"
    ;;
  folders)
    _hs_option dirnames || _hs_paths -d "$2"
    ;;
  command*)
    _hs_command "${1#command }" "$2"
    ;;
  esac
}

# bash 3.2 has no compopt. There every candidate gets its blank here, and a path its quotes.
_hs_blanks() {
  local i
  [[ $1 == *nospace* || ${COMP_WORDS[COMP_CWORD]} == [\"\']* ]] && return
  for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
    [[ ${COMPREPLY[i]} == */ ]] || COMPREPLY[i]+=' '
  done
}

_hs_option() {
  type compopt >/dev/null 2>&1 && compopt -o "$1" 2>/dev/null
}

# Adds what compgen finds; $1: what kind, $2: how it begins.
_hs_paths() {
  local line
  while IFS= read -r line; do
    [[ -n $line ]] || continue
    if ! type compopt >/dev/null 2>&1; then
      [[ $1 != -c && -d $line ]] && line+=/
      [[ ${COMP_WORDS[COMP_CWORD]} == [\"\']* ]] || line=$(printf %q "$line")
    fi
    COMPREPLY[${#COMPREPLY[@]}]=$line
  done < <(compgen "$1" -- "$2")
  _hs_option filenames
}

# The words of another command, which begins at the character $1 of the line; $2: what its current word begins with.
_hs_command() {
  local at=0 i
  for ((i = 0; i < COMP_CWORD; i++)); do
    while [[ ${COMP_LINE:at:1} == [[:space:]] ]]; do ((at++)); done
    ((at >= $1)) && break
    ((at += ${#COMP_WORDS[i]}))
  done
  if ((i == COMP_CWORD)); then
    [[ $2 == */* ]] || _hs_paths -c "$2"
    _hs_paths -f "$2"
  elif type _command_offset >/dev/null 2>&1; then
    _command_offset "$i"
  else
    _hs_option bashdefault && _hs_option default || _hs_paths -f "$2"
  fi
}

if type compopt >/dev/null 2>&1; then
  complete -F _hs_complete hs hsx
else
  complete -o nospace -F _hs_complete hs hsx
fi
