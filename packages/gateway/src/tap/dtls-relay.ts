/**
 * Relays CoAP out of DTLS into DTLS: the tap is the server of each device and, for each device, a client of the server. Messages go
 * through unchanged, with their Message IDs and tokens, so that both ends speak their message layer with each other.
 *
 * A device that proves itself with a pre-shared key goes on to the server under its own identity. Who shows a certificate or raw
 * public key is relayed with the tap's own: nobody can pass on a key that it does not have.
 *
 * Bounded: `mostPeers` associations; a few messages wait while the server's handshake is under way.
 *
 * @module
 */

import { clientLayerSecurity, type LayerSecurity, type PeerAddress, serverLayerSecurity } from 'coapsule';
import { type AssociationId, type DtlsConfig, DtlsLayer } from 'coapsule/dtls';
import { fastCrypto, openUdpSocket, systemRandom, type UdpSocket } from 'coapsule/node';
import { BehindSecrets } from '../capture/behind-secrets.ts';
import { DatagramDecoder } from '../decode/datagram-decoder.ts';
import type { OscoreMessages } from '../decode/oscore-messages.ts';
import type { KnownSecrets } from '../decode/secrets.ts';
import type { Direction } from '../filter/filter.ts';
import { hexText } from '../text/hex.ts';
import { printableUtf8 } from '../text/printable.ts';
import { type LayerOutput, LayerPump } from './layer-pump.ts';
import type { TapLink } from './passing-message.ts';
import type { CaptureSink, Relay, RelayParts } from './relay.ts';
import type { Tap } from './tap.ts';

/** Messages that wait for the handshake with the server. */
const mostEarly = 16;

type ClientSecurityOptions = Parameters<typeof clientLayerSecurity>[0];

/** A pre-shared key with its identity. */
export interface TapKey {
  readonly identity: Uint8Array;
  readonly key: Uint8Array;
}

/** What a tap proves itself with, on both sides. */
export interface TapSecurity {
  /** Of devices. */
  readonly keys: readonly TapKey[];
  /** What devices are shown, and whom of them it takes, besides those with a key. */
  readonly towardsDevices: Omit<Parameters<typeof serverLayerSecurity>[1], 'psk'>;
  /** What the server is shown, and by what it is judged; the key for devices that have none. */
  readonly towardsServer: ClientSecurityOptions;
  /** Suites and the like, of both sides. */
  readonly config: Partial<DtlsConfig>;
  /** What is announced to the server, where it is a name. */
  readonly serverName?: string | undefined;
  readonly serverHost: string;
}

/** What is told of secrets: to the key log, the capture and the decoder of both sides. */
interface Secrets {
  readonly known: KnownSecrets;
  readonly oscore: OscoreMessages | undefined;
  readonly keylog: (line: string) => void;
}

interface DtlsRelayParts extends RelayParts {
  readonly security: TapSecurity;
  readonly secrets: Secrets;
}

/** Opens the socket that devices shake hands with. */
export async function openDtlsRelay(tap: Tap, parts: DtlsRelayParts): Promise<Relay> {
  const { listen, mostPeers, security, secrets } = parts;
  const behindSecrets = new BehindSecrets(parts.capture);
  const capture: CaptureSink = (passed) =>
    behindSecrets.pass(passed, () => [{ ...passed, wallTimeMs: tap.wallTimeMs() }]);
  const keys = new Map(security.keys.map(({ identity, key }) => [hexText(identity), key]));
  const own = serverLayerSecurity('the side of the devices', {
    ...security.towardsDevices,
    ...(keys.size > 0 && {
      psk: { lookup: (_: string, identity: Uint8Array) => keys.get(hexText(identity)) },
    }),
  });
  // Read once before a device comes, so that what cannot be used is refused at the start.
  serverSide(parts, undefined);
  const devices = new Map<AssociationId, Device>();
  const decoder = new DatagramDecoder(secrets.known, [listen.port, parts.server.port], secrets.oscore);
  const socket = await openUdpSocket({
    ...listen,
    onDatagram(datagram, from) {
      const bytes = datagram.slice();
      capture({ direction: 'received', local: socket.local, remote: from, datagram: bytes });
      numbers.begin(saw(from.key, tap.server, bytes));
      pump.receive(from, datagram.slice());
      numbers.end();
    },
    onError: (error) => tap.note(`the socket of the tap failed: ${error.message}`),
  });
  const numbers = new DatagramNumbers(tap);
  const pump = new LayerPump({
    layer: new DtlsLayer({
      ...{ role: 'server', crypto: fastCrypto(), random: systemRandom },
      config: { ...security.config, ...own.config, keylog: true, maxAssociations: mostPeers },
    }),
    security: own,
    transmit(datagram, to) {
      capture({ direction: 'sent', local: socket.local, remote: to, datagram });
      saw(tap.server, to.key, datagram);
      socket.send(datagram, to);
    },
    onOutput,
  });

  /** Numbers a datagram at the side of the devices, and shows it unless a message is in it. */
  function saw(source: string, destination: string, bytes: Uint8Array): number {
    const decoded = decoder.decode(source, destination, bytes);
    const number = numbers.sending ?? tap.nextNumber();
    const hasData = decoded.dtls?.records.some(({ contentType }) => contentType === applicationData) ?? false;
    const { length } = bytes;
    tap.ownDatagram(
      { number, wallTimeMs: tap.wallTimeMs(), source, destination, length, decoded },
      !hasData && numbers.sending === undefined,
    );
    return number;
  }

  function onOutput(output: LayerOutput): void {
    switch (output.kind) {
      case 'connected': {
        const { association, address, identity, authentication } = output;
        const device = new Device({
          ...{ tap, parts, association, address, pump, numbers },
          identity: authentication.kind === 'psk' ? identity : undefined,
          name: identity,
          key: authentication.kind === 'psk' ? keys.get(hexText(identity)) : undefined,
        });
        devices.set(association, device);
        return;
      }
      case 'application-data': {
        const device = devices.get(output.association);
        if (device !== undefined) tap.message(device, 'to-server', output.data.slice(), numbers.take());
        return;
      }
      case 'closed': {
        const device = devices.get(output.association);
        devices.delete(output.association);
        if (device === undefined) return;
        tap.note(`${device.peer}: its association ended (${output.reason})`);
        void device.close();
        return;
      }
      case 'handshake-failed': {
        const { address, failure } = output;
        tap.note(`${address.key}: its handshake failed (${failure.cause}): ${failure.detail}`);
        return;
      }
      case 'address-changed':
        devices.get(output.association)?.moved(output.to);
        tap.note(`${output.from.key} goes on at ${output.to.key}`);
        return;
      case 'keylog':
        secrets.keylog(output.line);
        behindSecrets.flush();
        return;
      case 'discarded':
        tap.note(`${output.address.key}: a record without effect: ${output.reason}`);
        return;
      default:
    }
  }

  return {
    local: socket.local,
    async close() {
      pump.run((layer, now) => {
        for (const association of layer.associations()) layer.close(association, now);
      });
      pump.close();
      behindSecrets.flush();
      await Promise.all([...devices.values()].map((device) => device.close()));
      await socket.close();
    },
  };
}

/** Content type of RFC 5246 §6.2.1. */
const applicationData = 23;

/**
 * Which number a datagram gives to the messages in it, and which a record has that is made of one.
 *
 * A datagram of a device and its first message are one for people; so are a message and the record in which it goes to the device.
 */
class DatagramNumbers {
  readonly #tap: Tap;
  #received: number | undefined;
  /** Of the message that is on its way out. */
  sending: number | undefined;

  constructor(tap: Tap) {
    this.#tap = tap;
  }

  begin(number: number): void {
    this.#received = number;
  }

  end(): void {
    this.#received = undefined;
  }

  take(): number {
    const number = this.#received ?? this.#tap.nextNumber();
    this.#received = undefined;
    return number;
  }
}

interface DeviceParts {
  readonly tap: Tap;
  readonly parts: DtlsRelayParts;
  readonly association: AssociationId;
  readonly address: PeerAddress;
  readonly pump: LayerPump;
  readonly numbers: DatagramNumbers;
  /** Of its pre-shared key. */
  readonly identity: Uint8Array | undefined;
  readonly key: Uint8Array | undefined;
  /** What it is called, whatever it has proved itself with. */
  readonly name: Uint8Array;
}

/** One device: its association with the tap, and the tap's one with the server for it. */
class Device implements TapLink {
  readonly id: number;
  readonly identity?: string;
  readonly #parts: DeviceParts;
  readonly #opening: Promise<ServerLeg | undefined>;
  #address: PeerAddress;
  #server: ServerLeg | undefined;
  #early: Uint8Array[] = [];
  #isClosed = false;

  constructor(parts: DeviceParts) {
    this.#parts = parts;
    this.#address = parts.address;
    this.id = parts.tap.nextLink();
    const name = printableUtf8(parts.name) ?? hexText(parts.name);
    if (name !== '') this.identity = name;
    const { identity, key } = parts;
    this.#opening = ServerLeg.open({
      ...{ tap: parts.tap, parts: parts.parts, device: this },
      psk: identity === undefined || key === undefined ? undefined : { identity, key },
      onMessage: (bytes) => parts.tap.message(this, 'to-device', bytes, parts.tap.nextNumber()),
      onEnd: () => {
        if (!this.#isClosed) parts.pump.run((layer, now) => layer.close(parts.association, now));
      },
    }).then(
      (server) => {
        this.#server = server;
        for (const bytes of this.#early.splice(0)) server.send(bytes);
        return server;
      },
      (error: Error) => {
        parts.tap.note(`no way to the server for ${this.peer}: ${error.message}`);
        return undefined;
      },
    );
  }

  get peer(): string {
    return this.#address.key;
  }

  moved(to: PeerAddress): void {
    this.#address = to;
  }

  forward(direction: Direction, bytes: Uint8Array, number: number): void {
    if (this.#isClosed) return;
    if (direction === 'to-server') {
      if (this.#server !== undefined) this.#server.send(bytes);
      else if (this.#early.length < mostEarly) this.#early.push(bytes);
      return;
    }
    const { pump, numbers, association } = this.#parts;
    numbers.sending = number;
    pump.run((layer, now) => layer.send(association, bytes, now));
    numbers.sending = undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await (await this.#opening)?.close();
  }
}

/** Credentials towards the server, for a device with a key of its own or without. */
function serverSide({ server, security }: DtlsRelayParts, psk: TapKey | undefined): LayerSecurity {
  const { towardsServer, serverName, serverHost } = security;
  const found = clientLayerSecurity(
    { ...towardsServer, ...(psk !== undefined && { psk }) },
    { address: server, host: serverHost, serverName },
  );
  if (found !== undefined || psk !== undefined) return found as LayerSecurity;
  // Devices have keys: each brings its own.
  return serverSide({ server, security } as DtlsRelayParts, security.keys[0] as TapKey);
}

interface ServerLegParts {
  readonly tap: Tap;
  readonly parts: DtlsRelayParts;
  readonly device: Device;
  readonly psk: TapKey | undefined;
  readonly onMessage: (bytes: Uint8Array) => void;
  /** The association with the server is over, or never came to be. */
  readonly onEnd: () => void;
}

/** The tap as a client of the server, for one device. */
class ServerLeg {
  readonly #parts: ServerLegParts;
  readonly #socket: UdpSocket;
  readonly #pump: LayerPump;
  #association: AssociationId | undefined;
  #isConnected = false;
  #early: Uint8Array[] = [];

  static async open(parts: ServerLegParts): Promise<ServerLeg> {
    const {
      tap,
      parts: { server, capture },
    } = parts;
    const security = serverSide(parts.parts, parts.psk);
    const socket = await openUdpSocket({
      remote: server,
      onDatagram(datagram, from) {
        capture({ direction: 'received', local: socket.local, remote: server, datagram: datagram.slice() });
        leg.#saw(server.key, socket.local.key, datagram);
        leg.#pump.receive(from, datagram);
      },
      onError: (error) => tap.note(`${tap.server} cannot be reached: ${error.message}`),
    });
    const leg = new ServerLeg(parts, socket, security);
    return leg;
  }

  private constructor(parts: ServerLegParts, socket: UdpSocket, security: LayerSecurity) {
    this.#parts = parts;
    this.#socket = socket;
    const { server, capture, secrets, security: own } = parts.parts;
    this.#decoder = new DatagramDecoder(secrets.known, [server.port]);
    this.#pump = new LayerPump({
      layer: new DtlsLayer({
        ...{ role: 'client', crypto: fastCrypto(), random: systemRandom },
        config: { ...own.config, ...security.config, keylog: true },
      }),
      security,
      transmit: (datagram) => {
        capture({ direction: 'sent', local: socket.local, remote: server, datagram });
        this.#saw(socket.local.key, server.key, datagram);
        socket.send(datagram, server);
      },
      onOutput: (output) => this.#output(output),
    });
    const { serverName } = own;
    this.#association = this.#pump.run((layer, now) =>
      layer.connect(server, serverName === undefined ? {} : { serverName }, now),
    );
  }

  readonly #decoder: DatagramDecoder;

  send(bytes: Uint8Array): void {
    const association = this.#association;
    if (association === undefined) return;
    if (!this.#isConnected) {
      if (this.#early.length < mostEarly) this.#early.push(bytes);
      return;
    }
    this.#pump.run((layer, now) => layer.send(association, bytes, now));
  }

  async close(): Promise<void> {
    const association = this.#association;
    this.#association = undefined;
    if (association !== undefined) this.#pump.run((layer, now) => layer.close(association, now));
    this.#pump.close();
    await this.#socket.close();
  }

  /** What goes between tap and server is looked at for its handshakes; its messages are those of the device's side. */
  #saw(source: string, destination: string, bytes: Uint8Array): void {
    const { tap } = this.#parts;
    const decoded = this.#decoder.decode(source, destination, bytes);
    if (decoded.dtls?.records.some(({ contentType }) => contentType === applicationData) === true) return;
    const { length } = bytes;
    const number = tap.nextNumber();
    const datagram = { ...decoded, parts: [] };
    tap.ownDatagram(
      { number, wallTimeMs: tap.wallTimeMs(), source, destination, length, decoded: datagram },
      true,
    );
  }

  #output(output: LayerOutput): void {
    const { tap, parts, device, onMessage, onEnd } = this.#parts;
    switch (output.kind) {
      case 'connected':
        this.#isConnected = true;
        for (const bytes of this.#early.splice(0)) this.send(bytes);
        return;
      case 'application-data':
        onMessage(output.data.slice());
        return;
      case 'handshake-failed':
        tap.note(
          `the handshake with the server for ${device.peer} failed (${output.failure.cause}): ${output.failure.detail}`,
        );
        this.#association = undefined;
        onEnd();
        return;
      case 'closed':
        if (this.#association === undefined) return;
        tap.note(`the server ended the association for ${device.peer} (${output.reason})`);
        this.#association = undefined;
        onEnd();
        return;
      case 'keylog':
        parts.secrets.keylog(output.line);
        return;
      default:
    }
  }
}
