/**
 * Californium's cf-oscore 3.13 (RFC 8613) over UDP, both directions: GET, 8 KB both ways in Inner blocks, Observe, and restarts of either
 * side. It keeps nothing for its next process: docs/interop.md says what that means.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe } from 'node:test';
import {
  Client,
  changed,
  content,
  OscoreContext,
  type OscoreContextOptions,
  OscoreContexts,
  openOscoreFile,
  Server,
} from 'coapsule';
import { type JsonPeer, startCfOscore } from './json-peer.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, temporaryFolder } from './process.ts';

// As CfOscorePeer.java has them.
const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const masterSalt = Buffer.from('9e7ca92223786340', 'hex');
const [clientId, serverId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];

/** What `CaliforniumPeer.java` makes of a length. */
const body = Uint8Array.from({ length: 8192 }, (_, i) => 97 + ((i * 31) % 26));

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function ownEnd(
  role: 'client' | 'server',
  more: Pick<OscoreContextOptions, 'store' | 'firstUse' | 'deriveAnew'>,
): Promise<OscoreContext> {
  const [senderId, recipientId] = role === 'client' ? [clientId, serverId] : [serverId, clientId];
  return OscoreContext.open({ masterSecret, masterSalt, senderId, recipientId, ...more });
}

/** A server of ours with what the peer asks for. */
class OwnServer implements AsyncDisposable {
  readonly uri: string;
  /** Requests that were carried out. */
  carriedOut = 0;
  stored: Uint8Array = body;
  readonly #server: Server;
  readonly #counting: NodeJS.Timeout;

  static async listen(oscore: OscoreContext, port = 0): Promise<OwnServer> {
    const server = new Server();
    const listener = await server.listen(`coap://127.0.0.1:${port}`, {
      oscore: new OscoreContexts([oscore]),
    });
    return new OwnServer(server, listener.uri);
  }

  private constructor(server: Server, uri: string) {
    this.uri = uri;
    this.#server = server;
    let tick = 0;
    server.resource('/hello', {
      requires: 'oscore',
      get: () => {
        this.carriedOut++;
        return content('hello from coapsule');
      },
    });
    server.resource('/large', {
      requires: 'oscore',
      get: () => content(this.stored),
      put: ({ payload }) => {
        this.carriedOut++;
        this.stored = payload.slice();
        return changed();
      },
    });
    server.resource('/obs', { requires: 'oscore', observable: true, get: () => content(`tick ${tick}`) });
    this.#counting = setInterval(() => {
      tick++;
      server.notify('/obs');
    }, 200);
  }

  get port(): number {
    return Number(new URL(this.uri.replace('coap:', 'http:')).port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#counting);
    await this.#server.close();
  }
}

/** What a client of cf-oscore is answered, the nth time. */
async function answer(client: JsonPeer, command: string, nth: number): Promise<string> {
  client.say(command);
  const { code, text, length } = await client.event('response', nth);
  return `${code} ${text === '' ? length : text}`;
}

/** GET, 8 KB both ways and four notifications of a server of cf-oscore. */
async function readAndWrite(client: Client, uri: string): Promise<void> {
  assert.equal((await client.get(`${uri}/hello`)).text(), 'hello from californium');
  const other = body.toReversed();
  assert.equal((await client.put(`${uri}/large`, { payload: other, contentFormat: 0 })).codeText, '2.04');
  assert.equal(sha256((await client.get(`${uri}/large`)).payload), sha256(other));
}

function expectAscending(ticks: readonly number[]): void {
  assert.ok(
    ticks.every((tick, i) => i === 0 || tick > (ticks[i - 1] as number)),
    `${ticks}`,
  );
}

describe("cf-oscore's server", () => {
  peerTest(
    'answers our client: GET, 8 KB both ways, also after restarts of either side',
    ['cf-oscore'],
    async (t) => {
      const file = join(temporaryFolder(t), 'client');
      const port = await freeUdpPorts(1);
      const uri = `coap://127.0.0.1:${port}`;
      let server = await startCfOscore(t, 'server', port);
      for (const life of ['first', 'second'] as const) {
        await using oscore = await ownEnd('client', {
          store: await openOscoreFile(file),
          firstUse: life === 'first',
        });
        await using client = new Client({ oscore });
        await readAndWrite(client, uri);
        if (life === 'first') continue;
        // Its Replay Window is lost with it: it takes what comes next.
        await server.process.stop('SIGKILL');
        server = await startCfOscore(t, 'server', port);
        await readAndWrite(client, uri);
      }
    },
  );

  peerTest('is observed by our client', ['cf-oscore'], async (t) => {
    const port = await freeUdpPorts(1);
    await startCfOscore(t, 'server', port);
    await using oscore = await ownEnd('client', {
      store: await openOscoreFile(join(temporaryFolder(t), 'client')),
      firstUse: true,
    });
    await using client = new Client({ oscore });
    const ticks: number[] = [];
    for await (const notification of client.observe(`coap://127.0.0.1:${port}/obs`)) {
      ticks.push(Number(notification.text().split(' ')[1]));
      if (ticks.length === 4) break;
    }
    expectAscending(ticks);
  });

  peerTest(
    'derives contexts anew with our client, also after restarts of either side',
    ['cf-oscore'],
    async (t) => {
      const port = await freeUdpPorts(1);
      const uri = `coap://127.0.0.1:${port}`;
      let server = await startCfOscore(t, 'server', port, 'anew');
      for (const life of ['first', 'second'] as const) {
        await using oscore = await ownEnd('client', { deriveAnew: 'client' });
        await using client = new Client({ oscore });
        await readAndWrite(client, uri);
        if (life === 'first') continue;
        await server.process.stop('SIGKILL');
        server = await startCfOscore(t, 'server', port, 'anew');
        await readAndWrite(client, uri);
      }
    },
  );
});

describe("cf-oscore's client", () => {
  peerTest('reads, writes 8 KB and observes at our server, which restarts', ['cf-oscore'], async (t) => {
    const file = join(temporaryFolder(t), 'server');
    let port = 0;
    let client: JsonPeer | undefined;
    let answers = 0;
    for (const life of ['first', 'second'] as const) {
      await using oscore = await ownEnd('server', {
        store: await openOscoreFile(file),
        firstUse: life === 'first',
      });
      await using server = await OwnServer.listen(oscore, port);
      port = server.port;
      client ??= await startCfOscore(t, 'client', server.uri);
      assert.equal(await answer(client, `get ${server.uri}/hello`, ++answers), '2.05 hello from coapsule');
      assert.match(await answer(client, `put ${server.uri}/large 8192`, ++answers), /^2\.04/);
      assert.equal(sha256(server.stored), sha256(body));
      assert.equal(await answer(client, `get ${server.uri}/large`, ++answers), '2.05 8192');
      client.say(`listen ${server.uri}/obs 4`);
      answers += 4;
      await client.event('response', answers);
      const ticks = client.events.filter(({ event }) => event === 'response').slice(answers - 4, answers);
      expectAscending(ticks.map(({ text }) => Number(String(text).split(' ')[1])));
      assert.equal(server.carriedOut, 2);
    }
  });

  peerTest(
    'goes on after a restart with the number that it is told, and is refused as a replay without',
    ['cf-oscore'],
    async (t) => {
      await using oscore = await ownEnd('server', {
        store: await openOscoreFile(join(temporaryFolder(t), 'server')),
        firstUse: true,
      });
      await using server = await OwnServer.listen(oscore);
      const get = `get ${server.uri}/hello`;
      const first = await startCfOscore(t, 'client', server.uri);
      assert.equal(await answer(first, get, 1), '2.05 hello from coapsule');
      await first.process.stop('SIGKILL');
      const forgetful = await startCfOscore(t, 'client', server.uri);
      assert.equal(await answer(forgetful, get, 1), '4.01 Replay detected');
      await forgetful.process.stop('SIGKILL');
      assert.equal(server.carriedOut, 1);
      const told = await startCfOscore(t, 'client', server.uri, 100);
      assert.equal(await answer(told, get, 1), '2.05 hello from coapsule');
      assert.equal(server.carriedOut, 2);
    },
  );

  peerTest(
    'derives contexts anew with our server, also after restarts of either side',
    ['cf-oscore'],
    async (t) => {
      let port = 0;
      for (const life of ['first', 'second'] as const) {
        await using oscore = await ownEnd('server', { deriveAnew: 'server' });
        await using server = await OwnServer.listen(oscore, port);
        port = server.port;
        for (let run = 0; run < 2; run++) {
          const client = await startCfOscore(t, 'client', server.uri, 'anew');
          assert.equal(await answer(client, `get ${server.uri}/hello`, 1), '2.05 hello from coapsule', life);
          assert.match(await answer(client, `put ${server.uri}/large 8192`, 2), /^2\.04/);
          assert.equal(await answer(client, `get ${server.uri}/large`, 3), '2.05 8192');
          await client.process.stop('SIGKILL');
        }
      }
    },
  );
});
