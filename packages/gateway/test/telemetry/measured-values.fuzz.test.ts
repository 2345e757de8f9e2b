/**
 * Fuzzing from bodies to rows: mutated bodies of every format are values that the database takes, or a fault; nothing throws.
 *
 * COAPSULE_FUZZ_COUNT  inputs; otherwise 20,000, or 1,000,000 with COAPSULE_LONG=1
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type CborValue, encodeCbor } from 'coapsule/cbor';
import { encodeSenmlCbor } from 'coapsule/senml';
import { SeededRandom } from 'coapsule/testing';
import { mutate } from '../../../coapsule/test/fuzz/mutate.ts';
import { MeasurementTable } from '../../src/store/measurement-table.ts';
import { OutboxTable } from '../../src/store/outbox-table.ts';
import { ReadingTable } from '../../src/store/reading-table.ts';
import { migrate } from '../../src/store/schema.ts';
import { measuredValues } from '../../src/telemetry/measured-values.ts';
import { senmlPack } from '../../src/telemetry/measurement-senml.ts';
import type { TimedMeasurement } from '../../src/telemetry/timed-measurement.ts';

const { COAPSULE_FUZZ_COUNT, COAPSULE_LONG } = process.env;
const count = Number(COAPSULE_FUZZ_COUNT ?? (COAPSULE_LONG === '1' ? 1_000_000 : 20_000));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const corpus = [
  '22.5',
  '22.5 °C',
  '-1.5e3 kWh',
  'open',
  '{"value":22.5,"unit":"Cel","time":"2026-01-31T12:00:00Z"}',
  '{"hr":72,"spo2":{"value":98,"unit":"%","time":1700000000},"ok":true,"x":{"y":{"z":"deep"}}}',
  '[{"bn":"urn:dev:a:","bt":1.7e9,"bu":"V","n":"u","v":120.1},{"n":"i","u":"A","t":-5,"v":1.2},{"n":"e","s":7,"vs":"on"}]',
  '[{"n":"raw","vd":"AQI"},{"n":"on","vb":true,"ut":60,"bver":5}]',
].map(text);
corpus.push(
  encodeCbor(
    new Map<string, CborValue>([
      ['hr', 72],
      [
        't',
        new Map<string, CborValue>([
          ['value', 1.5],
          ['unit', 'V'],
        ]),
      ],
    ]),
  ),
  encodeSenmlCbor([
    { baseName: 'a:', baseTime: 1_700_000_000, name: 'x', value: 1.5 },
    { name: 'y', time: 12, value: Uint8Array.of(1, 2) },
    { name: 'z', value: 'on', unit: 'Cel' },
  ]),
);

test(`${count} mutated bodies are values that are stored and written as SenML, or a fault`, () => {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  const readings = new ReadingTable(database, new OutboxTable(database), new MeasurementTable(database));
  const random = new SeededRandom(Number(process.env['COAPSULE_FUZZ_SEED'] ?? 1));
  const formats = [undefined, 0, 50, 60, 110, 112];
  const receivedAtMs = 1_700_000_000_000;
  let stored = 0;
  database.exec('BEGIN');
  for (let index = 0; index < count; index++) {
    const body = mutate(corpus, random);
    const contentFormat = random.pick(formats);
    const found = measuredValues(body, contentFormat, receivedAtMs);
    if ('fault' in found || found.length === 0) continue;
    const reading = { path: '/sensors/a', value: body, contentFormat, identity: 'a', peerAddress: 'a' };
    readings.record({ ...reading, receivedAtMs, measurements: found }, undefined, { keepNewest: 10 });
    const timed: TimedMeasurement[] = found.map((one) => ({
      ...one,
      path: '/sensors/a',
      atMs: receivedAtMs,
    }));
    senmlPack(timed, 110);
    senmlPack(timed, 112);
    stored += found.length;
    if (index % 1000 === 999) database.exec('DELETE FROM series; DELETE FROM measurement');
  }
  database.exec('COMMIT');
  database.close();
  assert.ok(stored > count / 20, `${stored} values`);
});
