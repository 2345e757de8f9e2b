/**
 * The registrations of the Resource Directory in Redis: one hash by id, sealed, and a change for each in the stream of changes.
 *
 * As durable as Redis is told to be: docs/scale-out.md. Each gateway has a copy of its own besides.
 */
import type { Registration } from '../directory/registration.ts';
import type { RegistrationKeeping } from '../keeping/registrations.ts';
import { StoreFault } from '../store/store-fault.ts';
import type { RedisLink } from './redis-link.ts';
import { type RedisNames, streamLengths } from './redis-names.ts';
import type { Sealing } from './sealing.ts';
import { decodeValue, encodeValue } from './value-text.ts';

const put = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'registration', ARGV[1])`;

const remove = `
for i = 2, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'registration', ARGV[i])
  end
end`;

/** Ids in one script: Lua takes some thousands of arguments, and nobody else is served meanwhile. */
const atOnce = 500;

/** See the module comment. */
export class RedisRegistrations implements RegistrationKeeping {
  readonly #link: Pick<RedisLink, 'ask'>;
  readonly #names: RedisNames;
  readonly #sealing: Sealing;

  constructor(link: Pick<RedisLink, 'ask'>, names: RedisNames, sealing: Sealing) {
    this.#link = link;
    this.#names = names;
    this.#sealing = sealing;
  }

  async keepRegistration(registration: Registration): Promise<void> {
    const { id } = registration;
    const sealed = this.#sealing.seal(`registration ${id}`, Buffer.from(encodeValue(registration)));
    const { registrations, changes } = this.#names;
    await this.#link.ask(
      ...['EVAL', put, '2', registrations, changes, id, sealed, String(streamLengths.changes)],
    );
  }

  /** More than 500 are forgotten in several steps. */
  async removeRegistrations(ids: readonly string[]): Promise<void> {
    const { registrations, changes } = this.#names;
    for (let start = 0; start < ids.length; start += atOnce) {
      const some = ids.slice(start, start + atOnce);
      await this.#link.ask(
        ...['EVAL', remove, '2', registrations, changes, String(streamLengths.changes), ...some],
      );
    }
  }

  async registrations(): Promise<readonly Registration[]> {
    const fields = (await this.#link.ask('HGETALL', this.#names.registrations)) as string[];
    const all: Registration[] = [];
    for (let i = 0; i < fields.length; i += 2) all.push(this.#opened(fields[i] ?? '', fields[i + 1] ?? ''));
    return all;
  }

  async registration(id: string): Promise<Registration | undefined> {
    const record = (await this.#link.ask('HGET', this.#names.registrations, id)) as string | null;
    return record === null ? undefined : this.#opened(id, record);
  }

  #opened(id: string, sealed: string): Registration {
    const opened = this.#sealing.open(`registration ${id}`, sealed);
    if (opened === undefined) {
      throw new StoreFault(
        'failed',
        `the registration ${id} in Redis was not sealed with this key`,
        'give all gateways the same --redis-key, or take the record away: docs/scale-out.md',
      );
    }
    return decodeValue(Buffer.from(opened).toString()) as Registration;
  }
}
