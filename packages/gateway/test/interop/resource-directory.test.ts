/** Endpoints of other implementations in our Resource Directory (RFC 9176). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe } from 'node:test';
import { peerPython, peerTest } from './peer.ts';
import { type BackgroundProcess, run, start, until } from './process.ts';
import { coapsule, demo, demoCredentials, startGateway } from './programs.ts';

describe('libcoap', () => {
  peerTest(
    'coap-client registers itself over DTLS, and look-ups find it',
    ['coap-client-openssl'],
    async (t) => {
      const gateway = await startGateway(t);
      const links = '</temp>;rt="temperature";if="sensor",</humidity>;rt="humidity"';
      const registration = `${gateway.coaps}/rd?ep=${demo.identity}&lt=600`;
      const posted = await run(t, 'coap-client-openssl', [
        ...['-v', '6', '-m', 'post', '-t', '40', '-e', links],
        ...[...demoCredentials, registration],
      ]);
      assert.match(posted.output, /2\.01/);
      const [, location] = /Location-Path:rd, Location-Path:([\w-]{8})/.exec(posted.output) ?? [];
      assert.ok(location !== undefined, posted.output);
      const found = await run(t, 'coap-client-openssl', [
        ...['-m', 'get', ...demoCredentials, `${gateway.coaps}/rd-lookup/res?rt=temp*`],
      ]);
      assert.match(found.output, /^<coaps:\/\/127\.0\.0\.1:\d+\/temp>;rt="temperature";if="sensor"\s*$/);
      // Our client over another transport finds the endpoint; a page has as many as were asked for.
      const endpoints = await coapsule(
        t,
        'get',
        `${gateway.coaps}/rd-lookup/ep?page=0&count=1`,
        ...demoCredentials,
      );
      assert.match(
        endpoints.stdout.toString(),
        new RegExp(`^</rd/${location}>;ep="${demo.identity}";base="coaps://127`),
      );
      const removed = await run(t, 'coap-client-openssl', [
        ...['-v', '6', '-m', 'delete', ...demoCredentials, `${gateway.coaps}/rd/${location}`],
      ]);
      assert.match(removed.output, /2\.02/);
    },
  );
});

describe('aiocoap', () => {
  const registrant = (t: Parameters<typeof start>[0], uri: string, ...more: string[]): BackgroundProcess =>
    start(t, peerPython, [join(import.meta.dirname, 'aiocoap/registrant.py'), uri, 'lamp', ...more]);
  const lookUp = async (t: Parameters<typeof start>[0], coap: string): Promise<string> =>
    (await coapsule(t, 'get', `${coap}/rd-lookup/res?ep=lamp&rt=light`)).stdout.toString().trim();

  peerTest(
    'its registration client finds the directory, registers and removes itself',
    ['aiocoap'],
    async (t) => {
      const gateway = await startGateway(t, '--dangerously-allow-plain-writes');
      const lamp = registrant(t, gateway.coap);
      await lamp.waitFor(/^registered$/m, 20_000);
      assert.equal(await lookUp(t, gateway.coap), '<coap://light.example/light>;rt="light";if="switch"');
      lamp.write('\n');
      await lamp.waitFor(/^removed$/m, 20_000);
      await until(async () => (await lookUp(t, gateway.coap)) === '', 'the registration is gone');
    },
  );

  peerTest(
    'an endpoint that only has its /.well-known/core is registered with it (§5.1)',
    ['aiocoap'],
    async (t) => {
      const gateway = await startGateway(t, '--dangerously-allow-plain-writes');
      const lamp = registrant(t, gateway.coap, 'simple');
      await lamp.waitFor(/^answered 2\.04/m, 20_000);
      const found = await lookUp(t, gateway.coap);
      const [, uri = ''] = /^<(coap:\/\/127\.0\.0\.1:\d+\/light)>;/.exec(found) ?? assert.fail(found);
      // And it is where the directory says.
      assert.equal((await coapsule(t, 'get', uri)).stdout.toString().trim(), 'on');
    },
  );
});
