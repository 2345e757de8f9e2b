/**
 * Brings node_modules in line with package-lock.json, and names the Node that the workspace pins.
 *
 * Runs on any Node from 20 on, before anything is installed: no dependency, plain JavaScript.
 * Everything npm prints goes to standard error, because standard output belongs to the program that is started.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the workspace. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Why node_modules does not match the lockfile, or undefined when it does.
 *
 * Compares the lockfile with the copy npm keeps in node_modules; optional packages of other platforms may be absent.
 *
 * @param {Record<string, { version?: string, integrity?: string, link?: boolean, optional?: boolean }>} wanted `packages` of package-lock.json
 * @param {Record<string, { version?: string, integrity?: string, link?: boolean, optional?: boolean }> | undefined} present the same of node_modules/.package-lock.json
 * @returns {string | undefined}
 */
export function staleness(wanted, present) {
  if (present === undefined) return 'nothing is installed yet';
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith('node_modules/')) continue; // the root and the workspace folders themselves
    const found = present[path];
    if (found === undefined) {
      if (entry.optional) continue;
      return `${path} is missing`;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${path} is ${found.version}, the lockfile wants ${entry.version}`;
    }
  }
  const left = Object.keys(present).find(
    (path) => path.startsWith('node_modules/') && wanted[path] === undefined,
  );
  return left === undefined ? undefined : `${left} is no longer in the lockfile`;
}

/** @param {string} path */
function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Installs by the lockfile when something is missing or stale; does nothing otherwise.
 *
 * Ends the process with npm's exit code when npm fails.
 */
export function ensureInstalled() {
  const reason =
    staleness(
      packagesOf(join(root, 'package-lock.json')) ?? {},
      packagesOf(join(root, 'node_modules/.package-lock.json')),
    ) ?? (pinnedNode() === undefined ? 'the pinned Node is missing' : undefined);
  if (reason === undefined) return;
  process.stderr.write(`Installing by the lockfile (npm ci): ${reason}\n`);
  // npm runs this script, so npm says where it is itself; started by hand, the npm on the PATH serves.
  const { npm_execpath: npm, npm_node_execpath: npmNode } = process.env;
  const parameters = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const [command, args] =
    npm === undefined ? ['npm', parameters] : [npmNode ?? process.execPath, [npm, ...parameters]];
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: npm === undefined && process.platform === 'win32',
  });
  if (result.status === 0) return;
  process.stderr.write(
    `npm ci failed${result.error ? `: ${result.error.message}` : ''}. Is the package registry reachable?\n`,
  );
  process.exit(result.status || 1);
}

/** @returns {string | undefined} path of the Node in node_modules */
function pinnedNode() {
  return ['bin/node', 'bin/node.exe'].map((name) => join(root, 'node_modules/node', name)).find(existsSync);
}

/**
 * The Node that runs the TypeScript sources: the pinned one, else this one if it is new enough.
 *
 * Ends the process with a message naming the next step when there is neither.
 *
 * @returns {string}
 */
export function workspaceNode() {
  const pinned = pinnedNode();
  if (pinned !== undefined) return pinned;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 11)) return process.execPath;
  process.stderr.write(
    `Node 24.11 or later is needed and this is ${process.version}; the pinned one was not installed ` +
      '(does npm run with ignore-scripts?). Next step: npm ci --ignore-scripts=false\n',
  );
  process.exit(1);
}

/** Builds the console's pages. */
export const consoleBuild = join(root, 'packages/gateway/scripts/build-console.js');

/** Builds the console's pages where they are missing or older than their sources. A gateway without them still serves all else. */
export function ensureConsole() {
  const { status } = spawnSync(workspaceNode(), [consoleBuild, '--if-older'], { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.stderr.write('the console was not built: the gateway starts without it\n');
}
