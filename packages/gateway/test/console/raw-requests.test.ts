/** Requests as no browser and no library makes them, written to the socket of the console byte by byte. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startTestConsole, type TestConsole } from './console-fixture.ts';

interface Wire {
  readonly started: TestConsole;
  readonly host: string;
  /** All that is answered until the server ends the connection, or until so many answers have begun. */
  send(text: string, answers?: number): Promise<string>;
}

async function wire(t: TestContext, options: Parameters<typeof startTestConsole>[1] = {}): Promise<Wire> {
  const started = await startTestConsole(t, options);
  const { port } = new URL(started.base);
  const send: Wire['send'] = async (text, answers = Number.POSITIVE_INFINITY) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(text, 'latin1');
    let answer = '';
    try {
      for await (const chunk of socket) {
        answer += chunk;
        if (statusesOf(answer).length >= answers) break;
      }
    } catch (error) {
      // Whoever is told off may be cut off.
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
    }
    return answer;
  };
  return { started, host: `127.0.0.1:${port}`, send };
}

function statusesOf(answer: string): readonly number[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

const end = 'Connection: close\r\n\r\n';

test('a request whose end can be seen in two places is refused, and what is hidden behind it is never asked', async (t) => {
  const { started, host, send } = await wire(t);
  const { cookie } = await started.admin();
  const hidden = `GET /api/gateway HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n\r\n`;
  const login = `POST /api/session/link HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
  for (const [name, text] of Object.entries({
    'length and chunks': `${login}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'chunks and length': `${login}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`,
    'two lengths': `${login}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    'a list of lengths': `${login}Content-Length: 0, ${hidden.length}\r\n\r\n${hidden}`,
    'a length with a sign': `${login}Content-Length: +0\r\n\r\n${hidden}`,
    'an unknown coding': `${login}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
    'a coding after chunks': `${login}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
    'a space before the colon': `${login}Content-Length : ${hidden.length}\r\n\r\n${hidden}`,
    'a folded line': `${login}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'line feeds alone': `${login.replaceAll('\r', '')}Transfer-Encoding: chunked\n\n0\n\n${hidden}`,
    'a size of a chunk that is none': `${login}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${hidden}`,
    'a NUL in a header': `${login}X: a\0b\r\nContent-Length: 0\r\n\r\n${hidden}`,
  })) {
    const answer = await send(text);
    assert.doesNotMatch(answer, /"version"/, name);
    assert.ok(!statusesOf(answer).includes(200), `${name}: ${statusesOf(answer)}`);
    assert.equal(statusesOf(answer).at(-1), 400, `${name}: ${statusesOf(answer)}`);
  }
});

test('headers, lines and bodies that are too large end with a refusal', async (t) => {
  const { host, send } = await wire(t);
  const begin = `GET /api/session HTTP/1.1\r\nHost: ${host}\r\n`;
  const login = `POST /api/session/password HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
  const status = async (text: string): Promise<number | undefined> => statusesOf(await send(text))[0];
  assert.equal(await status(`${begin}X: ${'a'.repeat(100_000)}\r\n${end}`), 431);
  assert.equal(await status(`${begin}${'X: a\r\n'.repeat(10_000)}${end}`), 431);
  assert.equal(await status(`GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: ${host}\r\n${end}`), 431);
  assert.equal(await status(`${login}Content-Length: 9000\r\n${end}${'a'.repeat(9000)}`), 413);
  assert.equal(
    await status(
      `${login}Transfer-Encoding: chunked\r\n${end}${'3e8\r\n'.concat('a'.repeat(1000), '\r\n').repeat(9)}`,
    ),
    413,
  );
  // Of who is nobody no body is waited for.
  const devices = `POST /api/devices HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
  assert.equal(statusesOf(await send(`${devices}Content-Length: 99999999\r\n\r\n{`, 1))[0], 401);
});

test('a name of somebody else is refused however it is said, also where a page of that name leads here', async (t) => {
  const { started, host, send } = await wire(t);
  const { cookie } = await started.admin();
  const ask = (target: string, ...names: readonly string[]): Promise<string> =>
    send(
      `GET ${target} HTTP/1.1\r\n${names.map((name) => `Host: ${name}\r\n`).join('')}Cookie: ${cookie}\r\n${end}`,
    );
  const port = host.split(':')[1];
  for (const name of [
    ...[
      'evil.example',
      `evil.example:${port}`,
      '[::1].evil',
      '[::1].evil.example',
      '[::1]evil',
      '127.0.0.1.evil',
    ],
    ...[
      'localhost.evil',
      'evil@localhost',
      'localhost@evil',
      'localhost/evil',
      'localhost#evil',
      'localhost\\evil',
    ],
    ...[
      'localhost, evil',
      'localhost evil',
      '127.0.0.1:80:80',
      '169.254.169.254',
      '0.0.0.0',
      '',
      '%6cocalhost.evil',
    ],
  ]) {
    const answer = await ask('/api/session', name);
    assert.ok([400, 421].includes(statusesOf(answer)[0] ?? 0), `${name}: ${answer.slice(0, 60)}`);
    assert.doesNotMatch(answer, /csrfToken|unauthenticated/, name);
  }
  assert.match(await ask('/api/session', host, 'evil.example'), /^HTTP\/1\.1 (?:400|421) /, 'two names');
  assert.match(await ask('/api/session', 'evil.example', host), /^HTTP\/1\.1 (?:400|421) /);
  assert.match(await ask('/api/session'), /^HTTP\/1\.1 400 /, 'none');
  assert.match(await ask('http://evil.example/api/session', host), /^HTTP\/1\.1 421 /, 'in the target');
  assert.match(await ask(`http://${host}/api/session`, 'evil.example'), /^HTTP\/1\.1 421 /);
  assert.match(await ask(`http://${host}/api/session`, host), /^HTTP\/1\.1 200 /);
});

test('a scheme in the target makes no connection secure', async (t) => {
  const { started, host, send } = await wire(t);
  const token = started.gateway.consoleLink?.split('#')[1];
  const body = JSON.stringify({ token });
  const answer = await send(
    `POST https://${host}/api/session/link HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${end}${body}`,
  );
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(answer, /^set-cookie: coapsule_session_/im);
  assert.doesNotMatch(answer, /Secure/);
});

test('paths that lead elsewhere lead to no file and around no login', async (t) => {
  const { host, send } = await wire(t);
  for (const [path, status] of [
    ['/console/../api/session', 401],
    ['/console/%2e%2e/api/session', 401],
    ['/console/..%2f..%2fpackage.json', 404],
    ['/console/..%5c..%5cpackage.json', 404],
    ['/console/assets/../../../package.json', 404],
    ['/console/%00.js', 404],
    ['/console/__proto__.js', 404],
    ['/console/assets/constructor', 404],
    ['//evil.example/api/session', 404],
    ['/API/session', 404],
    ['/api/session/', 404],
    ['/api//session', 404],
    ['/api/%73ession', 401],
    ['/api/session;x', 404],
    ['/api/session%00', 404],
    ['/api/devices/..;/session', 404],
  ] as const)
    assert.equal(statusesOf(await send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${end}`))[0], status, path);
});

test('nobody becomes somebody by another method, an upgrade, a token of HTTP or a cookie that is none', async (t) => {
  const { started, host, send } = await wire(t);
  await started.admin();
  const ask = (line: string, headers = ''): Promise<string> =>
    send(
      `${line} HTTP/1.1\r\nHost: ${host}\r\n${headers}${headers.includes('Connection') ? '\r\n' : end}`,
      1,
    );
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  const name = `coapsule_session_${host.split(':')[1]}`;
  for (const answer of [
    await ask('GET /api/live', upgrade),
    await ask('GET /api/live', 'Accept: text/event-stream\r\n'),
    await ask('GET /api/traffic/live?access_token=x', 'Accept: text/event-stream\r\n'),
    await ask(
      'GET /api/live',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n',
    ),
    await ask('HEAD /api/devices'),
    await ask('GET /api/devices', 'Authorization: Basic YWRtaW46YWRtaW4=\r\n'),
    await ask('GET /api/devices', 'X-HTTP-Method-Override: DELETE\r\n'),
    ...(await Promise.all(
      ['', '%zz', '__proto__', 'undefined', '"', 'a'.repeat(4000), ';'].map((id) =>
        ask('GET /api/devices', `Cookie: ${name}=${id}; x\r\n`),
      ),
    )),
  ]) {
    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.doesNotMatch(answer, /text\/event-stream|set-cookie/i);
  }
  for (const line of [
    'TRACE /api/session',
    'OPTIONS /api/devices',
    'PATCH /api/devices/x',
    'OPTIONS *',
    'GETS /api/session',
  ]) {
    const answer = await ask(line, 'Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n');
    assert.match(answer, /^HTTP\/1\.1 (?:400|404) /, line);
    assert.doesNotMatch(answer, /access-control|cookie/i, line);
  }
  assert.equal(await ask(`CONNECT ${host}`), '', 'it is no tunnel');
});

test('what is answered to nobody is the same to the byte whether a device, user or route is there, and names no version', async (t) => {
  const { started, host, send } = await wire(t);
  const admin = await started.admin();
  await admin.json('POST', '/api/devices', { id: 'pump', credential: { kind: 'psk' } });
  await started.as('view');
  const ask = async (line: string, body = ''): Promise<string> => {
    const type = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    return (await send(`${line} HTTP/1.1\r\nHost: ${host}\r\n${type}${end}${body}`)).replace(
      /^Date: .*$/m,
      '',
    );
  };
  const one = await ask('GET /api/devices/pump');
  for (const line of [
    ...[
      'GET /api/devices/pimp',
      'DELETE /api/devices/pump',
      'GET /api/devices',
      'GET /api/history',
      'GET /api/traffic/live',
    ],
    ...['GET /api/openapi.json', 'GET /api/simulations/1/events', 'PUT /api/devices/pump/rules'],
  ])
    assert.equal(await ask(line), one, line);
  const login = (name: string): Promise<string> =>
    ask('POST /api/session/password', JSON.stringify({ name, password: 'wrong' }));
  assert.equal(await login('view'), await login('none'));
  for (const answer of [
    one,
    await ask('GET /nothing'),
    await ask('GET /health'),
    await ask('GET /console/none.js'),
  ])
    assert.doesNotMatch(answer, /\d+\.\d+\.\d+(?!\.)|^(?:server|x-powered-by|via):/im);
  assert.match(one, /^cache-control: no-store$/im);
});

test('a form of another site changes nothing and logs nobody in, whatever its encoding, even with the cookie', async (t) => {
  const { started, host, send } = await wire(t);
  const { cookie, session } = await started.admin();
  const body = '{"id":"x","credential":{"kind":"psk"},"a":"="}';
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
  ])
    for (const [headers, status] of [
      ['Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n', 403],
      ['Origin: null\r\n', 403],
      ['', 403],
      [`X-CSRF-Token: ${session.csrfToken}\r\n`, 400],
    ] as const) {
      const answer = await send(
        `POST /api/devices HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n${headers}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n${end}${body}`,
      );
      assert.equal(statusesOf(answer)[0], status, `${type} ${headers}`);
    }
  const token = 'x'.repeat(43);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const login = JSON.stringify({ token });
    const answer = await send(
      `POST /api/session/link HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nContent-Length: ${login.length}\r\n${end}${login}`,
    );
    assert.equal(statusesOf(answer)[0], 400, type);
  }
  const { devices } = (await (
    await fetch(`${started.base}/api/devices`, { headers: { cookie } })
  ).json()) as { devices: readonly object[] };
  assert.deepEqual(devices, []);
});
