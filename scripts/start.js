/**
 * `npm start [-- arguments]`: installs what is missing, builds the console's pages when they are
 * missing or older than their sources, and runs the gateway from its sources on the pinned Node.
 *
 * The launcher of the command line does the rest: it passes arguments, signals and the exit code. Data goes to ./data
 * unless --data says otherwise.
 */
import { ensureConsole, ensureInstalled } from './install.js';

ensureInstalled();
ensureConsole();

// npm runs this script through a shell, which dies of a signal without passing it on: the gateway must not outlive it.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
}, 200).unref();

process.argv.splice(2, 0, 'serve');
await import('../packages/gateway/bin/coapsule.js');
