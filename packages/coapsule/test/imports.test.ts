/**
 * Who imports whom in both packages: ranks, folders of core/dtls, the sans-IO wall and cycles, from the sources as they
 * are; and the checker itself on graphs that break each rule.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, test } from 'node:test';
import { cycles, type ImportGraph, violations } from './import-rules.ts';
import { readImports } from './import-statements.ts';

const packages = join(import.meta.dirname, '../..');

function sourceGraph(): ImportGraph {
  const graph: [string, ReturnType<typeof readImports>][] = [];
  for (const name of ['coapsule', 'gateway']) {
    for (const path of readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' })) {
      // AssemblyScript is compiled by itself and imports only itself.
      if (!path.endsWith('.ts') || path.endsWith('.as.ts')) continue;
      const file = `${name}/src/${path.split(sep).join('/')}`;
      graph.push([file, readImports(readFileSync(join(packages, file), 'utf8'))]);
    }
  }
  return new Map(graph);
}

function manifest(name: string): {
  dependencies?: Record<string, string>;
  exports?: Record<string, unknown>;
} {
  return JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8'));
}

/** A package with the subpaths that it exports by name. */
function exportedBy(name: string): readonly string[] {
  const installed = join(packages, '..', 'node_modules', name, 'package.json');
  const { exports } = JSON.parse(readFileSync(installed, 'utf8')) as { exports?: string | object };
  const paths = typeof exports === 'object' ? Object.keys(exports) : [];
  return [name, ...paths.filter((path) => /^\.\/[^*]+$/.test(path)).map((path) => `${name}${path.slice(1)}`)];
}

const allowed = {
  gateway: new Set([
    ...Object.keys(manifest('gateway').dependencies ?? {}).flatMap(exportedBy),
    ...Object.keys(manifest('coapsule').exports ?? {}).map((path) =>
      join('coapsule', path).split(sep).join('/'),
    ),
  ]),
};

describe('the sources', () => {
  test('every import goes to a lower rank or stays in its folder, and no import goes round', () => {
    const graph = sourceGraph();
    assert.ok(graph.size > 40, `only ${graph.size} source files were read`);
    assert.deepEqual(violations(graph, allowed), []);
  });

  test('the library has no runtime dependency', () => {
    assert.deepEqual(manifest('coapsule').dependencies ?? {}, {});
  });
});

describe('the checker', () => {
  /** Violations of a graph given as `file: imported names`. */
  function check(files: Record<string, readonly string[]>): string[] {
    const graph = new Map(
      Object.entries(files).map(([file, names]) => [
        file,
        names.map((specifier, index) => ({ specifier, typeOnly: false, line: index + 1 })),
      ]),
    );
    return violations(graph, allowed);
  }
  const core = 'coapsule/src/core';

  test('a graph that keeps the rules passes', () => {
    assert.deepEqual(
      check({
        [`${core}/foundation/bytes.ts`]: [],
        [`${core}/coap/code.ts`]: ['../foundation/bytes.ts'],
        [`${core}/dtls/cipher-suites.ts`]: [],
        [`${core}/dtls/record/seal-record.ts`]: ['../cipher-suites.ts', '../../foundation/bytes.ts'],
        [`${core}/dtls/handshake/flight.ts`]: ['../record/seal-record.ts'],
        'coapsule/src/node/udp-socket.ts': ['node:dgram', '../core/coap/code.ts'],
        'gateway/src/cli/main.ts': ['coapsule', 'coapsule/core', 'commander', 'node:fs'],
      }),
      [],
    );
  });

  const refused: [sentence: string, files: Record<string, readonly string[]>, complaint: RegExp][] = [
    [
      'an import from a higher rank is refused',
      { [`${core}/coap/code.ts`]: ['../dtls/alert.ts'], [`${core}/dtls/alert.ts`]: [] },
      /code\.ts:1 imports .*alert\.ts: rank 2 may not import rank 3/,
    ],
    [
      'folders of equal rank may not import each other',
      {
        [`${core}/dtls/alert.ts`]: ['../message-layer/congestion.ts'],
        [`${core}/message-layer/congestion.ts`]: [],
      },
      /rank 3 may not import rank 3/,
    ],
    [
      'node/ may not import crypto/',
      {
        'coapsule/src/node/driver.ts': ['../crypto/node-crypto.ts'],
        'coapsule/src/crypto/node-crypto.ts': [],
      },
      /rank 5 may not import rank 5/,
    ],
    [
      'the DTLS record layer may not import the handshake',
      {
        [`${core}/dtls/record/open-record.ts`]: ['../handshake/flight.ts'],
        [`${core}/dtls/handshake/flight.ts`]: [],
      },
      /record\/ sees only foundation\/ and cipher-suites\.ts/,
    ],
    [
      'the DTLS record layer and key schedule may not import each other',
      { [`${core}/dtls/key-schedule/prf-12.ts`]: ['../record/a.ts'], [`${core}/dtls/record/a.ts`]: [] },
      /key-schedule\/ sees only/,
    ],
    [
      'core may not import Node',
      { [`${core}/coap/uri.ts`]: ['node:url'] },
      /only node\/ and crypto\/ know Node/,
    ],
    [
      'cryptography is imported in crypto/ alone',
      { 'coapsule/src/node/driver.ts': ['node:crypto'] },
      /cryptography is in crypto\//,
    ],
    ['the library may not import a package', { 'coapsule/src/api/client.ts': ['ws'] }, /has no dependencies/],
    [
      'the gateway may not import an undeclared package',
      { 'gateway/src/cli/main.ts': ['left-pad'] },
      /no dependency exports/,
    ],
    [
      'the gateway may not reach into the library by path',
      { 'gateway/src/cli/main.ts': ['../../../coapsule/src/index.ts'], 'coapsule/src/index.ts': [] },
      /sees only what the library exports/,
    ],
    [
      'the gateway may not import an unexported subpath',
      { 'gateway/src/a.ts': ['coapsule/api'] },
      /no dependency exports/,
    ],
    [
      'a file outside the ranked folders is refused',
      { [`${core}/misc/a.ts`]: [] },
      /in no folder that has a rank/,
    ],
    ['an import of a missing file is refused', { [`${core}/coap/a.ts`]: ['./b.ts'] }, /no source file/],
    [
      'an import without its extension is refused',
      { [`${core}/coap/a.ts`]: ['./b'], [`${core}/coap/b.ts`]: [] },
      /no source file/,
    ],
    [
      'a cycle within one folder is refused',
      {
        [`${core}/coap/a.ts`]: ['./b.ts'],
        [`${core}/coap/b.ts`]: ['./c.ts'],
        [`${core}/coap/c.ts`]: ['./a.ts'],
      },
      /import cycle: .*a\.ts → .*b\.ts → .*c\.ts → .*a\.ts$/,
    ],
    ['a file that imports itself is a cycle', { [`${core}/coap/a.ts`]: ['./a.ts'] }, /import cycle/],
  ];
  for (const [sentence, files, complaint] of refused) {
    test(sentence, () => {
      const found = check(files);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, complaint);
    });
  }

  test('a computed import is refused', () => {
    const graph = new Map([['gateway/src/a.ts', readImports('await import(`./${name}.ts`);')]]);
    assert.match(violations(graph, allowed).join(), /imports a computed name/);
  });

  test('two separate cycles are both found, a diamond is none', () => {
    const edges = new Map([
      ['a', ['b']],
      ['b', ['a', 'c']],
      ['c', ['d', 'e']],
      ['d', ['f']],
      ['e', ['f']],
      ['f', []],
      ['g', ['g', 'a']],
    ]);
    assert.deepEqual(
      cycles(edges).map((cycle) => cycle.join('')),
      ['aba', 'gg'],
    );
  });
});

describe('the reader of import statements', () => {
  const cases: [sentence: string, source: string, expected: string[]][] = [
    [
      'reads a default, a namespace and a named import',
      `import a from 'x'; import * as b from "y";\nimport { c, d as e } from 'z'`,
      ['x', 'y', 'z'],
    ],
    ['reads an import for its effect', `import 'x';`, ['x']],
    ['reads a clause over several lines', `import {\n  a,\n  type B,\n} from './a.ts';`, ['./a.ts']],
    [
      'marks type imports and type re-exports',
      `import type { A } from 'x'; export type { B } from 'y'; export type * from 'z'`,
      ['type x', 'type y', 'type z'],
    ],
    ['reads an import of something called type', `import type from 'x';`, ['x']],
    ['reads re-exports', `export { a } from 'x'; export * from 'y'; export * as b from 'z'`, ['x', 'y', 'z']],
    ['reads dynamic imports', `const a = await import('x');`, ['x']],
    [
      'passes over local exports and declarations',
      `export { a };\nexport const from = 'x';\nexport type T = 'y';\nexport function f() {}`,
      [],
    ],
    ['passes over an export followed by an import', `export { a };\nimport { b } from 'x';`, ['x']],
    ['passes over comments', `// import 'a'\n/* import 'b'\n import 'c' */ import 'd';`, ['d']],
    [
      'passes over strings and templates',
      "const s = \"import 'a'\", t = `import 'b' ${f('c')} import 'd'`; import 'e';",
      ['e'],
    ],
    [
      'reads an import inside a template hole',
      "const t = `x ${`${await import('a')}`} y`; import 'b';",
      ['a', 'b'],
    ],
    [
      'passes over regular expressions with quotes',
      `const r = /['"\`]import/; const s = x.replace(/[/']/g, ''); import 'e';`,
      ['e'],
    ],
    [
      'knows a division from a regular expression',
      `const q = a / b; import 'x'; const r = (a) / 2; import 'y';`,
      ['x', 'y'],
    ],
    [
      'passes over import.meta and properties named import',
      `import.meta.url; a.import('x'); const o = { import: 'y' };`,
      [],
    ],
  ];
  for (const [sentence, source, expected] of cases) {
    test(sentence, () => {
      assert.deepEqual(
        readImports(source).map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier)),
        expected,
      );
    });
  }

  test('gives the line of each statement', () => {
    assert.deepEqual(
      readImports(`/* 1\n2 */\nimport 'x';\nconst a = \`\n\`;\nimport 'y';`).map(({ line }) => line),
      [3, 6],
    );
  });
});
