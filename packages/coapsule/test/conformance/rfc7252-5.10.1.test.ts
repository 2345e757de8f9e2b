/** RFC 7252 §5.10.1 and §9.1.3: several hosts on one server, by Uri-Host. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ApiMisuseError, Client, changed, content, OptionNumber, Server } from '../../src/index.ts';

const key = Buffer.from('MySecret16ByteK!');
const psk = { identity: 'sensor-042', key };
const server = new Server().resource('/x', { observable: true, get: () => content('default') });
let state = 'a';
server.host('A.example').resource('/x', {
  observable: true,
  attributes: { rt: 'a' },
  get: () => content(state),
  put: (request) => {
    state = request.text();
    server.host('a.example').notify('/x');
    return changed();
  },
});
server.host('b.example').resource('/only-b', { get: () => content('b') });
const plain = await server.listen('coap://127.0.0.1:0');
const secured = await server.listen('coaps://127.0.0.1:0', {
  psk: { lookup: new Map([['sensor-042', key]]) },
});
const client = new Client({ psk, lookUp: async () => ['127.0.0.1'] });
after(async () => {
  await client.close();
  await server.close();
});

const at = (host: string, path: string, { port, scheme } = plain): string =>
  `${scheme}://${host}:${port}${path}`;

async function ask(uri: string): Promise<string> {
  const response = await client.get(uri);
  return `${response.codeText} ${response.text()}`;
}

for (const listener of [plain, secured]) {
  test(`a request gets the resources of the host in Uri-Host, and no others, over ${listener.scheme}`, async () => {
    state = 'a';
    assert.equal(await ask(at('a.example', '/x', listener)), '2.05 a');
    assert.equal(await ask(at('b.example', '/only-b', listener)), '2.05 b');
    assert.match(await ask(at('b.example', '/x', listener)), /^4\.04/);
    assert.match(await ask(at('a.example', '/only-b', listener)), /^4\.04/);
  });

  test(`a host that is not known, an address and no Uri-Host get those of the server, over ${listener.scheme}`, async () => {
    assert.equal(await ask(at('c.example', '/x', listener)), '2.05 default');
    assert.equal(await ask(at('127.0.0.1', '/x', listener)), '2.05 default');
    assert.match(await ask(at('127.0.0.1', '/only-b', listener)), /^4\.04/);
  });
}

test('case and a dot at the end make no difference (§6.1)', async () => {
  for (const host of ['A.EXAMPLE', 'a.example.']) {
    const options = [{ number: OptionNumber.UriHost, value: host }];
    const response = await client.get(at('127.0.0.1', '/x'), { options });
    assert.equal(response.text(), state, host);
  }
});

test('each host lists its own resources', async () => {
  assert.match(await ask(at('a.example', '/.well-known/core')), /<\/x>;rt="a";obs$/);
  assert.match(await ask(at('b.example', '/.well-known/core')), /^2\.05 <\/only-b>$/);
  assert.match(await ask(at('127.0.0.1', '/.well-known/core')), /^2\.05 <\/x>;obs$/);
});

test('a change is told to the observers of that host alone', async () => {
  state = 'a';
  const own = client.observe(at('a.example', '/x'))[Symbol.asyncIterator]();
  const others = client.observe(at('127.0.0.1', '/x'))[Symbol.asyncIterator]();
  assert.equal((await own.next()).value?.text(), 'a');
  assert.equal((await others.next()).value?.text(), 'default');
  let isTold = false;
  const told = others.next().then(() => {
    isTold = true;
  });
  await client.put(at('a.example', '/x'), { payload: 'a2' });
  assert.equal((await own.next()).value?.text(), 'a2');
  assert.equal(isTold, false);
  server.notify('/x');
  await told;
  await own.return?.();
  await others.return?.();
});

test('§9.1.3: over DTLS a host answers nobody who has verified another name', async () => {
  await using elsewhere = new Client({ psk, serverName: 'b.example', lookUp: async () => ['127.0.0.1'] });
  const misled = await elsewhere.get(at('a.example', '/x', secured));
  assert.equal(misled.codeText, '4.00');
  assert.equal((await elsewhere.get(at('b.example', '/only-b', secured))).codeText, '2.05');
  // The resources of the server itself go by every name.
  assert.equal((await elsewhere.get(at('c.example', '/x', secured))).text(), 'default');
});

test('over DTLS a client that named no server in its handshake gets what Uri-Host says', async () => {
  const options = [{ number: OptionNumber.UriHost, value: 'b.example' }];
  const response = await client.get(at('127.0.0.1', '/only-b', secured), { options });
  assert.equal(response.text(), 'b');
});

test('what is no name is refused at once', () => {
  for (const name of ['', '.', '127.0.0.1', '[::1]', '::1', 'a.example:5683', 'coap://a.example', 'a b']) {
    assert.throws(() => server.host(name), ApiMisuseError, name);
  }
  assert.throws(() => server.host('a.example').resource('/x', {}), ApiMisuseError);
});
