/**
 * Owners of sessions in Redis: one key for each session, which ends by itself.
 *
 * The number of a claim is the time of Redis in microseconds, or one more than the last one: it grows also when Redis has lost its
 * data, as long as its clock is not set back meanwhile.
 */
import type { ClaimOutcome, SessionOwner, SessionOwners } from '../keeping/session-owners.ts';
import type { RedisLink } from './redis-link.ts';
import type { RedisNames } from './redis-names.ts';

const claim = `
local held = redis.call('GET', KEYS[1])
if held then
  local fence, owner = string.match(held, '^(%d+) (.*)$')
  if owner == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return held
end
local time = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1], 'NX', 'PX', ARGV[2])
return text .. ' ' .. ARGV[1]`;

const renew = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const release = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/** See the module comment. */
export class RedisOwners implements SessionOwners {
  readonly #link: Pick<RedisLink, 'ask'>;
  readonly #names: RedisNames;

  constructor(link: Pick<RedisLink, 'ask'>, names: RedisNames) {
    this.#link = link;
    this.#names = names;
  }

  async claim(connectionId: Uint8Array, owner: string, forMs: number): Promise<ClaimOutcome> {
    const { lastFence } = this.#names;
    const key = this.#names.session(connectionId);
    const held = await this.#link.ask('EVAL', claim, '2', key, lastFence, owner, String(forMs));
    const by = parsed(held as string);
    return by.owner === owner ? { kind: 'owned', fence: by.fence } : { kind: 'held', by };
  }

  async renew(connectionId: Uint8Array, owned: SessionOwner, forMs: number): Promise<boolean> {
    const key = this.#names.session(connectionId);
    return (await this.#link.ask('EVAL', renew, '1', key, textOf(owned), String(forMs))) === 1;
  }

  async release(connectionId: Uint8Array, owned: SessionOwner): Promise<boolean> {
    return (
      (await this.#link.ask('EVAL', release, '1', this.#names.session(connectionId), textOf(owned))) === 1
    );
  }

  async ownerOf(connectionId: Uint8Array): Promise<SessionOwner | undefined> {
    const held = (await this.#link.ask('GET', this.#names.session(connectionId))) as string | null;
    return held === null ? undefined : parsed(held);
  }
}

function textOf({ fence, owner }: SessionOwner): string {
  return `${fence} ${owner}`;
}

function parsed(held: string): SessionOwner {
  const space = held.indexOf(' ');
  return { owner: held.slice(space + 1), fence: Number(held.slice(0, space)) };
}
