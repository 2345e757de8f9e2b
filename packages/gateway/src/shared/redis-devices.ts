/**
 * Devices of several gateways in Redis: one hash by id, one from fingerprints to ids, and a change for each in the stream of changes.
 *
 * A record is its home, its fingerprint and the sealed device, with line feeds between: a script can tell whose it is, and nobody but
 * gateways what it is.
 */
import type { DeviceKeeping } from '../keeping/credentials.ts';
import type { Device, HomedDevice } from '../store/device-table.ts';
import { StoreFault } from '../store/store-fault.ts';
import type { RedisLink } from './redis-link.ts';
import { type RedisNames, streamLengths } from './redis-names.ts';
import type { Sealing } from './sealing.ts';
import { decodeValue, encodeValue } from './value-text.ts';

/** Commands that are on their way at a time. */
const atOnce = 500;

const put = `
local home, id, fingerprint, sealed = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local old = redis.call('HGET', KEYS[1], id)
local oldFingerprint = ''
if old then
  local oldHome
  oldHome, oldFingerprint = string.match(old, '^([^\\n]*)\\n([^\\n]*)\\n')
  if oldHome ~= home then return 0 end
end
if fingerprint ~= '' then
  local owner = redis.call('HGET', KEYS[2], fingerprint)
  if owner and owner ~= id then return 0 end
end
if oldFingerprint ~= '' and oldFingerprint ~= fingerprint then redis.call('HDEL', KEYS[2], oldFingerprint) end
if fingerprint ~= '' then redis.call('HSET', KEYS[2], fingerprint, id) end
redis.call('HSET', KEYS[1], id, home .. '\\n' .. fingerprint .. '\\n' .. sealed)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'device', id)
return 1`;

const remove = `
local old = redis.call('HGET', KEYS[1], ARGV[2])
if not old then return 0 end
local home, fingerprint = string.match(old, '^([^\\n]*)\\n([^\\n]*)\\n')
if home ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
if fingerprint ~= '' then redis.call('HDEL', KEYS[2], fingerprint) end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'device', ARGV[2])
return 1`;

/** See the module comment. */
export class RedisDevices implements DeviceKeeping {
  readonly #link: Pick<RedisLink, 'ask'>;
  readonly #names: RedisNames;
  readonly #sealing: Sealing;

  constructor(link: Pick<RedisLink, 'ask'>, names: RedisNames, sealing: Sealing) {
    this.#link = link;
    this.#names = names;
    this.#sealing = sealing;
  }

  async putDevices(devices: readonly HomedDevice[]): Promise<readonly string[]> {
    const { devices: all, fingerprints, changes } = this.#names;
    const refused: string[] = [];
    for (let start = 0; start < devices.length; start += atOnce) {
      const some = devices.slice(start, start + atOnce);
      const answers = await Promise.all(
        some.map(({ home, device }) =>
          this.#link.ask(
            ...['EVAL', put, '3', all, fingerprints, changes],
            ...[home, device.id, fingerprintOf(device), this.#sealed(device), String(streamLengths.changes)],
          ),
        ),
      );
      for (const [i, { device }] of some.entries()) if (answers[i] === 0) refused.push(device.id);
    }
    return refused;
  }

  async removeDevices(home: string, ids: readonly string[]): Promise<void> {
    const { devices: all, fingerprints, changes } = this.#names;
    for (let start = 0; start < ids.length; start += atOnce) {
      await Promise.all(
        ids
          .slice(start, start + atOnce)
          .map((id) =>
            this.#link.ask(
              ...['EVAL', remove, '3', all, fingerprints, changes, home, id, String(streamLengths.changes)],
            ),
          ),
      );
    }
  }

  /** @throws StoreFault (rejects) also for a record that no gateway with this key has made. */
  async homedDevice(id: string): Promise<HomedDevice | undefined> {
    const record = (await this.#link.ask('HGET', this.#names.devices, id)) as string | null;
    return record === null ? undefined : this.#opened(id, record);
  }

  /** @throws StoreFault (rejects) as `homedDevice` does. */
  async *homedDevices(): AsyncGenerator<readonly HomedDevice[]> {
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const asked = this.#link.ask('HSCAN', this.#names.devices, cursor, 'COUNT', String(atOnce));
      const [next, fields] = (await asked) as [string, string[]];
      const page: HomedDevice[] = [];
      for (let i = 0; i < fields.length; i += 2) {
        const [id = '', record = ''] = fields.slice(i, i + 2);
        // A scan may come by one twice.
        if (seen.has(id)) continue;
        seen.add(id);
        page.push(this.#opened(id, record));
      }
      if (page.length > 0) yield page;
      cursor = next;
    } while (cursor !== '0');
  }

  #sealed(device: Device): string {
    return this.#sealing.seal(`device ${device.id}`, Buffer.from(encodeValue(device)));
  }

  #opened(id: string, record: string): HomedDevice {
    const [home = '', , sealed = ''] = record.split('\n');
    const opened = this.#sealing.open(`device ${id}`, sealed);
    if (opened === undefined) {
      throw new StoreFault(
        'failed',
        `the device ${id} in Redis was not sealed with this key`,
        'give all gateways the same --redis-key, or take the record away: docs/scale-out.md',
      );
    }
    return { home, device: decodeValue(Buffer.from(opened).toString()) as Device };
  }
}

function fingerprintOf({ credential }: Device): string {
  return 'fingerprint' in credential ? credential.fingerprint : '';
}
