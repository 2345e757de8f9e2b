/** Every command explains itself: what it does, its arguments and options, an example, and a way back from a slip of the pen. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { coapsuleProgram } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { type CommandText, commandText } from '../../src/manual/command-text.ts';
import { run } from './recorded-environment.ts';

let program: CommandText;
/** All commands below `coapsule`. */
let commands: readonly CommandText[];
before(async () => {
  program = commandText(
    await coapsuleProgram({ environment: processEnvironment(), end: () => {}, isNeeded: () => true }),
  );
  const below = (command: CommandText): readonly CommandText[] => [
    command,
    ...command.commands.flatMap(below),
  ];
  commands = program.commands.flatMap(below);
});

const wordsOf = ({ name }: CommandText): readonly string[] => name.split(' ').slice(1);

/** Which of the commands lack something. */
function lacking(what: (command: CommandText) => boolean): readonly string[] {
  return commands.filter((command) => !what(command)).map(({ name }) => name);
}

/** Their exit codes say more than that something went wrong. */
const telling =
  /^coapsule (get|put|post|delete|fetch|patch|ipatch|observe|ping|discover|bench|simulate|diagnose|doctor|decode|firmware get)$/;

describe('the help', () => {
  test('there are commands, and their overview has one line for each', async () => {
    assert.ok(commands.length >= 50);
    const { stdout, exitCode } = await run(['--help']);
    assert.equal(exitCode, 0);
    for (const { name, description } of program.commands) {
      const word = name.split(' ')[1]!;
      const [, told = ''] = new RegExp(`^  ${word} .*? {2,}(.*)$`, 'm').exec(stdout) ?? [];
      assert.ok(told !== '' && description.startsWith(told), `${word}: ${told}`);
    }
  });

  test('of each command is printed by --help and by "help", with exit code 0 and nothing on standard error', async () => {
    for (const command of commands) {
      const { stdout, stderr, exitCode } = await run([...wordsOf(command), '--help']);
      assert.deepEqual([exitCode, stderr], [0, ''], command.name);
      assert.match(stdout, /^Usage: coapsule /, command.name);
      if (wordsOf(command).length === 1 && command.name !== 'coapsule client')
        assert.equal((await run(['help', ...wordsOf(command)])).stdout, stdout);
    }
  });

  test('says of each command what it does', () => {
    assert.deepEqual(
      lacking(({ description }) => description !== ''),
      [],
    );
  });

  test('says of each argument what it is', () => {
    assert.deepEqual(
      lacking(({ arguments: all }) => all.every(({ description }) => description !== '')),
      [],
    );
  });

  test('says of each option what it does', () => {
    assert.deepEqual(
      lacking(({ options }) => options.every(({ description }) => description !== '')),
      [],
    );
  });

  test('fits 100 columns', async () => {
    const long: string[] = [];
    for (const command of [program, ...commands]) {
      const { stdout } = await run([...wordsOf(command), '--help']);
      for (const line of stdout.split('\n')) if (line.length > 100) long.push(`${command.name}: ${line}`);
    }
    assert.deepEqual(long, []);
  });

  test('has an example for each command that does something itself', () => {
    assert.deepEqual(
      lacking(({ examples, commands: below }) => below.length > 0 || examples.length > 0),
      [],
    );
  });

  test('its examples begin with commands and options that there are', () => {
    for (const { name, examples } of [program, ...commands]) {
      for (const line of examples) {
        const words = line.split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/);
        if (words[0] !== 'coapsule') continue;
        let at: CommandText = program;
        let index = 1;
        for (; index < words.length; index++) {
          const next = at.commands.find((command) => command.name === `${at.name} ${words[index]}`);
          if (next === undefined) break;
          at = next;
        }
        const flags = new Set(at.options.flatMap(({ term }) => term.match(/(?<![\w<-])--?[\w-]+/g) ?? []));
        const unknown = words
          .slice(index)
          .filter((word) => /^--[a-z]/.test(word))
          .map((word) => word.replace(/=.*/, ''))
          .filter((word) => !flags.has(word));
        assert.ok(at !== program || unknown.length === 0, `${name}: ${line}`);
        assert.deepEqual(unknown, [], `${name}: ${line}`);
      }
    }
  });

  test('names the exit codes of commands whose exit codes tell something', () => {
    assert.deepEqual(
      lacking(({ name, exitCodes }) => !telling.test(name) || /\b0 (for|when|after|if)\b/.test(exitCodes)),
      [],
    );
  });
});

describe('a slip of the pen', () => {
  test('an unknown option is wrong usage, and the nearest one is named', async () => {
    for (const command of commands) {
      if (command.name === 'coapsule client') continue; // getopt has no long options
      const [option = ''] = command.options
        .map(({ term }) => /--[a-z-]{5,}/.exec(term)?.[0] ?? '')
        .filter((flag) => flag !== '' && flag !== '--help');
      const given = option === '' ? '--no-such-option' : `${option}x`;
      // An option that has to be there is missed first.
      const needed =
        { 'coapsule firmware put': ['-f', 'x'], 'coapsule firmware get': ['-o', 'x'] }[command.name] ?? [];
      const { exitCode, stderr, stdout } = await run([...wordsOf(command), ...needed, given]);
      assert.deepEqual([exitCode, stdout], [64, ''], command.name);
      assert.match(stderr, new RegExp(`unknown option '${given}'`), command.name);
      if (option !== '') assert.match(stderr, /\(Did you mean (one of )?--/, command.name);
    }
  });

  test('an unknown command is wrong usage, and the nearest one is named', async () => {
    for (const command of [program, ...commands]) {
      const [first] = command.commands;
      if (first === undefined) continue;
      const word = first.name.split(' ').at(-1)!;
      const { exitCode, stderr, stdout } = await run([...wordsOf(command), `${word}x`]);
      assert.deepEqual([exitCode, stdout], [64, ''], command.name);
      assert.match(
        stderr,
        new RegExp(`unknown command '${word}x'\\n\\(Did you mean (one of )?`),
        command.name,
      );
      assert.ok(stderr.includes(word));
    }
  });

  test('a command with others below it and none given prints its help, as wrong usage', async () => {
    for (const command of commands) {
      if (command.commands.length === 0) continue;
      const { exitCode, stderr } = await run(wordsOf(command));
      assert.equal(exitCode, 64, command.name);
      assert.match(stderr, /Usage: coapsule /, command.name);
    }
  });
});
