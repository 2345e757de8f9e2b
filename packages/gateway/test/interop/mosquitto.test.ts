/** The gateway's bridge with mosquitto: MQTT 5 and 3.1.1, TLS, credentials, and a kill of both in the middle. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { Client } from 'coapsule';
import { openDatabase } from '../../src/store/database.ts';
import { Mosquitto, subscriber } from './mosquitto-broker.ts';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, temporaryFolder, until } from './process.ts';
import { coapsule, coapsuleInBackground, demo, demoCredentials, startGateway } from './programs.ts';

describe('mosquitto', () => {
  peerTest(
    'MQTT 5: a reading with its properties, and a command with response topic and correlation data',
    ['mosquitto'],
    async (t) => {
      const broker = await Mosquitto.start(t, 'allow_anonymous true');
      const url = `mqtt://127.0.0.1:${broker.port}`;
      const { client, messages } = await subscriber(t, url);
      const gateway = await startGateway(
        t,
        '--mqtt',
        url,
        '--mqtt-allow',
        'PUT:/light',
        '--mqtt-observe',
        '/light',
      );
      await until(
        () => messages.some(({ topic, payload }) => topic === 'coapsule/status' && payload === 'online'),
        'the gateway is there',
      );

      const put = await coapsule(
        t,
        'put',
        `${gateway.coaps}/sensors/${demo.identity}/temp`,
        '-e',
        '22.5',
        '-t',
        '0',
        ...demoCredentials,
      );
      assert.equal(put.code, 0, put.output);
      await until(() => messages.some(({ payload }) => payload === '22.5'), 'the reading arrives');
      const reading = messages.find(({ payload }) => payload === '22.5') ?? assert.fail();
      assert.equal(reading.topic, `coapsule/telemetry/sensors/${demo.identity}/temp`);
      const { contentType, userProperties } = reading.properties as {
        contentType: string;
        userProperties: Record<string, string>;
      };
      assert.match(contentType, /^text\/plain/);
      assert.equal(userProperties['identity'], demo.identity);

      const correlationData = Buffer.from('42');
      await client.publishAsync('coapsule/command/put/light', '{"status": false}', {
        qos: 2,
        properties: { responseTopic: 'answers/test', correlationData, contentType: 'application/json' },
      });
      await until(() => messages.some(({ topic }) => topic === 'answers/test'), 'the answer comes');
      const answer = (messages.find(({ topic }) => topic === 'answers/test') ?? assert.fail()).properties as {
        correlationData: Buffer;
        userProperties: Record<string, string>;
      };
      assert.deepEqual([answer.userProperties['code'], answer.correlationData.toString()], ['2.04', '42']);
      const light = await coapsule(t, 'get', `${gateway.coap}/light`);
      assert.match(light.stdout.toString(), /false/);
      await until(
        () =>
          messages.some(
            ({ topic, payload }) => topic === 'coapsule/state/light' && payload.includes('false'),
          ),
        'the state is published',
      );

      // Killed, it says nothing: the broker does.
      gateway.process.kill('SIGKILL');
      await until(
        () => messages.some(({ topic, payload }) => topic === 'coapsule/status' && payload === 'offline'),
        'the last will',
      );
    },
  );

  peerTest(
    'TLS with an authority of its own, user and password; with a wrong one the gateway serves on and says why',
    ['mosquitto', 'openssl'],
    async (t) => {
      const folder = temporaryFolder(t);
      const file = (name: string): string => join(folder, name);
      const openssl = (...args: string[]): void => {
        const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
      };
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        file('key.pem'),
        '-out',
        file('cert.pem'),
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
      );
      writeFileSync(file('passwords'), 'gateway:secret word\n');
      assert.equal(spawnSync('mosquitto_passwd', ['-U', file('passwords')]).status, 0);
      for (const name of ['key.pem', 'cert.pem', 'passwords']) chmodSync(file(name), 0o644);
      chmodSync(folder, 0o755);
      const broker = await Mosquitto.start(
        t,
        `certfile ${file('cert.pem')}`,
        `keyfile ${file('key.pem')}`,
        `password_file ${file('passwords')}`,
        'allow_anonymous false',
      );
      const url = `mqtts://localhost:${broker.port}`;
      const { messages } = await subscriber(t, url, {
        ca: readFileSync(file('cert.pem')),
        username: 'gateway',
        password: 'secret word',
      });
      const secured = [
        '--mqtt',
        url,
        '--mqtt-ca',
        file('cert.pem'),
        '--mqtt-user',
        'gateway',
        '--mqtt-version',
        '3.1.1',
      ];
      writeFileSync(file('wrong'), 'another word\n');
      const refused = await startGateway(t, ...secured, '--mqtt-password-file', file('wrong'));
      await refused.process.waitFor(/mqtt: mqtts:\/\/localhost:\d+: Connection refused: Not authorized/);
      assert.equal((await coapsule(t, 'get', `${refused.coap}/hello`)).code, 0);
      assert.doesNotMatch(refused.process.output, /another word/);

      writeFileSync(file('right'), 'secret word\n');
      await startGateway(t, ...secured, '--mqtt-password-file', file('right'));
      await until(
        () => messages.some(({ topic, payload }) => topic === 'coapsule/status' && payload === 'online'),
        'the gateway is there',
      );
    },
  );

  peerTest(
    'over kills of the gateway and of the broker every reading that was acknowledged is stored once and arrives',
    ['mosquitto'],
    async (t) => {
      const broker = await Mosquitto.start(t, 'allow_anonymous true');
      const url = `mqtt://127.0.0.1:${broker.port}`;
      const { messages } = await subscriber(t, url);
      const data = temporaryFolder(t);
      const serve = async (): Promise<readonly [BackgroundProcess, string]> => {
        const gateway = coapsuleInBackground(
          t,
          'serve',
          '--demo',
          '--coap',
          '127.0.0.1:0',
          '--coaps',
          'off',
          '--data',
          data,
          '--mqtt',
          url,
          '--dangerously-allow-plain-writes',
        );
        const [, json = ''] = await gateway.waitFor(/^ready (\{.*\})$/m, 20_000);
        return [gateway, `coap://${JSON.parse(json).coap}`];
      };
      const acknowledged: string[] = [];
      let next = 1;
      const client = new Client();
      t.after(() => client.close());
      for (const round of [1, 2, 3]) {
        const [gateway, coap] = await serve();
        if (round === 2) await broker.down('SIGKILL');
        const put = async (): Promise<void> => {
          const value = String(next++);
          const done = await client
            .put(`${coap}/sensors/line/n`, { payload: value, timeoutMs: 3000 })
            .catch(() => undefined);
          if (done?.ok) acknowledged.push(value);
        };
        await Promise.all(Array.from({ length: 4 }, put));
        // In the middle of the next ones.
        const others = Promise.all(Array.from({ length: 4 }, put));
        await until(() => acknowledged.length > round * 4, 'some more are acknowledged').catch(() => {});
        gateway.kill('SIGKILL');
        await others;
        await gateway.finished();
        if (round === 2) await broker.up();
      }
      const [last] = await serve();
      const arrived = (): ReadonlySet<string> =>
        new Set(messages.filter(({ topic }) => topic.endsWith('/n')).map(({ payload }) => payload));
      await until(
        () => acknowledged.every((value) => arrived().has(value)),
        'all that was acknowledged arrives',
        30_000,
      );
      const opened = openDatabase(data, { create: false, asGateway: false });
      t.after(() => opened.close());
      const rows = opened.database
        .prepare(
          "SELECT CAST(value AS TEXT) AS value, count(*) AS n FROM reading WHERE path = '/sensors/line/n' GROUP BY value",
        )
        .all() as { value: string; n: number }[];
      const waiting = opened.database.prepare('SELECT count(*) AS n FROM outbox');
      await until(() => waiting.get()?.['n'] === 0, 'the outbox is empty', 30_000);
      await last.stop();
      assert.ok(acknowledged.length >= 12, `${acknowledged.length} were acknowledged`);
      assert.deepEqual(
        rows.filter(({ n }) => n !== 1),
        [],
      );
      assert.deepEqual(
        acknowledged.filter((value) => !rows.some((row) => row.value === value)),
        [],
      );
    },
  );
});
