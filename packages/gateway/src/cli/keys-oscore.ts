/**
 * `coapsule keys oscore`: a new OSCORE Security Context, as a file or folder for each end; or an end in the other form.
 *
 * RFC 8613 §3.2. The Master Secret is written to the files alone.
 *
 * @module
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { coseAead, defaultAead, oscoreAeads } from 'coapsule/oscore';
import { type Command, Option } from 'commander';
import { madeSenderIdBytes } from '../figures/protection-sizes.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { writeNewFiles } from './new-files.ts';
import { hexBytes } from './option-values.ts';
import { formatOscoreConf } from './oscore-conf.ts';
import { convertOscore } from './oscore-conversion.ts';
import { formatOscoreSettings } from './oscore-folder.ts';
import type { OscoreParameters } from './oscore-parameters.ts';
import { warningsTo } from './warnings.ts';

interface KeysOscoreOptions {
  readonly out?: string;
  readonly format: 'libcoap' | 'aiocoap';
  readonly senderId?: Uint8Array;
  readonly recipientId?: Uint8Array;
  readonly idContext?: Uint8Array;
  readonly aead: string;
  readonly force?: true;
  /** An end that is there. */
  readonly from?: string;
}

const secretBytes = 16;
const saltBytes = 8;
/** The server's: it is not in its responses. */
const serverId = Uint8Array.of(1);

/** Adds the command to `coapsule keys`. */
export function addOscoreCommand(keys: Command, environment: CommandEnvironment): void {
  keys
    .command('oscore')
    .argument('<id>', "the device's id; the files are called so")
    .description('make an OSCORE Security Context: a file for the device and one for the server')
    .option('--out <base>', 'beginning of the names of the files; by default the id')
    .addOption(
      new Option('--format <form>', "libcoap's coap-oscore-conf file, or aiocoap's folder")
        .choices(['libcoap', 'aiocoap'])
        .default('libcoap'),
    )
    .option(
      '--sender-id <hex>',
      "the device's Sender ID, 0 to 7 bytes; 3 random ones when left out",
      hexValue,
    )
    .option('--recipient-id <hex>', "the server's, 01 when left out", hexValue)
    .option('--id-context <hex>', 'ID Context, where Sender IDs alone do not tell devices apart', hexValue)
    .addOption(
      new Option('--aead <algorithm>', 'AEAD algorithm')
        .choices(oscoreAeads.map(({ name }) => name))
        .default('AES-CCM-16-64-128'),
    )
    .option('--force', 'replace files that are there')
    .option(
      '--from <end>',
      'write this end, file or folder, in the form of --format, with its sequence numbers',
    )
    .addHelpText('after', help)
    .action((id: string, options: KeysOscoreOptions) =>
      options.from === undefined
        ? makeContext(environment, id, options)
        : convertEnd(environment, id, options.from, options),
    );
}

const help = `
Writes ID.oscore for the device and ID.server.oscore for the server, with mode 0600; the secret is shown nowhere.
Each end belongs to one program: two that use the same end use the same numbers, which gives the key stream away.

Examples:
  coapsule keys oscore sensor-7
  coapsule get coap://server/temperature --oscore sensor-7.oscore
  coapsule keys oscore sensor-7 --format aiocoap --out contexts/sensor-7
  coapsule keys oscore sensor-7 --from contexts/sensor-7.oscore --format libcoap`;

function makeContext(environment: CommandEnvironment, id: string, options: KeysOscoreOptions): void {
  const problem = deviceIdProblem(id);
  if (problem !== undefined) throw new CommandFailure(ExitCode.Usage, problem, 'choose another');
  const aead = coseAead(options.aead)!;
  const { device, server } = newOscorePair((length) => environment.randomBytes(length), {
    ...options,
    aead: aead.name,
  });
  expectIds(device, aead.nonceLength - 6);
  const base = options.out ?? id;
  const ends = [
    { path: `${base}.oscore`, parameters: device, whose: `the device ${id}` },
    { path: `${base}.server.oscore`, parameters: server, whose: `the server of ${id}` },
  ];
  if (options.format === 'aiocoap')
    for (const { path } of ends) mkdirSync(path, { recursive: true, mode: 0o700 });
  writeNewFiles(
    ends.map(({ path, parameters, whose }) =>
      options.format === 'aiocoap'
        ? { path: join(path, 'settings.json'), text: formatOscoreSettings(parameters), secret: true }
        : {
            path,
            text: formatOscoreConf(parameters, `OSCORE Security Context, end of ${whose}`),
            secret: true,
          },
    ),
    options.force === true,
  );
  environment.stderr.write(
    `${base}.oscore is the end of the device ${printable(id)}, ${base}.server.oscore the one of its server: keep both secret\n` +
      `next: coapsule get coap://SERVER/PATH --oscore ${base}.oscore\n`,
  );
}

async function convertEnd(
  environment: CommandEnvironment,
  id: string,
  from: string,
  options: KeysOscoreOptions,
): Promise<void> {
  const { senderId, recipientId, idContext } = options;
  if ([senderId, recipientId, idContext, options.force].some((given) => given !== undefined)) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--from takes an end as it is, and replaces nothing',
      'leave out --sender-id, --recipient-id, --id-context and --force',
    );
  }
  const { stderr } = environment;
  const to = `${options.out ?? id}.oscore`;
  const warn = warningsTo({ stderr });
  const { kept, senderEdge } = await convertOscore(from.replace(/\/+$/, ''), to, options.format, warn);
  stderr.write(
    `${printable(to)} is what ${printable(from)} was, which is now ${printable(kept)}: remove it, since two copies would use the same numbers\n`,
  );
  if (options.format === 'libcoap' && senderEdge !== undefined)
    stderr.write(
      `its numbers are in ${printable(to)}.sequence; for a program of libcoap begin SEQ_FILE with ${senderEdge}\n`,
    );
}

/** Both ends of a new context. */
export function newOscorePair(
  randomBytes: (length: number) => Uint8Array,
  {
    aead = defaultAead,
    senderId,
    recipientId = serverId,
    idContext,
  }: Partial<Pick<OscoreParameters, 'aead' | 'senderId' | 'recipientId' | 'idContext'>> = {},
): { readonly device: OscoreParameters; readonly server: OscoreParameters } {
  const { nonceLength } = coseAead(aead)!;
  const device: OscoreParameters = {
    masterSecret: randomBytes(secretBytes),
    masterSalt: randomBytes(saltBytes),
    senderId: senderId ?? randomBytes(Math.min(madeSenderIdBytes, nonceLength - 6)),
    recipientId,
    aead,
    ...(idContext !== undefined && { idContext }),
  };
  return { device, server: { ...device, senderId: recipientId, recipientId: device.senderId } };
}

/** RFC 8613 §3.3: the two are different, and fit the nonce. */
function expectIds({ senderId, recipientId }: OscoreParameters, most: number): void {
  const tooLong = [senderId, recipientId].find(({ length }) => length > most);
  if (tooLong !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      `an ID has ${tooLong.length} bytes; with this algorithm ${most} are the most (RFC 8613 §3.3)`,
      'give a shorter one',
    );
  }
  if (Buffer.compare(senderId, recipientId) === 0) {
    throw new CommandFailure(
      ExitCode.Usage,
      'both ends would have the same ID, and with it the same key and nonces (RFC 8613 §3.3)',
      'give two that differ with --sender-id and --recipient-id',
    );
  }
}

function hexValue(text: string): Uint8Array {
  const bytes = hexBytes(text.replace(/^0x/, ''));
  if (bytes !== undefined) return bytes;
  throw new CommandFailure(
    ExitCode.Usage,
    'an ID is given in hexadecimal digits, two for each byte',
    'such as 0a3f',
  );
}
