/**
 * The stream of readings in Redis, sealed, with the newest of each path beside it.
 */
import type { ReadingStream, StreamedReading, StreamPage } from '../keeping/reading-stream.ts';
import type { Reading } from '../store/reading-table.ts';
import type { RedisLink } from './redis-link.ts';
import { RedisLog } from './redis-log.ts';
import { type RedisNames, streamLengths } from './redis-names.ts';
import type { Sealing } from './sealing.ts';
import { decodeValue, encodeValue } from './value-text.ts';

/** All in one step: nobody finds the reading in the stream and an older one as the newest. */
const append = `
for i = 2, #ARGV, 5 do
  local path, node, at, inStream, newest = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'node', node, 'reading', inStream)
  local known = redis.call('HGET', KEYS[2], path)
  local knownAt = known and tonumber(string.match(known, '^(%d+) '))
  local sameNode = known and string.match(known, '^%d+ (%S+) ') == node
  if not knownAt or sameNode or knownAt <= tonumber(at) then
    redis.call('HSET', KEYS[2], path, at .. ' ' .. node .. ' ' .. newest)
  end
end`;

/** Readings in one script: nobody else is served meanwhile. */
const atOnce = 200;

const streamName = 'reading';

/** See the module comment. */
export class RedisStream implements ReadingStream {
  readonly log: RedisLog;
  readonly #link: Pick<RedisLink, 'ask'>;
  readonly #names: RedisNames;
  readonly #sealing: Sealing;
  readonly #length: number;

  /** @param length As many of the newest are kept. */
  constructor(
    link: Pick<RedisLink, 'ask'>,
    names: RedisNames,
    sealing: Sealing,
    length: number = streamLengths.readings,
  ) {
    this.log = new RedisLog(link, names.readings);
    this.#link = link;
    this.#names = names;
    this.#sealing = sealing;
    this.#length = length;
  }

  /** Of more than 200, those that come first may be there when it rejects. */
  async append(readings: readonly StreamedReading[]): Promise<void> {
    for (let start = 0; start < readings.length; start += atOnce) {
      const parts = readings.slice(start, start + atOnce).flatMap(({ node, reading }) => {
        const value = Buffer.from(encodeValue(reading));
        const newest = this.#sealing.seal(latestName(reading.path), value);
        const { path, receivedAtMs } = reading;
        return [path, node, String(Math.max(0, receivedAtMs)), this.#sealing.seal(streamName, value), newest];
      });
      const { readings: stream, latest } = this.#names;
      await this.#link.ask('EVAL', append, '2', stream, latest, String(this.#length), ...parts);
    }
  }

  end(): Promise<string> {
    return this.log.end();
  }

  /** What no gateway with this key has made is left out. */
  async after(mark: string, limit: number): Promise<StreamPage> {
    const page = await this.log.after(mark, limit);
    const readings = page.entries.flatMap(({ fields }): StreamedReading[] => {
      const reading = this.#opened(streamName, fields.get('reading') ?? '');
      return reading === undefined ? [] : [{ node: fields.get('node') ?? '', reading }];
    });
    return { readings, mark: page.mark, hasGap: page.hasGap };
  }

  /** The newest reading of a path, of all gateways. */
  async latest(path: string): Promise<StreamedReading | undefined> {
    const record = (await this.#link.ask('HGET', this.#names.latest, path)) as string | null;
    const [, node = '', sealed = ''] = record?.split(' ') ?? [];
    const reading = this.#opened(latestName(path), sealed);
    return reading && { node, reading };
  }

  #opened(name: string, sealed: string): Reading | undefined {
    const opened = this.#sealing.open(name, sealed);
    return opened && (decodeValue(Buffer.from(opened).toString()) as Reading);
  }
}

function latestName(path: string): string {
  return `latest ${path}`;
}
