import { Argument, type Command, type Option } from 'commander';
import type { Cli } from './context.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

const notes = `
Examples:
  eider completions bash > ~/.local/share/bash-completion/completions/eider
  eider completions zsh > ~/.zfunc/_eider           with fpath+=~/.zfunc before compinit
  eider completions fish > ~/.config/fish/completions/eider.fish`;

export function defineCompletions(command: Command, cli: Cli): void {
  command
    .description('Prints a script that teaches a shell to complete commands and options.')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText('after', notes)
    .action((shell: Shell) => {
      const commands = (command.parent?.commands ?? []).map(describe);
      cli.print({ bash, zsh, fish }[shell](commands));
    });
}

/** What a shell has to know of a command. */
interface Described {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly DescribedOption[];
}

interface DescribedOption {
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly text: string;
  /** What may follow: nothing, one of a few words, a folder, or anything (files are offered). */
  readonly value: 'none' | 'folder' | 'any' | readonly string[];
}

function describe(command: Command): Described {
  const options = [...command.options.map(describeOption)];
  options.push({ short: '-h', long: '--help', text: 'show this help', value: 'none' });
  return { name: command.name(), summary: command.summary(), options };
}

function describeOption(option: Option): DescribedOption {
  const { short, long, description: text } = option;
  const takesValue = option.required || option.optional;
  const value = !takesValue ? 'none' : (option.argChoices ?? (option.flags.includes('<dir>') ? 'folder' : 'any'));
  return { short, long, text, value };
}

function namesOf(option: DescribedOption): string[] {
  return [option.short, option.long].filter((name) => name !== undefined);
}

function bash(commands: readonly Described[]): string {
  const cases = commands.map((c) => {
    const values = c.options.flatMap((o) => {
      if (o.value === 'none' || o.value === 'any') return [];
      const reply = o.value === 'folder' ? 'compgen -d --' : `compgen -W '${o.value.join(' ')}' --`;
      return [`        ${namesOf(o).join('|')}) mapfile -t COMPREPLY < <(${reply} "$word"); return ;;`];
    });
    const names = c.options.flatMap(namesOf).join(' ');
    return [
      `    ${c.name})`,
      ...(values.length > 0 ? ['      case "$before" in', ...values, '      esac'] : []),
      `      options='${names}' ;;`,
    ].join('\n');
  });
  return `# Completion of eider for bash.
_eider() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" options=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '${commands.map((c) => c.name).join(' ')} help --help --version' -- "$word")
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$word" in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
  esac
}
complete -o default -F _eider eider
`;
}

/** Inside single quotes of zsh and of an _arguments specification. */
function zshText(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");
}

function zsh(commands: readonly Described[]): string {
  const list = commands.map((c) => `    '${c.name}:${zshText(c.summary)}'`);
  const cases = commands.map((c) => {
    const specs = c.options.flatMap((o) => {
      const action = o.value === 'folder' ? '_files -/' : o.value === 'any' ? '_files' : `(${[...o.value].join(' ')})`;
      const tail = o.value === 'none' ? '' : `:value:${action}`;
      return namesOf(o).map((name) => `        '*${name}[${zshText(o.text)}]${tail}'`);
    });
    return [`    ${c.name})`, '      _arguments \\', ...specs.map((s) => `${s} \\`), "        '*:file:_files' ;;"].join(
      '\n',
    );
  });
  return `#compdef eider
# Completion of eider for zsh.
_eider() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local name=\${words[2]}
  shift words
  (( CURRENT-- ))
  case $name in
${cases.join('\n')}
  esac
}
_eider "$@"
`;
}

function fishText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function fish(commands: readonly Described[]): string {
  const lines = ['# Completion of eider for fish.', 'complete -c eider -n __fish_use_subcommand -f'];
  for (const c of commands) {
    lines.push(`complete -c eider -n __fish_use_subcommand -a ${c.name} -d ${fishText(c.summary)}`);
    for (const o of c.options) {
      const parts = [`complete -c eider -n '__fish_seen_subcommand_from ${c.name}'`];
      if (o.short !== undefined) parts.push(`-s ${o.short.slice(1)}`);
      if (o.long !== undefined) parts.push(`-l ${o.long.slice(2)}`);
      if (o.value === 'folder') parts.push("-x -a '(__fish_complete_directories)'");
      else if (o.value === 'any') parts.push('-r');
      else if (o.value !== 'none') parts.push(`-x -a ${fishText(o.value.join(' '))}`);
      lines.push(`${parts.join(' ')} -d ${fishText(o.text)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
