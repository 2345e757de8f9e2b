/**
 * The rules about who may import whom, applied to an import graph: ranks, the folders inside core/dtls, the sans-IO
 * wall, the gateway's door, and cycles. Paths are relative to `packages/`, with forward slashes.
 */
import { posix } from 'node:path';
import type { ImportStatement } from './import-statements.ts';

/** Source files and what each of them imports. */
export type ImportGraph = ReadonlyMap<string, readonly ImportStatement[]>;

/** Names of packages and their subpaths that the gateway may import, beside its own files and `node:` modules. */
export interface AllowedPackages {
  readonly gateway: ReadonlySet<string>;
}

/** A file imports only from a lower rank or from its own folder; the first prefix that fits decides. */
const ranks: readonly (readonly [prefix: string, rank: number])[] = [
  ['coapsule/src/core/foundation/', 1],
  ['coapsule/src/core/coap/', 2],
  ['coapsule/src/core/cbor/', 2],
  ['coapsule/src/core/serial/', 2],
  ['coapsule/src/core/x509/', 2],
  ['coapsule/src/core/content/', 2.5], // what payloads hold: made of CBOR and of the registries of coap/
  ['coapsule/src/core/dtls/', 3],
  ['coapsule/src/core/message-layer/', 3],
  ['coapsule/src/core/connection/', 3],
  ['coapsule/src/core/request-response/', 3],
  ['coapsule/src/core/oscore/', 3],
  ['coapsule/src/core/endpoint/', 4],
  ['coapsule/src/core/index.ts', 4.5],
  ['coapsule/src/node/index.ts', 5.5], // what the subpath ./node offers: sockets and cryptography
  ['coapsule/src/node/', 5],
  ['coapsule/src/crypto/', 5],
  ['coapsule/src/testing/', 5.5], // a pair of endpoints shakes hands with the real cryptography
  ['coapsule/src/api/', 6],
  ['coapsule/src/proxy/', 6.2],
  ['coapsule/src/message.ts', 6.5],
  ['coapsule/src/dtls.ts', 6.5],
  ['coapsule/src/oscore.ts', 6.5],
  ['coapsule/src/senml.ts', 6.5],
  ['coapsule/src/cbor.ts', 6.5],
  ['coapsule/src/index.ts', 6.5],
  ['gateway/src/', 7],
];

const dtls = 'coapsule/src/core/dtls/';
/** The two folders of core/dtls that stay below its other files: they see cipher-suites.ts and nothing else of it. */
const dtlsFoundations = [`${dtls}record/`, `${dtls}key-schedule/`];

/** The only file that may load an optional peer dependency of the library, and which. */
const optionalPeers: ReadonlyMap<string, string> = new Map([
  ['coapsule/src/node/serial-device.ts', 'serialport'],
  ['coapsule/src/node/websocket.ts', 'ws'],
]);

/** The only file that loads what it is told: the module that the user gives to `startWorkers`. */
const loadsModuleOfUser = 'coapsule/src/node/worker-bootstrap.ts';

function unitOf(file: string): readonly [prefix: string, rank: number] | undefined {
  return ranks.find(([prefix]) => (prefix.endsWith('/') ? file.startsWith(prefix) : file === prefix));
}

/**
 * Every rule that the graph breaks, one sentence each; empty when all is well.
 *
 * @param graph all source files of both packages.
 */
export function violations(graph: ImportGraph, allowed: AllowedPackages): string[] {
  const found: string[] = [];
  const edges = new Map<string, string[]>();
  for (const [file, imports] of graph) {
    const unit = unitOf(file);
    if (unit === undefined) found.push(`${file} is in no folder that has a rank`);
    const targets: string[] = [];
    edges.set(file, targets);
    for (const { specifier, line } of imports) {
      const complain = (reason: string): void => void found.push(`${file}:${line} ${reason}`);
      if (specifier === undefined) {
        if (file !== loadsModuleOfUser) complain('imports a computed name');
      } else if (!specifier.startsWith('.')) {
        const reason = refusedPackage(file, specifier, allowed);
        if (reason !== undefined) complain(reason);
      } else {
        const target = posix.join(posix.dirname(file), specifier);
        if (!graph.has(target)) complain(`imports ${specifier}, which is no source file of the workspace`);
        else {
          targets.push(target);
          const reason = unit && refusedFile(file, unit, target);
          if (reason !== undefined) complain(reason);
        }
      }
    }
  }
  for (const cycle of cycles(edges)) found.push(`import cycle: ${cycle.join(' → ')}`);
  return found;
}

function refusedPackage(file: string, specifier: string, allowed: AllowedPackages): string | undefined {
  const isNode = specifier.startsWith('node:');
  if (file.startsWith('gateway/')) {
    return isNode || allowed.gateway.has(specifier)
      ? undefined
      : `imports ${specifier}, which no dependency exports`;
  }
  if (!isNode && optionalPeers.get(file) === specifier) return undefined;
  if (!isNode) return `imports ${specifier}: the library has no dependencies`;
  if (file.startsWith('coapsule/src/crypto/')) return undefined;
  if (!file.startsWith('coapsule/src/node/')) return `imports ${specifier}: only node/ and crypto/ know Node`;
  if (specifier === 'node:crypto' && file !== 'coapsule/src/node/system-random.ts') {
    return 'imports node:crypto: cryptography is in crypto/';
  }
  return undefined;
}

function refusedFile(
  file: string,
  [prefix, rank]: readonly [string, number],
  target: string,
): string | undefined {
  const targetUnit = unitOf(target);
  if (targetUnit === undefined) return undefined; // already reported for the target itself
  const [targetPrefix, targetRank] = targetUnit;
  if (targetPrefix.startsWith('coapsule/') && prefix.startsWith('gateway/')) {
    return `imports ${target}: the gateway sees only what the library exports`;
  }
  if (targetPrefix !== prefix && targetRank >= rank) {
    return `imports ${target}: rank ${rank} may not import rank ${targetRank}`;
  }
  const inner = dtlsFoundations.find((folder) => file.startsWith(folder));
  if (inner !== undefined) {
    const mayImport = [inner, 'coapsule/src/core/foundation/', `${dtls}cipher-suites.ts`];
    if (!mayImport.some((place) => target.startsWith(place))) {
      return `imports ${target}: ${posix.basename(inner)}/ sees only foundation/ and cipher-suites.ts`;
    }
  }
  return undefined;
}

/**
 * The cycles of a graph: one walk through each strongly connected component (Tarjan), ends with the file it began with.
 *
 * @param edges file → files it imports; an unknown target is ignored.
 */
export function cycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    low.set(file, order.get(file)!);
    stack.push(file);
    for (const target of edges.get(file) ?? []) {
      if (!edges.has(target)) continue;
      if (!order.has(target)) visit(target);
      else if (!stack.includes(target)) continue;
      low.set(file, Math.min(low.get(file)!, low.get(target)!));
    }
    if (low.get(file) !== order.get(file)) return;
    const component = new Set(stack.splice(stack.indexOf(file)));
    if (component.size > 1 || edges.get(file)?.includes(file)) found.push(walk(edges, file, component));
  };
  for (const file of edges.keys()) if (!order.has(file)) visit(file);
  return found;
}

/** Shortest way from a file back to itself inside its component. */
function walk(
  edges: ReadonlyMap<string, readonly string[]>,
  start: string,
  component: Set<string>,
): string[] {
  const from = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const target of edges.get(file) ?? []) {
      if (!component.has(target)) continue;
      if (target === start) {
        const way = [start];
        for (let at = file; at !== start; at = from.get(at)!) way.unshift(at);
        return [start, ...way];
      }
      if (!from.has(target)) {
        from.set(target, file);
        queue.push(target);
      }
    }
  }
  return [...component];
}
