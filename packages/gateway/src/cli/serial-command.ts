/**
 * `coapsule serial list`: the serial devices of this machine, as URIs and options name them.
 *
 * @module
 */

import { serialDevices } from 'coapsule';
import { Command } from 'commander';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';

/** Makes the command with its sub-command. */
export function serialCommand(streams: Pick<CommandEnvironment, 'stdout' | 'stderr'>): Command {
  const serial = new Command('serial');
  serial
    .command('list')
    .description('the serial devices that are there')
    .option('--json', 'one JSON array')
    .addHelpText('after', '\nExample:\n  coapsule get coap+serial://ttyUSB0:115200/temperature')
    .action(({ json }: { readonly json?: true }) => list(json === true, streams));
  return serial;
}

async function list(
  asJson: boolean,
  { stdout, stderr }: Pick<CommandEnvironment, 'stdout' | 'stderr'>,
): Promise<void> {
  const devices = await serialDevices();
  if (asJson) {
    stdout.write(`${printableJson(devices)}\n`);
    return;
  }
  for (const { path, manufacturer, serialNumber, vendorId, productId } of devices) {
    const usb = vendorId === undefined || productId === undefined ? undefined : `${vendorId}:${productId}`;
    const serial = serialNumber === undefined ? undefined : `serial number ${serialNumber}`;
    const notes = [manufacturer, usb, serial].filter((note) => note !== undefined).join(', ');
    stdout.write(`${printable(notes === '' ? path : `${path}  ${notes}`)}\n`);
  }
  if (devices.length === 0) stderr.write('coapsule: there is no serial device; is it plugged in?\n');
}
