#compdef hs hsx
# Completion of hs and hsx for zsh; written by: hs completion zsh
# What can stand at the cursor is asked of the program itself, which knows its options, settings and database.

_hs_complete() {
  local program=${(Q)words[1]} native flags kept line
  local -a answer header shown texts open openShown
  [[ $program == '~/'* ]] && program=$HOME/${program#'~/'}
  answer=("${(@f)$(command $program __complete zsh "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  header=("${(@ps:\t:)answer[1]}")
  native=$header[1] flags=$header[2] kept=$header[3]
  if [[ -n $kept ]]; then
    compset -P "${(b)kept}" || compset -P "${(b)${(q)kept}}" || return 1
  fi
  local -a parts options
  local -i width=0
  for line in "${(@)answer[2,-1]}"; do
    ((${#line%%$'\t'*} > width && ${#line%%$'\t'*} < 40)) && width=${#line%%$'\t'*}
  done
  [[ $flags == *replaces* ]] && options=(-U)
  for line in "${(@)answer[2,-1]}"; do
    parts=("${(@ps:\t:)line}")
    [[ -n $parts[1] ]] || continue
    if [[ $parts[3] == 1 ]]; then
      open+=("$parts[1]")
      openShown+=("${(r:width:)parts[1]}${parts[2]:+  -- $parts[2]}")
    else
      texts+=("$parts[1]")
      shown+=("${(r:width:)parts[1]}${parts[2]:+  -- $parts[2]}")
    fi
  done
  local found=1
  (($#texts)) && compadd -l $options -d shown -a texts && found=0
  (($#open)) && compadd -l $options -S '' -d openShown -a open && found=0
  case $native in
    files) _files && found=0 ;;
    folders) _files -/ && found=0 ;;
    command*)
      local from=${native#command }
      words=("${(@)words[from+1,-1]}")
      ((CURRENT -= from))
      if ((CURRENT == 1)); then
        _command_names -e && found=0
        _files && found=0
      else
        _normal && found=0
      fi
      ;;
  esac
  return found
}

# A file in fpath is the function _hs itself; sourced, it is made known.
if [[ $funcstack[1] == _hs ]]; then
  _hs_complete "$@"
else
  compdef _hs_complete hs hsx
fi
