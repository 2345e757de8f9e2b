/**
 * `coapsule completion SHELL`: what the shell completes, as a script for bash, zsh, fish or PowerShell.
 *
 * Made from the commands themselves, so that it has every option that there is.
 *
 * @module
 */

import { Argument, Command } from 'commander';
import type { CommandEnvironment } from './command-environment.ts';
import { type CompletionEntry, completionEntries } from './completion-entries.ts';
import { bashScript, fishScript, powershellScript, zshScript } from './completion-scripts.ts';

const scripts: Readonly<Record<string, (entries: readonly CompletionEntry[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
};

const help = `
To have it in each shell:
  bash        coapsule completion bash > ~/.local/share/bash-completion/completions/coapsule
  zsh         coapsule completion zsh > ~/.zfunc/_coapsule   (fpath+=~/.zfunc before compinit)
  fish        coapsule completion fish > ~/.config/fish/completions/coapsule.fish
  PowerShell  coapsule completion powershell >> $PROFILE

Example:
  coapsule completion bash > ~/.local/share/bash-completion/completions/coapsule`;

/** Makes the command. @param wholeProgram has all commands with their options. */
export function completionCommand(
  environment: CommandEnvironment,
  wholeProgram: () => Promise<Command>,
): Command {
  return new Command('completion')
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(scripts)))
    .addHelpText('after', help)
    .action(async (shell: string) => {
      environment.stdout.write(scripts[shell]!(completionEntries(await wholeProgram())));
    });
}
