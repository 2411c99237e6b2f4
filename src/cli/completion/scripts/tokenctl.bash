# tokenctl completion for bash 4 and later, printed by: tokenctl completion bash
_tokenctl() {
  local program=$1 line=${COMP_LINE:0:COMP_POINT} answer
  # As it is written on the line: with quotes and ~, by a name or a path.
  program=${program//[\\\"\']/}
  program=${program/#\~\//$HOME/}
  type -t -- "$program" >/dev/null || program=tokenctl
  COMPREPLY=()
  while IFS= read -r answer; do
    if [[ $answer == :files ]]; then
      compopt -o default
      break
    fi
    answer=${answer%%$'\t'*}
    if [[ $answer == *= ]]; then compopt -o nospace; fi
    COMPREPLY+=("$answer")
  done < <("$program" __complete "--line=$line" "--breaks=$COMP_WORDBREAKS" 2>/dev/null </dev/null)
}
complete -F _tokenctl tokenctl
