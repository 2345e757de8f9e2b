/**
 * Builds the console's pages, console/, into dist/console/ (Vite): `node build-console.js [--if-older]`.
 *
 * With --if-older nothing is done when dist/console/ is newer than all that it is made of. The library comes in from its sources, with
 * the cryptography of browsers in the place of Node's.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, defaultClientConditions } from 'vite';

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(folder, 'dist/console');
const sources = [
  'console',
  'src/advice',
  'src/figures',
  'src/console',
  'src/filter',
  'src/keys',
  'src/payload',
  'src/telemetry',
  'src/text',
  'scripts',
  'package.json',
  '../coapsule/src',
];

if (!process.argv.includes('--if-older') || isOlder()) await buildConsole();

function isOlder() {
  const index = statSync(join(output, 'index.html'), { throwIfNoEntry: false });
  return index === undefined || sources.some((source) => newest(join(folder, source)) > index.mtimeMs);
}

/** @param {string} path file or folder; 0 where there is none */
function newest(path) {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (entry === undefined) return 0;
  if (!entry.isDirectory()) return entry.mtimeMs;
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return Math.max(entry.mtimeMs, ...names.map((name) => statSync(join(path, name)).mtimeMs));
}

async function buildConsole() {
  rmSync(join(output, 'assets'), { recursive: true, force: true });
  await build({
    configFile: false,
    root: join(folder, 'console'),
    base: '/console/',
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    resolve: { conditions: ['@coapsule/source', ...defaultClientConditions] },
    plugins: [browserCrypto()],
    build: {
      outDir: output,
      // The declarations of src/console are there too.
      emptyOutDir: false,
      target: 'es2023',
      // A strict Content-Security-Policy: nothing inline.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        onLog(level, log, tell) {
          // Of the library come in modules of which nothing is used; that nothing of Node is left is looked at below.
          if (!log.message.includes('externalized for browser compatibility')) tell(level, log);
        },
      },
    },
  });
  for (const name of readdirSync(join(output, 'assets'))) {
    // As an import of the built code, and not in the text of a program that is shown.
    const left = /__vite-browser-external|\b(?:from|import\(?|require\()["'`]node:[\w/]+["'`]/.exec(
      readFileSync(join(output, 'assets', name), 'utf8'),
    );
    if (left !== null) throw new Error(`${name} has a module of Node in it: ${left[0]}`);
  }
  // The licences of what is inside, which ask to be told with it.
  const inside = [
    ...['preact', '@preact/signals', '@preact/signals-core', 'uplot', 'uqr', 'cbor2', 'yaml'],
    // For certificates of devices, which the wizard issues.
    ...['@peculiar/x509', '@peculiar/asn1-schema', 'asn1js', 'pvtsutils', 'pvutils', 'tslib', 'tsyringe'],
    'reflect-metadata',
  ];
  const licences = inside.map((name) => {
    const text = licenceOf(name);
    return `${name}\n${'='.repeat(name.length)}\n\n${text.trim()}\n`;
  });
  writeFileSync(join(output, 'licences.txt'), licences.join('\n\n'));
}

/** @param {string} name of a package */
function licenceOf(name) {
  for (const modules of [join(folder, 'node_modules'), join(folder, '../../node_modules')]) {
    for (const file of ['LICENSE', 'LICENSE.md', 'LICENSE.txt']) {
      try {
        return readFileSync(join(modules, name, file), 'utf8');
      } catch {
        // It is another one.
      }
    }
  }
  throw new Error(`no licence of ${name} was found beside it`);
}

/** @returns {import('vite').Plugin} */
function browserCrypto() {
  return {
    name: 'browser-crypto',
    enforce: 'pre',
    resolveId(source) {
      return source.endsWith('/crypto/fast-crypto.ts')
        ? join(folder, 'console/engine/browser-crypto.ts')
        : undefined;
    },
  };
}
