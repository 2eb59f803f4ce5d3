"""Completions for three shells: commands, what they take first, options, and files where one is wanted."""


def words(things):
    return " ".join(things)


def spellings(options):
    return [word for option in options for word in option.spellings()]


def first_words(commands, one):
    return [each.name for each in commands] if one.name == "help" else one.verbs()


def bash(commands):
    rows = []
    for one in commands:
        rows.append(f"    {one.name})\n"
                    f"        verbs='{words(first_words(commands, one))}'\n"
                    f"        options='{words(spellings(one.options))}'\n"
                    f"        files='{words(spellings(o for o in one.options if o.takes_file()))}'\n"
                    f"        folders='{words(spellings(o for o in one.options if o.takes_folder()))}'\n"
                    f"        values='{words(spellings(o for o in one.options if o.value))}'\n"
                    f"        ;;\n")
    return f"""\
# bash completion for kula-relay
_kula_relay() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    local verbs='' options='' files='' folders='' values=''
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '{words(one.name for one in commands)} --help --version' -- "$word")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{''.join(rows)}    esac
    if [[ " $files " == *" $before "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ " $folders " == *" $before "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    elif [[ " $values " == *" $before "* ]]; then
        return # only the user knows
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [ "$COMP_CWORD" = 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
    fi
}}
complete -F _kula_relay kula-relay
"""


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_option(option):
    """A spec of _arguments: exclusions, spellings, [help], and :value:how to complete it."""
    names = option.spellings()
    told = option.help
    for special in "\\[]:":
        told = told.replace(special, "\\" + special)
    spec = f"[{told}]"
    if option.value:
        how = "_files" if option.takes_file() else "_files -/" if option.takes_folder() else " "
        spec += f":{option.value.replace(':', '')}:{how}"
    if len(names) == 1:
        return quoted(names[0] + spec)
    return f"{quoted('(' + words(names) + ')')}{{{','.join(names)}}}{quoted(spec)}"


def zsh(commands):
    listed = "".join(f"    {quoted(one.name + ':' + one.summary.replace(':', chr(92) + ':'))}\n" for one in commands)
    rows = []
    for one in commands:
        specs = [zsh_option(option) for option in one.options]
        first = first_words(commands, one)
        if first:
            specs.append(quoted(f"1:what:({words(first)})"))
        # What only the user knows is taken, and nothing is offered for it.
        specs.append("'*: : '")
        rows.append(f"  {one.name})\n    _arguments -s -S \\\n      " + " \\\n      ".join(specs) + "\n    ;;\n")
    return f"""\
#compdef kula-relay
_kula_relay() {{
  local -a commands
  commands=(
{listed}  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{''.join(rows)}  esac
}}
_kula_relay "$@"
"""


def fish(commands):
    lines = ["# fish completion for kula-relay",
             "function __kula_relay_is # COMMAND: is it the one that is being written?",
             "    set -l words (commandline -opc)",
             "    test (count $words) -ge 2; and test $words[2] = $argv[1]",
             "end",
             "function __kula_relay_at # N: is that the word that is being written?",
             "    test (count (commandline -opc)) -eq $argv[1]",
             "end",
             "complete -c kula-relay -f"]
    for one in commands:
        lines.append(f"complete -c kula-relay -n '__kula_relay_at 1' -a {one.name} -d {fish_quoted(one.summary)}")
    for one in commands:
        here = f"__kula_relay_is {one.name}"
        first = first_words(commands, one)
        if first:
            lines.append(f"complete -c kula-relay -n '{here}; and __kula_relay_at 2' -a '{words(first)}'")
        for option in one.options:
            letter = f" -s {option.letter}" if option.letter else ""
            value = " -r -F" if option.takes_file() else " -x -a '(__fish_complete_directories)'" if option.takes_folder() \
                else " -x" if option.value else ""
            lines.append(f"complete -c kula-relay -n '{here}'{letter} -l {option.name}{value} -d {fish_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
