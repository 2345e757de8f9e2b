/**
 * Three patterns of CoAP, message by message, on a simulated link in virtual time: a reading (by CON and by NON), an
 * observation against polling, and discovery by multicast.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/patterns.ts
 */
import { Code, codeText } from 'coapsule';
import { decodeMessage, isDecodeFault, methodOf, OptionNumber, OptionSet } from 'coapsule/message';
import { clientAddress, Neighbourhood, Pair, type SentDatagram } from 'coapsule/testing';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Prints messages and what they amount to. */
function show(
  title: string,
  sent: readonly SentDatagram[],
  nameOf: (key: string) => string,
  start: number,
): void {
  console.log(title);
  for (const { from, datagram, sentAt } of sent) {
    const message = decodeMessage(datagram);
    if (isDecodeFault(message)) continue;
    const { type, code, options, payload } = message;
    const observe = options.uint(OptionNumber.Observe);
    const path = options.texts(OptionNumber.UriPath);
    const words = [
      `${((sentAt - start) / 1000).toFixed(2).padStart(6)} s`,
      nameOf(from.key).padEnd(8),
      type,
      code === Code.Empty ? 'Empty' : (methodOf(code) ?? codeText(code)),
      ...(path.length > 0 ? [`/${path.join('/')}`] : []),
      ...(observe === undefined ? [] : [`Observe:${observe}`]),
      ...(payload.length > 0 ? [text(payload)] : []),
      `(${datagram.length} bytes)`,
    ];
    console.log(`  ${words.join(' ')}`);
  }
  const bytes = sent.reduce((sum, { datagram }) => sum + datagram.length, 0);
  console.log(`  ${sent.length} message${sent.length === 1 ? '' : 's'}, ${bytes} bytes`);
}

/** A gateway that reads a sensor; whether the sensor's addresses are proved is not the matter here. */
function sensor(maxAgeSeconds?: number): { pair: Pair; state: { text: string } } {
  const state = { text: '22.5°C' };
  const age = new OptionSet();
  if (maxAgeSeconds !== undefined) age.set(OptionNumber.MaxAge, maxAgeSeconds);
  const pair = new Pair({
    server: {
      dangerouslyUnlimitedAmplification: true,
      requestResponse: { observeSequenceStart: 11, notificationType: 'CON' },
    },
    handler: ({ code }) =>
      code === Code.Get
        ? { code: Code.Content, payload: state.text, options: age, observe: true }
        : { code: Code.Changed },
  });
  return { pair, state };
}

/** Prints all that was sent on the link between a client and a server. */
function showLink(title: string, { network }: Pair, start: number, client: string, server: string): void {
  const nameOf = (key: string): string => (key === clientAddress.key ? client : server);
  show(title, network.sent, nameOf, start);
}

const reading = sensor();
let start = reading.pair.now;
reading.pair.request('/temperature');
reading.pair.run(1000);
const readingTitle = '1. A reading, Confirmable: answered and acknowledged at once';
showLink(readingTitle, reading.pair, start, 'gateway', 'sensor');

const push = sensor();
start = push.pair.now;
const payload = new TextEncoder().encode('22.5°C');
const options = new OptionSet().add(OptionNumber.NoResponse, 26);
push.pair.request('/temperature', { code: Code.Put, type: 'NON', payload, options });
push.pair.run(1000);
const pushTitle = '   The same, pushed Non-confirmable, and no response wanted (RFC 7967)';
showLink(pushTitle, push.pair, start, 'sensor', 'gateway');

const observed = sensor();
start = observed.pair.now;
observed.pair.request('/temperature', { observe: true });
for (const next of ['23.1°C', '22.9°C']) {
  observed.pair.run(30_000);
  observed.state.text = next;
  observed.pair.notify('/temperature');
}
observed.pair.run(1000);
const observedTitle = '2. An observation: one registration, then what changes';
showLink(observedTitle, observed.pair, start, 'client', 'sensor');

const polled = sensor();
for (let i = 0; i < 3; i++) {
  polled.pair.request('/temperature');
  polled.pair.run(30_000);
}
console.log(
  `   polled every 30 s: ${polled.pair.network.sentCount} messages, ${polled.pair.network.sentBytes} bytes`,
);

/** Messages of an observation in an hour without a change: after Max-Age, 60 s by default, the client registers again. */
function quietHour(maxAgeSeconds?: number): number {
  const { pair } = sensor(maxAgeSeconds);
  pair.request('/temperature', { observe: true });
  pair.run(3_600_000);
  return pair.network.sentCount;
}
console.log(
  `   an hour without a change: ${quietHour()} messages, and ${quietHour(3600)} where notifications have Max-Age 3600`,
);

const place = new Neighbourhood({ seed: 2 });
const links = { 'fe80::1': '</temperature>,</humidity>', 'fe80::2': '</pressure>,</light>' };
for (const [host, list] of Object.entries(links)) {
  place.addDevice(host, {
    handler: () => ({ code: Code.Content, payload: list }),
    config: { dangerouslyUnlimitedAmplification: true },
  });
}
start = place.now;
const discovery = place.multicast('ff02::fd', '/.well-known/core');
place.runUntil(() => discovery.ended);
// The network carries a copy to each member; the client sent it once.
const once = place.network.sent.filter(({ from }, i) => i === 0 || from !== place.clientAddress);
const names = new Map(place.devices.map(({ address }, i) => [address.key, `device ${i + 1}`]));
show('3. Discovery: one request to ff02::fd', once, (key) => names.get(key) ?? 'client', start);
for (const { peer, response } of discovery.responses) {
  console.log(`  ${names.get(peer.address.key)} offers ${text(response.payload)}`);
}
