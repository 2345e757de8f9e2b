/**
 * The gateways that pass records on to each other, in Redis: each has a number for itself, which stands in the Connection IDs that
 * it gives, and says where it is reached.
 *
 * A number is kept for a week after its gateway was seen last: its devices come with it for as long as their associations are
 * kept. Then it is free, and nothing is passed on to that gateway any more.
 */
import type { RedisLink } from './redis-link.ts';
import type { RedisNames } from './redis-names.ts';
import type { Sealing } from './sealing.ts';

/** Where a gateway is reached by the others. */
export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** How long a number is kept for who was seen. */
const reservedMs = 7 * 86_400_000;

/** Numbers are 1 to so many. */
const mostNodes = 255;

// What is there of a node is `ID UNTIL SEALED`: its own number, or the one that it had, or the least that is free; 0 when none is.
const claim = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local taken = {}
local own = 0
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local id, till = string.match(all[at + 1], '^(%S+) (%d+) ')
  if id == ARGV[1] then own = tonumber(all[at])
  elseif tonumber(till) > now then taken[tonumber(all[at])] = true
  else redis.call('HDEL', KEYS[1], all[at]) end
end
local number = own
local wanted = tonumber(ARGV[2])
if number == 0 and wanted > 0 and not taken[wanted] then number = wanted end
if number == 0 then
  for free = 1, tonumber(ARGV[3]) do
    if not taken[free] then number = free break end
  end
end
if number > 0 then
  redis.call('HSET', KEYS[1], tostring(number), ARGV[1] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[4])) .. ' ' .. ARGV[5])
end
return number`;

/** See the module comment. */
export class RedisNodes {
  readonly #link: Pick<RedisLink, 'ask'>;
  readonly #names: RedisNames;
  readonly #sealing: Sealing;

  constructor(link: Pick<RedisLink, 'ask'>, names: RedisNames, sealing: Sealing) {
    this.#link = link;
    this.#names = names;
    this.#sealing = sealing;
  }

  /**
   * Claims a number, or keeps it, and says where the gateway is.
   *
   * @param id Of the gateway; without white space.
   * @param wanted The number that it had; 0 for none.
   * @returns 1 to 255, or undefined when all are taken.
   */
  async claim(id: string, wanted: number, { host, port }: NodeAddress): Promise<number | undefined> {
    const sealed = this.#sealing.seal(`node ${id}`, Buffer.from(JSON.stringify([host, port])));
    const limits = [String(mostNodes), String(reservedMs)];
    const number = await this.#link.ask(
      'EVAL',
      claim,
      '1',
      this.#names.nodes,
      id,
      String(wanted),
      ...limits,
      sealed,
    );
    return number === 0 ? undefined : (number as number);
  }

  /** All that are there, by their numbers; what does not open is not among them. */
  async all(): Promise<ReadonlyMap<number, NodeAddress>> {
    const rows = (await this.#link.ask('HGETALL', this.#names.nodes)) as readonly string[];
    const found = new Map<number, NodeAddress>();
    for (let at = 0; at + 1 < rows.length; at += 2) {
      const [id = '', , sealed = ''] = (rows[at + 1] as string).split(' ');
      const opened = this.#sealing.open(`node ${id}`, sealed);
      if (opened === undefined) continue;
      const [host, port] = JSON.parse(new TextDecoder().decode(opened)) as [string, number];
      found.set(Number(rows[at]), { host, port });
    }
    return found;
  }
}
