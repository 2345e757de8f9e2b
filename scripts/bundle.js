/**
 * The second half of `npm run build`: joins the modules of each package into few files, one for each entry and some that
 * entries share. A program that starts reads and compiles each file that it loads: 600 of them take longer than all it does.
 *
 * All files of a package lie in one folder, so that `new URL('./x.js', import.meta.url)` means the same in every one of them;
 * such an `x` is an entry here. Declarations are not joined: `tsc` writes them, one for each source.
 */
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { root } from './install.js';

await bundle('coapsule', 'dist', 'es2022', {
  index: 'index.ts',
  message: 'message.ts',
  dtls: 'dtls.ts',
  core: 'core/index.ts',
  node: 'node/index.ts',
  oscore: 'oscore.ts',
  senml: 'senml.ts',
  cbor: 'cbor.ts',
  testing: 'testing/index.ts',
  'worker-bootstrap': 'node/worker-bootstrap.ts',
});
await bundle('gateway', 'dist/cli', 'node24', {
  main: 'cli/main.ts',
  'store-worker': 'store/store-worker.ts',
  'gateway-worker': 'gateway/gateway-worker.ts',
});

/**
 * @param {string} name of the package
 * @param {string} output folder
 * @param {string} target that of the package's tsconfig.json
 * @param {Record<string, string>} entries name of the compiled file, and its source below src/
 */
async function bundle(name, output, target, entries) {
  const folder = join(root, 'packages', name);
  const input = Object.fromEntries(
    Object.entries(entries).map(([entry, source]) => [entry, join(folder, 'src', source)]),
  );
  const build = await rolldown({
    input,
    cwd: folder,
    platform: 'node',
    // What is not a file of the package is installed beside it.
    external: /^[^./]/,
    tsconfig: false,
    transform: { target },
    onLog(level, log) {
      if (level !== 'debug' && level !== 'info') throw new Error(log.message);
    },
  });
  await build.write({
    dir: join(folder, output),
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    sourcemap: true,
    // The sources come with the package.
    sourcemapExcludeSources: true,
  });
  await build.close();
}
