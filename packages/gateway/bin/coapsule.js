#!/usr/bin/env node
// Starts the command line on a Node that can run it.
//
// In a checkout: the sources, on the Node that the workspace pins, whatever Node is on the PATH.
// Installed from a registry: the compiled files, on the Node that runs this file.
// Written for Node 18 and later, so that an old Node gets a sentence instead of a syntax error.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const sourceEntry = join(packageFolder, 'src', 'cli', 'main.ts');
const compiledEntry = join(packageFolder, 'dist', 'cli', 'main.js');
const inCheckout = !packageFolder.split(sep).includes('node_modules') && existsSync(sourceEntry);

if (inCheckout) runSources();
else if (!runsOn(process.versions.node)) {
  refuse(
    `Node 24.11 or later is needed, this is ${process.versions.node}: install a newer Node (https://nodejs.org)`,
  );
} else {
  module.enableCompileCache();
  await import(pathToFileURL(compiledEntry).href);
}

function runSources() {
  const modules = folderWithNode();
  const node = modules === undefined ? process.execPath : pinnedNode(modules);
  if (modules === undefined && !runsOn(process.versions.node)) {
    refuse(
      `Node 24.11 or later is needed, this is ${process.versions.node}: run "npm ci" in the repository, which installs one`,
    );
    return;
  }
  const args = ['--conditions=@coapsule/source', '--disable-warning=ExperimentalWarning', sourceEntry];
  // The channel carries signals, and its end tells the child that this process is gone, even after kill -9.
  const child = spawn(node, [...args, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: {
      // Types are stripped once, not at every start.
      ...(modules !== undefined && { NODE_COMPILE_CACHE: join(modules, '.cache', 'coapsule') }),
      ...process.env,
      COAPSULE_LAUNCHED: '1',
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    // Not child.kill: a terminal's Ctrl-C has reached the child too, and a second one while its process is being
    // torn down, when no handler is left, would kill it in the middle of a clean end.
    process.on(signal, () => child.send({ signal }, () => {}));
  }
  child.on('error', (error) => refuse(`cannot start ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // A signal that does not end this process still has to end with the code a shell would show.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
  });
}

/** The nearest node_modules above this package that holds the Node of the workspace. */
function folderWithNode() {
  for (let folder = packageFolder; ; folder = dirname(folder)) {
    const modules = join(folder, 'node_modules');
    if (pinnedNode(modules) !== undefined) return modules;
    if (dirname(folder) === folder) return undefined;
  }
}

function pinnedNode(modules) {
  return ['node', 'node.exe']
    .map((name) => join(modules, 'node', 'bin', name))
    .find((path) => existsSync(path));
}

function runsOn(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 11);
}

function refuse(reason) {
  process.stderr.write(`coapsule: ${reason}\n`);
  process.exitCode = 1;
}
