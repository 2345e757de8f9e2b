/**
 * Both packages as a user gets them: built, packed, installed into an empty folder without install scripts, imported,
 * type-checked under strict settings and run. Builds into dist/ of the working tree.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { start } from '../interop/process.ts';

const root = join(import.meta.dirname, '../../../..');
const folder = mkdtempSync(join(tmpdir(), 'coapsule-consumer-'));
const tarballs = new Map<string, { file: string; paths: string[] }>();

/** npm's settings of the surrounding `npm test` must not reach the npm of a consumer, except where packages come from. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) || /^npm_config_(registry|cache|userconfig)$/i.test(name),
  ),
);

function execute(
  command: string,
  args: readonly string[],
  cwd: string,
): { code: number | null; stdout: string; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env: environment,
    encoding: 'utf8',
  });
  return {
    code: status,
    stdout,
    output: `${command} ${args.join(' ')}\n${stdout}${stderr}${error?.message ?? ''}`,
  };
}

function succeed(command: string, args: readonly string[], cwd: string): string {
  const { code, stdout, output } = execute(command, args, cwd);
  assert.equal(code, 0, output);
  return stdout;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
}

before(() => {
  succeed('npm', ['run', 'build'], root);
  for (const name of ['coapsule', 'gateway']) {
    const packed = succeed(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
      join(root, 'packages', name),
    );
    const [{ filename, files }]: [{ filename: string; files: { path: string }[] }] = JSON.parse(packed);
    tarballs.set(name, { file: join(folder, filename), paths: files.map(({ path }) => path) });
  }
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  const install = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  succeed('npm', [...install, ...[...tarballs.values()].map(({ file }) => file)], folder);
});

after(() => rmSync(folder, { recursive: true, force: true }));

for (const name of ['coapsule', 'gateway']) {
  test(`the tarball of ${name} holds what runs, its declarations and the licence, and nothing of the workshop`, () => {
    const paths = tarballs.get(name)?.paths ?? [];
    for (const wanted of ['LICENSE', 'README.md', 'package.json']) assert.ok(paths.includes(wanted), wanted);
    for (const schema of ['coapsule.schema.json', 'collection.schema.json'])
      assert.equal(paths.includes(schema), name === 'gateway');
    const unwanted = paths.filter((path) =>
      /(^|\/)(test|node_modules)\/|\.test\.|tsbuildinfo$|tsconfig/.test(path),
    );
    assert.deepEqual(unwanted, []);
    // AssemblyScript is compiled into the bytes that a source holds; it comes along to be read, and to make them anew.
    const sources = paths.filter((path) => /^src\/.*\.ts$/.test(path) && !path.endsWith('.as.ts'));
    const declared = paths.filter((path) => /^dist\/.*\.d\.ts$/.test(path));
    assert.deepEqual(
      declared.map((path) => path.slice('dist/'.length, -'d.ts'.length)).sort(),
      sources.map((path) => path.slice('src/'.length, -'ts'.length)).sort(),
      'each source is declared, and nothing else is',
    );
    // The pages of the console are read by browsers, and lie in a folder of their own.
    const compiled = paths.filter((path) => /^dist\/(?!console\/).*\.js$/.test(path));
    // A start reads only those that it needs; what HTTP, MQTT and workers need is in files of its own.
    assert.ok(
      compiled.length > 0 && compiled.length < sources.length / 3,
      `${compiled.length} files of ${sources.length} sources`,
    );
    assert.equal(new Set(compiled.map((path) => dirname(path))).size, 1, 'they lie in one folder');
  });

  test(`the source maps of ${name} lead to sources in its tarball`, () => {
    const paths = tarballs.get(name)?.paths ?? [];
    const mapped = new Set<string>();
    for (const path of paths.filter((path) => path.endsWith('.js.map'))) {
      const map: { sources: string[] } = JSON.parse(readFileSync(join(root, 'packages', name, path), 'utf8'));
      for (const source of map.sources) mapped.add(posix.join(posix.dirname(path), source));
    }
    assert.ok(mapped.size > 60, `${mapped.size} sources`);
    assert.deepEqual(
      [...mapped].filter((source) => !paths.includes(source)),
      [],
    );
  });
}

test('what a package asks for beside its own file is there', () => {
  for (const name of ['coapsule', 'gateway']) {
    for (const { name: file, parentPath } of readdirSync(join(root, 'packages', name, 'dist'), {
      recursive: true,
      withFileTypes: true,
    })) {
      if (!file.endsWith('.js')) continue;
      const code = readFileSync(join(parentPath, file), 'utf8');
      for (const [, beside = ''] of code.matchAll(
        /^(?!\s*\*).*new URL\([`'"]([^`'"]+)[`'"], import\.meta\.url\)/gm,
      )) {
        const path = beside.replace('${extension}', '.js');
        assert.ok(existsSync(join(parentPath, path)), `${path}, which ${file} asks for`);
      }
    }
  }
});

test('the licence of both packages is the licence of the repository', () => {
  const text = readFileSync(join(root, 'LICENSE'), 'utf8');
  assert.match(text, /Apache License\s+Version 2\.0/);
  for (const name of ['coapsule', 'gateway']) {
    assert.equal(readFileSync(join(root, 'packages', name, 'LICENSE'), 'utf8'), text);
  }
});

test('installing the gateway brings the library, commander, ws, serialport, yaml, zod, mqtt, redis, hono, pino, cbor2, uqr, OpenTelemetry and what issues certificates, and no other package', () => {
  const installed = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'));
  const issuing = ['@peculiar', 'asn1js', 'pvtsutils', 'pvutils', 'reflect-metadata', 'tslib', 'tsyringe'];
  // The client of brokers, and what it depends on.
  const bridge = [
    '@babel',
    '@types',
    'abort-controller',
    'base64-js',
    'bl',
    'broker-factory',
    'buffer',
    'buffer-from',
    'commist',
    'concat-stream',
    'event-target-shim',
    'events',
    'fast-unique-numbers',
    'help-me',
    'ieee754',
    'inherits',
    'ip-address',
    'lru-cache',
    'minimist',
    'mqtt',
    'mqtt-packet',
    'process',
    'process-nextick-args',
    'readable-stream',
    'rfdc',
    'safe-buffer',
    'smart-buffer',
    'socks',
    'split2',
    'string_decoder',
    'typedarray',
    'undici-types',
    'util-deprecate',
    'worker-factory',
    'worker-timers',
    'worker-timers-broker',
    'worker-timers-worker',
  ];
  const logging = [
    '@pinojs',
    'atomic-sleep',
    'on-exit-leak-free',
    'pino',
    'pino-abstract-transport',
    'pino-std-serializers',
    'process-warning',
    'quick-format-unescaped',
    'real-require',
    'safe-stable-stringify',
    'sonic-boom',
    'thread-stream',
  ];
  const serial = ['@serialport', 'debug', 'ms', 'node-addon-api', 'node-gyp-build', 'serialport'];
  assert.deepEqual(
    installed.sort(),
    [
      '@coapsule',
      ...issuing,
      ...serial,
      ...bridge,
      ...['redis', '@redis'],
      ...logging,
      ...['cbor2', '@cto.af'],
      '@opentelemetry',
      '@hono',
      'coapsule',
      'commander',
      'hono',
      'uqr',
      'ws',
      'yaml',
      'zod',
    ].sort(),
  );
});

describe('the installed library', () => {
  const subpaths = Object.keys(manifest('coapsule').exports ?? {});

  for (const subpath of subpaths) {
    const specifier = subpath === '.' ? 'coapsule' : `coapsule${subpath.slice(1)}`;
    test(`imports as ${specifier}`, () => {
      const attribute = specifier.endsWith('.json') ? ', { with: { type: "json" } }' : '';
      const script = `console.log(Object.keys(await import('${specifier}'${attribute})).length)`;
      assert.ok(Number(succeed(process.execPath, ['--input-type=module', '-e', script], folder)) > 0);
    });
  }

  test('does not open its insides', () => {
    const script = `import('coapsule/dist/core/coap/code.js').catch((error) => console.log(error.code))`;
    const code = succeed(process.execPath, ['--input-type=module', '-e', script], folder).trim();
    assert.equal(code, 'ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  test('serves and requests a resource', () => {
    const script = `
      import { Client, Server, content } from 'coapsule';
      const server = new Server().resource('/hello', { get: () => content('hi') });
      const key = new TextEncoder().encode('secretPSK');
      const listener = await server.listen('coaps://127.0.0.1:0', { psk: { lookup: new Map([['me', key]]) } });
      const client = new Client({ psk: { identity: 'me', key } });
      console.log((await client.get(\`coaps://127.0.0.1:\${listener.port}/hello\`)).text());
      await client.close();
      await server.close();
    `;
    assert.equal(succeed(process.execPath, ['--input-type=module', '-e', script], folder).trim(), 'hi');
  });

  for (const [name, resolution] of [
    ['Node', { module: 'nodenext' }],
    ['a bundler', { module: 'esnext', moduleResolution: 'bundler' }],
  ] as const) {
    test(`type-checks for ${name} under strict settings, its declarations included`, () => {
      const imports = subpaths.filter((subpath) => !subpath.endsWith('.json'));
      const statements = imports.map(
        (subpath, index) => `import * as m${index} from 'coapsule${subpath.slice(1)}';`,
      );
      writeFileSync(
        join(folder, 'consumer.ts'),
        `${statements.join('\n')}
import { Client, type Response } from 'coapsule';
export async function temperature(uri: string): Promise<number> {
  const client = new Client({ psk: { identity: 'me', key: new Uint8Array([1]) } });
  const response: Response = await client.get(uri, { timeoutMs: 1000 });
  // @ts-expect-error a payload is bytes or text
  await client.put(uri, { payload: 5 });
  return Number(response.text());
}
console.log(${imports.map((_, index) => `m${index}`).join(', ')});
`,
      );
      writeFileSync(
        join(folder, 'tsconfig.json'),
        JSON.stringify({
          compilerOptions: {
            ...resolution,
            target: 'es2022',
            lib: ['ES2023', 'ESNext.Disposable'],
            strict: true,
            exactOptionalPropertyTypes: true,
            noUncheckedIndexedAccess: true,
            skipLibCheck: false,
            noEmit: true,
            typeRoots: [join(root, 'node_modules/@types')],
            types: ['node'],
          },
          files: ['consumer.ts'],
        }),
      );
      succeed(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], folder);
    });
  }
});

describe('the installed command line', () => {
  const binary = join(folder, 'node_modules/.bin/coapsule');

  test('coapsule --version prints the version', () => {
    assert.equal(
      succeed(process.execPath, [binary, '--version'], folder).trim(),
      manifest('gateway').version,
    );
  });

  test('coapsule --help names the verbs and the gateway', () => {
    const help = succeed(process.execPath, [binary, '--help'], folder);
    for (const verb of [
      'get',
      'put',
      'post',
      'delete',
      'observe',
      'ping',
      'discover',
      'serve',
      'device',
      'keys',
      'client',
      'serial',
      'bench',
    ]) {
      assert.match(help, new RegExp(`^\\s+${verb}\\b`, 'm'));
    }
  });

  test('coapsule serial list loads the serial ports without any install script', () => {
    const { code, output } = execute(process.execPath, [binary, 'serial', 'list', '--json'], folder);
    assert.equal(code, 0, output);
  });

  test('coapsule get without a URI is a wrong usage: exit code 64', () => {
    assert.equal(execute(process.execPath, [binary, 'get'], folder).code, 64);
  });

  test('coapsule serve --check starts from the compiled files', () => {
    const { code, output } = execute(
      process.execPath,
      [
        binary,
        'serve',
        '--check',
        '--demo',
        '--coap',
        '127.0.0.1:0',
        '--coaps',
        '127.0.0.1:0',
        '--data',
        join(folder, 'data'),
      ],
      folder,
    );
    assert.equal(code, 0, output);
  });

  test('coapsule serve runs from the compiled files and stores what its own client sends', async (t) => {
    const ports = ['--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0', '--data', join(folder, 'data')];
    const gateway = start(t, process.execPath, [binary, 'serve', '--demo', ...ports], { cwd: folder });
    const [, address = ''] = await gateway.waitFor(/^ready .*"coaps":"([^"]+)"/m);
    const credentials = ['-u', 'sensor-042', '-k', 'MySecret16ByteK!'];
    succeed(
      process.execPath,
      [binary, 'post', `coaps://${address}/sensor`, '-e', '22.5', ...credentials],
      folder,
    );
    const stored = succeed(
      process.execPath,
      [binary, 'get', `coaps://${address}/sensor`, ...credentials],
      folder,
    );
    assert.equal(stored.trimEnd(), '22.5');
  });
});
