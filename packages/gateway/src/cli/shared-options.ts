/**
 * The options of `serve` for what it shares with other gateways over a Redis server.
 *
 * @module
 */

import { type Command, InvalidArgumentError } from 'commander';
import { type EndpointAddress, optionBounds } from '../server/serve-options.ts';
import { defaultGraceHours, parseLink, type RedisOptions, redisUrlProblem } from '../shared/redis-options.ts';
import { sharedKeyLength } from '../shared/sealing.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { optionBytes, optionSecret } from './option-content.ts';
import { pathValue, wholeNumber } from './option-values.ts';

/** As they stand on the command line. */
export interface SharedCommandOptions {
  readonly redis?: string;
  readonly redisKey?: string;
  readonly redisUser?: string;
  readonly redisPasswordFile?: string;
  readonly redisGrace: number;
  readonly redisLink?: EndpointAddress;
}

/** Adds the options. */
export function addSharedOptions(command: Command): void {
  command
    .option(
      '--redis <url>',
      'share devices, directory and readings with other gateways: redis://HOST[:PORT], rediss://HOST or unix:PATH',
      redisUrlValue,
    )
    .option(
      '--redis-key <file>',
      'key of 32 bytes that seals what is shared; all gateways have the same',
      pathValue,
    )
    .option('--redis-user <name>', 'user at Redis')
    .option('--redis-password-file <file>', 'file with the password', pathValue)
    .option(
      '--redis-grace <hours>',
      'how long devices of other gateways are let in while Redis is away',
      (text) => wholeNumber(text, ...optionBounds.redisGrace),
      defaultGraceHours,
    )
    .option(
      '--redis-link <host:port>',
      'where other gateways behind the same address pass records of our devices on to us (UDP); all of them have one',
      linkValue,
    );
}

/**
 * What the gateway is told; undefined without `--redis`.
 *
 * @throws CommandFailure for options that cannot be, or that are of no use without `--redis`.
 */
export function sharedOptions(options: SharedCommandOptions): RedisOptions | undefined {
  const { redis: url, redisKey, redisUser: user, redisPasswordFile, redisGrace, redisLink: link } = options;
  if (url === undefined) {
    const idle =
      redisKey !== undefined
        ? '--redis-key'
        : user !== undefined
          ? '--redis-user'
          : link !== undefined
            ? '--redis-link'
            : redisPasswordFile && '--redis-password-file';
    if (idle === undefined) return undefined;
    throw new CommandFailure(
      ExitCode.Usage,
      `${idle} is for gateways that share a Redis server, and there is none`,
      'name it with --redis, such as --redis redis://localhost',
    );
  }
  if (redisKey === undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--redis needs a key: without it whoever reads Redis has the keys of all devices',
      'make one for all gateways, such as with: openssl rand -hex 32 > shared.key, and name it with --redis-key',
    );
  }
  return {
    ...{ url, user },
    key: keyOf(redisKey),
    password: optionSecret('--redis-password-file', redisPasswordFile),
    graceMs: redisGrace * 3_600_000,
    ...(link !== undefined && { link }),
  };
}

/** As `--redis` takes it. The message does not show the text: a password may stand in it. */
function redisUrlValue(text: string): string {
  const problem = redisUrlProblem(text);
  if (problem === undefined) return text;
  throw new CommandFailure(
    ExitCode.Usage,
    `--redis cannot be used: ${problem}`,
    'docs/scale-out.md has examples',
  );
}

function linkValue(text: string): EndpointAddress {
  const address = parseLink(text);
  if ('problem' in address) throw new InvalidArgumentError(address.problem);
  return address;
}

/** The bytes as they are, 64 hexadecimal digits, or 44 characters of base64. The message holds nothing of the file. */
function keyOf(path: string): Uint8Array {
  const content = optionBytes('--redis-key', path);
  if (content.length === sharedKeyLength) return content;
  const text = content.toString('latin1').trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  if (/^[\w+/-]{43}=$/.test(text)) return Buffer.from(text, 'base64');
  throw new CommandFailure(
    ExitCode.Usage,
    `--redis-key ${printable(path)} holds no key: it has ${content.length} bytes`,
    'a key is 32 random bytes, as they are or as 64 hexadecimal digits, such as of: openssl rand -hex 32',
  );
}
