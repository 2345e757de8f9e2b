/**
 * What scripts rely on: these commands and options are there, under these names. What is here is added to and not taken away: an option
 * that shall go stays for a version in which it is deprecated.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { coapsuleProgram } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { type CommandText, commandText } from '../../src/manual/command-text.ts';

let program: CommandText;
before(async () => {
  program = commandText(
    await coapsuleProgram({ environment: processEnvironment(), end: () => {}, isNeeded: () => true }),
  );
});

/** Short and long form, and whether a value follows: `N`, or `[N]` where it may. */
const everyVerb = `
  -u, --identity V · -k, --key V · --psk-file V · -c, --cert V · -j, --private-key V · -C, --ca V · -M, --rpk V · --peer-rpk V ·
  --insecure · --oscore V · --credentials V · -B, --timeout V · -l, --loss V · --cid [V] · --no-cid · --sni V · --suite V · --no-ems ·
  -P, --proxy V · --session V · --session-key V · --keylog V · -w, --write V · --json · -v, --verbose`;
const everyRequest = `${everyVerb} ·
  -N, --non · -e, --payload V · -f, --file V · -t, --content-format V · -A, --accept V · -O, --option V · -T, --token V ·
  -b, --block-size V · -o, --output V`;

const promised: Readonly<Record<string, string>> = {
  get: `${everyRequest} · -s, --seconds V`,
  put: everyRequest,
  post: everyRequest,
  delete: everyRequest,
  fetch: everyRequest,
  patch: everyRequest,
  ipatch: everyRequest,
  observe: `${everyRequest} · -s, --seconds V`,
  ping: everyVerb,
  discover: everyVerb,
  client: '-m V · -k V · -u V · -e V · -s V',
  serve: `--config V · --data V · --coap V · --coaps V · --tcp V · --tls V · --ws V · --wss V · --http V · --serial V · --psk V · --psk-hint V ·
    --cert V · --private-key V · --ca V · --keylog V · --workers V · --check · --demo`,
  'device add': '--data V · --psk V · --rpk V · --cert V · --oscore V · --allow V',
  'device list': '--data V',
  'device show': '--data V',
  'device rotate': '--data V · --psk V · --rpk V · --cert V · --oscore V',
  'device remove': '--data V',
  'keys psk': '',
  'keys rpk': '',
  'keys ca': '',
  'keys cert': '',
  'keys oscore': '',
  bench: '--clients V · -s, --seconds V',
  simulate: '--devices V · --speed V',
  probe: '',
  doctor: '',
  decode: '',
  diagnose: '',
  shell: '',
  completion: '',
  backup: '',
  restore: '',
  recommend: '',
};

describe('the command line keeps its promises', () => {
  for (const [path, options] of Object.entries(promised)) {
    test(`coapsule ${path}`, () => {
      let command: CommandText | undefined = program;
      for (const word of path.split(' '))
        command = command?.commands.find(({ name }) => name.endsWith(` ${word}`));
      assert.ok(command !== undefined);
      const there = new Set(
        command.options.map(({ term }) => term.replace(/ <.*>$/, ' V').replace(/ \[.*\]$/, ' [V]')),
      );
      const missing = options
        .split('·')
        .map((option) => option.trim())
        .filter((option) => option !== '' && !there.has(option));
      assert.deepEqual(missing, []);
    });
  }

  test('arguments stand where scripts write them', () => {
    const usages: Readonly<Record<string, string>> = {
      get: '[options] <uri>',
      observe: '[options] <uri>',
      bench: '[options] <uri>',
      simulate: '[options] <scenario> <uri>',
      probe: '[options] <uri>',
      backup: '[options] <file>',
      completion: '[options] <shell>',
    };
    for (const [name, usage] of Object.entries(usages))
      assert.equal(program.commands.find((one) => one.name === `coapsule ${name}`)?.usage, usage, name);
  });

  test('defaults of the gateway', () => {
    const serve = program.commands.find(({ name }) => name === 'coapsule serve')!;
    const told = (flag: string): string =>
      serve.options.find(({ term }) => term.startsWith(`--${flag} `))?.description ?? '';
    assert.match(told('coap'), /\[::\]:5683/);
    assert.match(told('coaps'), /\[::\]:5684/);
    assert.match(told('data'), /\.\/data/);
  });
});
