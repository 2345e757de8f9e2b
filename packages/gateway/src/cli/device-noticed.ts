/**
 * Has a gateway that runs take up what a command has written into its store, before the command ends: a device that was added is let in
 * at its first try, also under OSCORE, whose contexts are open in the gateway's memory.
 *
 * @module
 */

import { askGateway } from '../operations/operator-socket.ts';
import type { CommandEnvironment } from './command-environment.ts';
import type { FolderOption } from './device-store.ts';

/**
 * Fulfils when the gateway of the folder knows its devices, or there is none. Where it cannot be asked, that is said: what was written
 * stays, and the gateway looks itself.
 */
export async function gatewayNoticed(
  { stderr }: Pick<CommandEnvironment, 'stderr'>,
  { data }: Pick<FolderOption, 'data'>,
): Promise<void> {
  try {
    await askGateway(data, { ask: 'devices-changed' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // No gateway runs with it, or one that has no socket: it cannot be told which.
    const isNone = code === 'ENOENT' || code === 'ECONNREFUSED';
    if (isNone && process.platform !== 'win32') return;
    stderr.write(
      isNone
        ? 'a gateway that runs takes it up within a second\n'
        : `the gateway that runs was not asked to take it up at once (${message}): it does so within a second\n`,
    );
  }
}
