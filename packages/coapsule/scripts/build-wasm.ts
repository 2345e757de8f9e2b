/**
 * `npm run build:wasm`: makes the files of `src/crypto` that are generated, the tables of the AES and the bytes of the WebAssembly
 * modules, from their sources. With `--check` it writes nothing, and fails when one of them is out of date.
 *
 * Same source and same lockfile, same bytes. A program and not a function for tests, since the compiler changes built-in objects
 * of the process that it runs in (it gives `Array` another `sort`).
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import asc from 'assemblyscript/asc';
import { tables } from './vector-permute-tables.ts';

const folder: string = join(import.meta.dirname, '../src/crypto');

interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

const tablesFile: GeneratedFile = { path: join(folder, 'aes-ccm/assembly/tables.as.ts'), text: tablesText() };
// Pages of 64 KiB are all the memory that a module ever has. Of AES-CCM, round keys take what the areas of fixed size leave.
const files: readonly GeneratedFile[] = [
  tablesFile,
  await bytesFile('aes-ccm', 19),
  await bytesFile('sha-256', 1),
];
for (const { path, text } of files) {
  const name = relative(process.cwd(), path);
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
    console.log(`wrote ${name}`);
  } else if (readFileSync(path, 'utf8') !== text) {
    console.log(`${name} is out of date: npm run build:wasm`);
    process.exitCode = 1;
  }
}

/** The module of `name/assembly/name.as.ts` as a file of TypeScript. */
async function bytesFile(name: string, pages: number): Promise<GeneratedFile> {
  return { path: join(folder, name, 'module-bytes.ts'), text: bytesText(await compile(name, pages)) };
}

/** @throws Error with what the compiler says when it refuses. */
async function compile(name: string, pages: number): Promise<Uint8Array> {
  let output: Uint8Array | undefined;
  const options = [
    `--outFile ${name}.wasm -O3 --converge --noAssert --runtime stub --enable simd --memoryBase 64`,
    `--initialMemory ${pages} --maximumMemory ${pages}`,
  ];
  const { error, stderr } = await asc.main([`${name}.as.ts`, ...options.join(' ').split(' ')], {
    readFile(file) {
      const path = join(folder, name, 'assembly', file);
      if (path === tablesFile.path) return tablesFile.text;
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return null;
      }
    },
    writeFile(file, contents) {
      if (file === `${name}.wasm` && typeof contents !== 'string') output = contents;
    },
    listFiles: () => null,
  });
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
