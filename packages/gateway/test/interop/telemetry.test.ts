/** Telemetry with libcoap's coap-client: a day of SenML goes up and comes back block by block, and HTTP has its hours. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { decodeSenmlCbor, encodeSenmlCbor, isDecodeFault, resolveSenml } from 'coapsule/senml';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';
import { demo, demoCredentials, startGateway } from './programs.ts';

const hour = 3600;
const start = 1_699_999_200; // begins an hour

describe('telemetry', () => {
  peerTest(
    'a device that slept for a day uploads SenML in CBOR, reads it back, and HTTP gives its hours',
    ['coap-client-openssl'],
    async (t) => {
      const folder = temporaryFolder(t);
      const tokens = join(folder, 'tokens');
      writeFileSync(tokens, `panel a-token-of-a-panel GET:/sensors/*\n`, { mode: 0o600 });
      const gateway = await startGateway(t, '--http', '0', '--http-tokens', tokens);
      const uri = `${gateway.coaps}/sensors/${demo.identity}/soil`;
      const samples = Array.from({ length: 24 * 12 }, (_, index) => ({
        ...(index === 0 ? { baseName: 'soil:', baseTime: start, baseUnit: '%RH' } : {}),
        ...{ name: 'moisture', time: index * 300, value: 40 + Math.round(100 * Math.sin(index)) / 10 },
      }));
      const pack = join(folder, 'pack.cbor');
      writeFileSync(pack, encodeSenmlCbor(samples));
      assert.ok(readFileSync(pack).length > 2048, 'it takes several blocks');
      const put = ['-v', '6', '-m', 'put', '-f', pack, '-t', '112', uri, ...demoCredentials];
      assert.match((await run(t, 'coap-client-openssl', put)).output, /c:2\.0[14]/);

      const file = join(folder, 'history.cbor');
      const query = `${uri}?order=oldest&limit=1000`;
      await run(t, 'coap-client-openssl', ['-m', 'get', '-A', '112', '-o', file, query, ...demoCredentials]);
      const records = decodeSenmlCbor(readFileSync(file));
      assert.ok(!isDecodeFault(records), JSON.stringify(records));
      const history = resolveSenml(records);
      assert.ok(!isDecodeFault(history));
      assert.deepEqual(
        history.map(({ name, value, time, unit }) => [name, value, time, unit]),
        samples.map(({ value, time }) => ['soil:moisture', value, start + time, '%RH']),
      );

      const [, ready = ''] = await gateway.process.waitFor(/^ready (\{.*\})$/m);
      const { http } = JSON.parse(ready) as { http: string };
      const answer = await fetch(
        `http://${http}/api/telemetry?path=/sensors/*&step=1h&aggregate=count,max&format=csv`,
        { headers: { authorization: 'Bearer a-token-of-a-panel' } },
      );
      const [header, ...lines] = (await answer.text()).trimEnd().split('\r\n');
      assert.equal(header, 'path,name,identity,unit,at,count,max');
      const hours = Array.from({ length: 24 }, (_, index) => {
        const values = samples.slice(index * 12, (index + 1) * 12).map(({ value }) => value);
        const at = new Date((start + index * hour) * 1000).toISOString();
        return `/sensors/${demo.identity}/soil,soil:moisture,${demo.identity},%RH,${at},12,${Math.max(...values)}`;
      });
      assert.deepEqual(lines, hours);
    },
  );
});
