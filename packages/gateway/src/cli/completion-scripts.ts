/**
 * Completion scripts for shells, out of what can come after each command.
 *
 * Where nothing is known of a value, the shell completes names of files.
 *
 * @module
 */

import type { CompletionEntry } from './completion-entries.ts';

/** For bash 4 and later. */
export function bashScript(entries: readonly CompletionEntry[]): string {
  const cases = entries.map(({ path, words, options }) => {
    const valued = options.filter(({ takesValue }) => takesValue);
    const choices = valued
      .filter(({ choices: all }) => all.length > 0)
      .map(
        ({ flags, choices: all }) =>
          `        ${flags.join('|')}) COMPREPLY=($(compgen -W ${bashText(all.join(' '))} -- "$current")); return ;;`,
      );
    const files = valued.filter(({ choices: all }) => all.length === 0).flatMap(({ flags }) => flags);
    const all = [...words.map(({ word }) => word), ...options.flatMap(({ flags }) => flags)];
    return [
      `    ${bashText(path.join(' '))})`,
      '      case "$previous" in',
      ...choices,
      ...(files.length === 0
        ? []
        : [`        ${files.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;`]),
      '      esac',
      `      all=${bashText(all.join(' '))} ;;`,
    ].join('\n');
  });
  return `# bash completion of coapsule
_coapsule() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" all="" word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
${pathPattern(entries)}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$all" -- "$current"))
  [ "\${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _coapsule coapsule
`;
}

/** For zsh. */
export function zshScript(entries: readonly CompletionEntry[]): string {
  const cases = entries.map(({ path, words, options }) => {
    const described = [
      ...words.map(({ word, description }) => `${word}:${description}`),
      ...options.flatMap(({ flags, description }) => flags.map((flag) => `${flag}:${description}`)),
    ];
    const valued = options.filter(({ takesValue }) => takesValue);
    return [
      `    ${bashText(path.join(' '))})`,
      '      case "$previous" in',
      ...valued.map(({ flags, choices }) =>
        choices.length > 0
          ? `        ${flags.join('|')}) compadd -- ${choices.map(bashText).join(' ')}; return ;;`
          : `        ${flags.join('|')}) _files; return ;;`,
      ),
      '      esac',
      `      all=(${described.map((text) => bashText(text)).join(' ')}) ;;`,
    ].join('\n');
  });
  return `#compdef coapsule
# zsh completion of coapsule
_coapsule() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}" entry="" word
  local -a all
  for word in "\${words[@]:1:$((CURRENT-2))}"; do
    case "\${entry:+$entry }$word" in
${pathPattern(entries)}) entry="\${entry:+$entry }$word" ;;
    esac
  done
  case "$entry" in
${cases.join('\n')}
  esac
  _describe 'coapsule' all || _files
}
_coapsule "$@"
`;
}

/** For fish 3 and later. */
export function fishScript(entries: readonly CompletionEntry[]): string {
  const lines = entries.flatMap(({ path, words, options }) => {
    const condition = fishText(`__coapsule_at ${fishText(path.join(' '))}`);
    return [
      ...words.map(
        ({ word, description }) =>
          `complete -c coapsule -n ${condition} -f -a ${fishText(word)} -d ${fishText(description)}`,
      ),
      ...options.map(({ flags, description, takesValue, choices }) => {
        const named = flags.map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        );
        const value = choices.length > 0 ? ` -x -a ${fishText(choices.join(' '))}` : takesValue ? ' -r' : '';
        return `complete -c coapsule -n ${condition} ${named.join(' ')}${value} -d ${fishText(description)}`;
      }),
    ];
  });
  const paths = entries.filter(({ path }) => path.length > 0).map(({ path }) => fishText(path.join(' ')));
  return `# fish completion of coapsule
set -g __coapsule_paths ${paths.join(' ')}
function __coapsule_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$path $word")
    contains -- $next $__coapsule_paths; and set path $next
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}

/** For PowerShell 5 and later. */
export function powershellScript(entries: readonly CompletionEntry[]): string {
  const rows = entries.map(({ path, words, options }) => {
    const all = [
      ...words.map(({ word, description }) => [word, description] as const),
      ...options.flatMap(({ flags, description }) => flags.map((flag) => [flag, description] as const)),
    ].map(
      ([word, description]) =>
        `@(${powershellText(word)}, ${powershellText(description === '' ? word : description)})`,
    );
    return `  ${powershellText(path.join(' '))} = @(${all.join(', ')})`;
  });
  const choices = new Map<string, readonly string[]>();
  for (const { path, options } of entries) {
    for (const { flags, choices: all } of options) {
      if (all.length > 0) for (const flag of flags) choices.set(`${path.join(' ')} ${flag}`.trim(), all);
    }
  }
  const values = [...choices].map(
    ([key, all]) => `  ${powershellText(key)} = @(${all.map(powershellText).join(', ')})`,
  );
  return `# PowerShell completion of coapsule
$coapsuleWords = @{
${rows.join('\n')}
}
$coapsuleValues = @{
${values.join('\n')}
}
Register-ArgumentCompleter -Native -CommandName coapsule -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | Select-Object -Skip 1 | ForEach-Object { "$_" })
  $path = ''
  foreach ($word in $words) {
    $next = "$path $word".Trim()
    if ($coapsuleWords.ContainsKey($next)) { $path = $next }
  }
  $key = if ($words.Count -gt 0) { "$path $($words[-1])".Trim() } else { '' }
  if ($coapsuleValues.ContainsKey($key)) {
    $coapsuleValues[$key] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
    return
  }
  $coapsuleWords[$path] | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1]) }
}
`;
}

/** Alternatives for a `case`: every path but the empty one. */
function pathPattern(entries: readonly CompletionEntry[]): string {
  return `      ${entries
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => bashText(path.join(' ')))
    .join('|')}`;
}

function bashText(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function powershellText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
