#compdef tokenctl
# tokenctl completion for zsh, printed by: tokenctl completion zsh
_tokenctl() {
  local program=${(Q)words[1]} answer found=1
  local -a before answers values open
  # As it is written on the line: by a name or a path.
  program=${program/#\~\//$HOME/}
  (( $+commands[$program] || $+functions[$program] )) || [[ -x $program ]] || program=tokenctl
  (( CURRENT > 2 )) && before=("${(@Q)words[2,CURRENT-1]}")
  answers=("${(@f)$("$program" __complete -- "${before[@]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  for answer in $answers; do
    if [[ $answer == :files ]]; then
      compset -P '--*='
      compset -P '(file|sqlite):'
      _files
      return
    fi
    # A description stands behind a colon here.
    answer=${${answer//:/\\:}/$'\t'/:}
    if [[ ${answer%%:*} == *= ]]; then open+=("$answer"); else values+=("$answer"); fi
  done
  _describe -t values tokenctl values && found=0
  _describe -t values tokenctl open -S '' && found=0
  return found
}
if [[ $funcstack[1] == _tokenctl ]]; then
  _tokenctl "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
  compdef _tokenctl tokenctl
fi
