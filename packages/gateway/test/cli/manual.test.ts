/** The pages of the manual: made from the commands, complete, and without a fault for those who format them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { coapsuleProgram } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { type CommandText, commandText } from '../../src/manual/command-text.ts';
import { type ManualPage, manualPages } from '../../src/manual/manual-page.ts';
import { roffArgument, roffText } from '../../src/manual/roff.ts';
import { packageVersion } from '../../src/text/package-version.ts';
import { peerTest } from '../interop/peer.ts';

const folder = join(import.meta.dirname, '../../man');
const files = readdirSync(folder).sort();
let program: CommandText;
let pages: readonly ManualPage[];
before(async () => {
  program = commandText(
    await coapsuleProgram({ environment: processEnvironment(), end: () => {}, isNeeded: () => true }),
  );
  pages = manualPages(program, packageVersion());
});

describe('the manual', () => {
  test('in the package is what the commands make: else run "npm run manual"', () => {
    assert.deepEqual(files, pages.map(({ file }) => file).sort());
    for (const { file, text } of pages) assert.equal(readFileSync(join(folder, file), 'utf8'), text, file);
  });

  test('has a page for each command, which the package brings along', () => {
    for (const { name } of program.commands) assert.ok(files.includes(`${name.replace(' ', '-')}.1`), name);
    assert.ok(files.includes('coapsule.1'));
    const manifest = JSON.parse(readFileSync(join(folder, '../package.json'), 'utf8'));
    assert.equal(manifest.directories.man, 'man');
    assert.ok(manifest.files.includes('man'));
  });

  test('has every option of every command', () => {
    const below = (command: CommandText): readonly CommandText[] => [
      command,
      ...command.commands.flatMap(below),
    ];
    for (const command of program.commands) {
      const { text } = pages.find(({ file }) => file === `${command.name.replace(' ', '-')}.1`)!;
      for (const { name, options } of below(command))
        for (const { term } of options)
          assert.ok(text.includes(`\n.B ${roffText(term)}\n`), `${name}: ${term}`);
    }
  });

  test('has sections in the order that man(7) asks for', () => {
    const order = [
      'NAME',
      'SYNOPSIS',
      'COMMANDS',
      'ARGUMENTS',
      'OPTIONS',
      'NOTES',
      'EXIT STATUS',
      'EXAMPLES',
    ];
    for (const { file, text } of pages) {
      const titles = [...text.matchAll(/^\.SH "(.*)"$/gm)].map(([, title]) => title!);
      const usual = titles.map((title) => order.indexOf(title)).filter((place) => place >= 0);
      assert.deepEqual(
        usual,
        [...usual].sort((one, other) => one - other),
        file,
      );
      assert.equal(titles[0], 'NAME', file);
      assert.equal(titles.at(-1), 'SEE ALSO', file);
    }
  });

  peerTest('is formatted by groff without a warning', ['groff'], async () => {
    for (const file of files) {
      const path = join(folder, file);
      const { stdout, stderr, status } = spawnSync('groff', ['-man', '-ww', '-Tutf8', '-P-cbou', path], {
        encoding: 'utf8',
      });
      assert.deepEqual([status, stderr], [0, ''], file);
      assert.match(stdout, /SEE ALSO/, file);
    }
  });

  peerTest('is without a fault for mandoc', ['mandoc'], async () => {
    const paths = files.map((file) => join(folder, file));
    const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'style', ...paths], {
      encoding: 'utf8',
    });
    // The pages have no date: they say what this version does, whenever they were made.
    const found = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line !== '' && !/missing date/.test(line));
    assert.deepEqual(found, []);
  });
});

describe('text for troff', () => {
  test('has no request, escape or typographic character that was not meant', () => {
    assert.equal(roffText('.data'), '\\&.data');
    assert.equal(roffText("'a' \\n -- ^~`"), '\\(aqa\\(aq \\(rsn \\-\\- \\(ha\\(ti\\(ga');
    assert.equal(roffText('22 °C … ü'), '22 \\[u00B0]C ... \\[u00FC]');
    assert.equal(roffArgument('say "a"'), '"say \\(dqa\\(dq"');
  });
});
