/**
 * The section `shared` of the configuration file: the Redis server over which gateways share devices, directory and readings.
 */
import * as z from 'zod';
import { type EndpointAddress, optionBounds } from '../server/serve-options.ts';
import { parseLink, redisUrlProblem } from '../shared/redis-options.ts';
import { keys, refused, soundText, text, whole } from './config-values.ts';

/** What the section says, by the names of the options of the command line. */
export interface ConfiguredSharing {
  readonly redis?: string | undefined;
  readonly redisKey?: string | undefined;
  readonly redisUser?: string | undefined;
  readonly redisPasswordFile?: string | undefined;
  readonly redisGrace?: number | undefined;
  readonly redisLink?: EndpointAddress | undefined;
}

/** Makes the schema of the section. @param path The schema of a path that stands in the file. */
export function sharedSection(path: z.ZodType<string>): z.ZodType<ConfiguredSharing> {
  return keys({
    redis: soundText('redis://HOST[:PORT], rediss://HOST[:PORT] or unix:PATH', (given) => {
      const problem = redisUrlProblem(given);
      return problem && `is wrong: ${problem}`;
    })
      .describe('The server: redis://HOST[:PORT][/DATABASE], rediss://HOST[:PORT] with TLS, or unix:PATH.')
      .optional(),
    key: path
      .describe('File with the key of 32 bytes that seals what is shared; all gateways have the same.')
      .optional(),
    user: text('a name').describe('User at Redis.').optional(),
    passwordFile: path.describe('File with the password.').optional(),
    graceHours: whole(...optionBounds.redisGrace)
      .describe('How long devices of other gateways are let in while Redis is away.')
      .optional(),
    link: z
      .string('expected HOST:PORT')
      .transform((given, context): EndpointAddress => {
        const address = parseLink(given);
        return 'problem' in address ? refused(context, address.problem) : address;
      })
      .describe('Where other gateways behind the same address pass records on to this one: HOST:PORT (UDP).')
      .optional(),
  }).transform(
    (file): ConfiguredSharing => ({
      redis: file.redis,
      redisKey: file.key,
      redisUser: file.user,
      redisPasswordFile: file.passwordFile,
      redisGrace: file.graceHours,
      redisLink: file.link,
    }),
  );
}
