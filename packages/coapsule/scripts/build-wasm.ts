/**
 * `npm run build:wasm`: makes the files of `src/crypto/aes-ccm` that are generated, the tables of the AES and the bytes of the
 * WebAssembly module, from their sources. With `--check` it writes nothing, and fails when one of them is out of date.
 *
 * Same source and same lockfile, same bytes. A program and not a function for tests, since the compiler changes built-in objects
 * of the process that it runs in (it gives `Array` another `sort`).
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import asc from 'assemblyscript/asc';
import { tables } from './vector-permute-tables.ts';

const folder: string = join(import.meta.dirname, '../src/crypto/aes-ccm');
const assembly: string = join(folder, 'assembly');

/** 64 KiB each; all that the module ever has. Round keys take what the areas of fixed size leave. */
const memoryPages = 19;

interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

const tablesFile: GeneratedFile = { path: join(assembly, 'tables.as.ts'), text: tablesText() };
const bytesFile: GeneratedFile = { path: join(folder, 'module-bytes.ts'), text: bytesText(await compile()) };
for (const { path, text } of [tablesFile, bytesFile]) {
  const name = relative(process.cwd(), path);
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
    console.log(`wrote ${name}`);
  } else if (readFileSync(path, 'utf8') !== text) {
    console.log(`${name} is out of date: npm run build:wasm`);
    process.exitCode = 1;
  }
}

/** @throws Error with what the compiler says when it refuses. */
async function compile(): Promise<Uint8Array> {
  let output: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      'aes-ccm.as.ts',
      ...[
        '--outFile',
        'aes-ccm.wasm',
        '-O3',
        '--converge',
        '--noAssert',
        '--runtime',
        'stub',
        '--enable',
        'simd',
      ],
      ...['--memoryBase', '64'],
      ...['--initialMemory', String(memoryPages), '--maximumMemory', String(memoryPages)],
    ],
    {
      readFile(name) {
        if (name === basename(tablesFile.path)) return tablesFile.text;
        try {
          return readFileSync(join(assembly, name), 'utf8');
        } catch {
          return null;
        }
      },
      writeFile(name, contents) {
        if (name === 'aes-ccm.wasm' && typeof contents !== 'string') output = contents;
      },
      listFiles: () => null,
    },
  );
  if (error !== null || output === undefined) {
    throw new Error(`asc refused the sources: ${stderr.toString()}`, { cause: error });
  }
  return output;
}

function tablesText(): string {
  const lines = Object.entries(tables).map(([name, bytes]) => {
    const rows: string[] = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const row = bytes.slice(at, at + 16).map((byte) => `0x${byte.toString(16).padStart(2, '0')}`);
      rows.push(`  ${row.join(', ')},`);
    }
    return `export const ${name}: usize = memory.data<u8>([\n${rows.join('\n')}\n], 16);\n`;
  });
  return `/**
 * The tables of the vector-permute AES. Generated: scripts/vector-permute-tables.ts has their definitions, and
 * \`npm run build:wasm\` writes them here.
 */

${lines.join('\n')}`;
}

function bytesText(module: Uint8Array): string {
  const lines =
    Buffer.from(module)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  return `/**
 * The WebAssembly module of \`assembly/\`, ${module.length} bytes as base64. Generated: \`npm run build:wasm\` writes it.
 *
 * @module
 */

export const moduleBytes: string =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;
}
