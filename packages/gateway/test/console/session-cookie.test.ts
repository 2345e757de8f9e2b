/** The cookie of a session: whose it is among gateways of one machine, and what TLS adds. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { startTestConsole } from './console-fixture.ts';

test('a browser that has the cookies of two gateways of one machine is logged in at both, and logs out of one', async (t) => {
  const [one, other] = [await startTestConsole(t), await startTestConsole(t)];
  const [here, there] = [await one.admin(), await other.admin()];
  assert.notEqual(here.cookie.split('=')[0], there.cookie.split('=')[0]);
  // A browser sends both to both: it does not look at the port.
  const headers = { cookie: `${there.cookie}; ${here.cookie}` };
  const status = async (browser: typeof here): Promise<number> =>
    (await browser.ask('GET', '/api/session', undefined, { headers })).status;
  assert.deepEqual([await status(here), await status(there)], [200, 200]);
  const bye = await here.ask('DELETE', '/api/session', undefined, { headers });
  assert.match(
    bye.headers.getSetCookie()[0] ?? '',
    new RegExp(`^${here.cookie.split('=')[0]}=; Max-Age=0; `),
  );
  assert.deepEqual([await status(here), await status(there)], [401, 200]);
});

test('over TLS the cookie is Secure and called __Host-, and one that another host could have set does not count', async (t) => {
  const days = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };
  const ca = await issueAuthority('CA', { ...days, type: 'p256' });
  const { certificatePem: certificate, privateKeyPem: privateKey } = await issueCertificate(
    { certificate: new X509Certificate(ca.certificatePem), privateKey: createPrivateKey(ca.privateKeyPem) },
    { role: 'server', commonName: 'localhost', names: ['localhost'], type: 'p256' },
    days,
  );
  const { gateway } = await startTestConsole(t, {
    http: { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: { certificate, privateKey } },
  });
  const { port } = new URL(`https://${gateway.endpoints.http}`);
  const ask = async (method: string, path: string, headers: object, body = ''): Promise<IncomingMessage> => {
    const asking = request({
      ...{ host: '127.0.0.1', port, method, path, servername: 'localhost', ca: ca.certificatePem },
      headers: { host: `localhost:${port}`, 'content-type': 'application/json', ...headers },
    });
    asking.end(body);
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    await text(answer);
    return answer;
  };
  const token = gateway.consoleLink?.split('#')[1];
  const { headers, statusCode } = await ask('POST', '/api/session/link', {}, JSON.stringify({ token }));
  assert.equal(statusCode, 200);
  const [given = ''] = headers['set-cookie'] ?? [];
  assert.match(
    given,
    new RegExp(
      `^__Host-coapsule_session_${port}=[\\w-]{43}; Max-Age=\\d+; Path=/; HttpOnly; Secure; SameSite=Strict$`,
    ),
  );
  const [cookie = ''] = given.split(';');
  assert.equal((await ask('GET', '/api/session', { cookie })).statusCode, 200);
  assert.equal(
    (await ask('GET', '/api/session', { cookie: cookie.slice('__Host-'.length) })).statusCode,
    401,
  );
});
