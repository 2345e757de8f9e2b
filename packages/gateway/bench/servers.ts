/**
 * The servers that are measured, each a process of its own on core 0: ours, libcoap's and node-coap's, and an echo.
 *
 * @module
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

const root = join(import.meta.dirname, '../../..');
const peers = process.env['COAPSULE_PEERS'] ?? join(root, '.peers');
/** The pre-shared key of all clients, and their Master Secret under OSCORE. */
export const secret = 'MySecret16ByteK!';

/** Whether there are two cores to give to server and generator; without `taskset` the system decides. */
const isPinned = spawnSync('taskset', ['-c', '1', 'true']).status === 0;

/** Server and generator have a core each; servers that use all cores share both with the generator. */
type Cores = '0' | '1' | '0,1';

/** A command on some cores. */
export function onCores(cores: Cores, command: readonly string[]): readonly string[] {
  return isPinned ? ['taskset', '-c', cores, ...command] : command;
}

/** What the clients prove themselves with. */
export type Security =
  | { readonly kind: 'plain' }
  | { readonly kind: 'psk' }
  | { readonly kind: 'certificate'; readonly folder: string }
  | { readonly kind: 'oscore'; readonly contexts: number };

/** A running server. */
export class MeasuredServer {
  readonly name: string;
  readonly port: number;
  readonly security: Security;
  readonly cores: Cores;
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(
    name: string,
    port: number,
    security: Security,
    cores: Cores,
    child: ChildProcess,
    lines: Interface,
  ) {
    this.cores = cores;
    this.name = name;
    this.port = port;
    this.security = security;
    this.#child = child;
    this.#lines = lines;
  }

  /** CPU time of all its threads until now, in µs. */
  cpuMicroseconds(): number {
    const tasks = `/proc/${this.#child.pid}/task`;
    let nanoseconds = 0;
    for (const task of readdirSync(tasks)) {
      nanoseconds += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
    }
    return nanoseconds / 1000;
  }

  /** Resident bytes, of ours after its garbage was collected. */
  async residentBytes(): Promise<number> {
    if (this.name !== 'coapsule') {
      const [kilobytes] =
        /(?<=VmRSS:\s+)\d+/.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')) ?? [];
      return 1024 * Number(kilobytes);
    }
    const answer = once(this.#lines, 'line');
    this.#child.stdin?.write('\n');
    const [bytes] = await answer;
    return Number(bytes);
  }

  async stop(): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

/**
 * The library's server; with two workers on both cores.
 *
 * @param environment Besides that of this process.
 */
export async function coapsuleServer(
  security: Security,
  workers = 1,
  environment: Readonly<Record<string, string>> = {},
): Promise<MeasuredServer> {
  const server = join(import.meta.dirname, 'measured-server.ts');
  const node = [process.execPath, '--conditions=@coapsule/source', '--expose-gc', server];
  const given = {
    plain: () => ['plain'],
    psk: () => ['psk'],
    certificate: () => ['certificate', ...files(security)],
    oscore: () => ['oscore', secret, String(security.kind === 'oscore' ? security.contexts : 0)],
  }[security.kind]();
  const threads = workers === 1 ? [] : ['workers', String(workers)];
  const cores = workers === 1 ? '0' : '0,1';
  return start('coapsule', security, [...node, ...threads, ...given], undefined, cores, environment);
}

/** A socket of Node without CoAP. */
export function echoServer(): Promise<MeasuredServer> {
  const program = join(import.meta.dirname, 'echo-server.ts');
  return start('echo', { kind: 'plain' }, [process.execPath, program], undefined);
}

/** libcoap's, with OpenSSL; nothing where it cannot be compiled. */
export async function libcoapServer(
  security: Security,
  cores: Cores = '0',
): Promise<MeasuredServer | undefined> {
  const program = nativeProgram('libcoap-server', ['-lcoap-3-openssl']);
  if (program === undefined) return undefined;
  const given = {
    plain: () => [],
    psk: () => [secret],
    certificate: () => files(security),
    oscore: () => [],
  };
  const port = await freePort();
  return start('libcoap', security, [program, String(port), ...given[security.kind]()], port, cores);
}

/** npm's `coap`; nothing where it is not installed. */
export async function nodeCoapServer(): Promise<MeasuredServer | undefined> {
  const module = join(peers, 'node-coap/node_modules/coap');
  if (!existsSync(module)) {
    missing('node-coap');
    return undefined;
  }
  const port = await freePort();
  const program = join(import.meta.dirname, 'node-coap-server.ts');
  return start('node-coap', { kind: 'plain' }, [process.execPath, program, module, String(port)], port);
}

async function start(
  name: string,
  security: Security,
  command: readonly string[],
  port: number | undefined,
  cores: Cores = '0',
  environment: Readonly<Record<string, string>> = {},
): Promise<MeasuredServer> {
  const [program = '', ...args] = onCores(cores, command);
  const env = { ...process.env, ...environment };
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, 'line'),
    once(child, 'close').then(([code]) => {
      throw new Error(`${name} ended with ${code}`);
    }),
  ]);
  return new MeasuredServer(name, port ?? Number(line), security, cores, child, lines);
}

/** Certificate, its key and the authority of the server. */
function files(security: Security): string[] {
  const folder = security.kind === 'certificate' ? security.folder : '';
  return ['server.pem', 'server.key', 'ca.pem'].map((file) => join(folder, file));
}

/** A program of `native/`, compiled when its source is newer; nothing where there is no compiler or library. */
export function nativeProgram(name: string, libraries: readonly string[]): string | undefined {
  const source = join(import.meta.dirname, 'native', `${name}.c`);
  const program = join(peers, 'bench', name);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(join(peers, 'bench'), { recursive: true });
  const { status, stderr } = spawnSync('cc', ['-O2', '-o', program, source, ...libraries], {
    encoding: 'utf8',
  });
  if (status === 0) return program;
  missing(name, stderr ?? 'no cc');
  return undefined;
}

const told = new Set<string>();

/** Told once; where all peers are required, as in CI, it is a failure. */
function missing(what: string, why = ''): void {
  if (process.env['COAPSULE_REQUIRE_PEERS'] === '1')
    throw new Error(`${what} is missing: run scripts/install-peers.sh\n${why}`);
  if (told.has(what)) return;
  told.add(what);
  console.log(`${what} is missing, and what is measured with it: scripts/install-peers.sh installs it`);
}

/** Credentials for the security of certificates: an authority, a server, a client. */
export function makeCertificates(folder: string): Security {
  const keys = (...args: readonly string[]): void => {
    const program = join(import.meta.dirname, '../src/cli/main.ts');
    execFileSync(process.execPath, ['--conditions=@coapsule/source', program, 'keys', ...args], {
      cwd: folder,
      stdio: 'ignore',
    });
  };
  keys('ca');
  keys('cert', 'server', '--server');
  keys('cert', 'client');
  return { kind: 'certificate', folder };
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
