/**
 * What a gateway is made of, as `coapsule serve` says it.
 */
import type {
  CapturedDatagram,
  ClientOptions,
  MulticastListenOptions,
  ServerOptions,
  TraceEvent,
} from 'coapsule';
import type { ContextParameters } from 'coapsule/oscore';
import type { AccessSettings } from '../access/configured-access.ts';
import type { MqttOptions } from '../bridge/mqtt-options.ts';
import type { HttpOptions, HttpSecrets } from '../http/http-options.ts';
import type { OverloadSettings } from '../overload/overload-options.ts';
import type { Retention } from '../resources/telemetry.ts';
import type { Log } from '../server/log.ts';
import type { SerialLineOption } from '../server/serial-option.ts';
import type { GatewayCredentials } from '../server/serve-credentials.ts';
import type { EndpointAddress, PskEntry, StreamScheme } from '../server/serve-options.ts';
import type { SteadyClock } from '../server/steady-clock.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { RedisOptions } from '../shared/redis-options.ts';
import type { SleepyOptions } from '../sleepy/sleepy-options.ts';
import type { StoreFault } from '../store/store-fault.ts';
import type { RetentionRule } from '../telemetry/retention-rules.ts';
import type { TrafficRing } from '../traffic/traffic-ring.ts';
import type { MasterKeySource } from '../vault/master-key.ts';
import type { GatewayProxyOptions } from './gateway-proxy.ts';
import type { UpstreamServer } from './upstream-servers.ts';

/** What a gateway that runs can be told anew. */
export interface LiveOptions {
  readonly psks?: readonly PskEntry[];
  readonly anyIdentityKey?: Uint8Array | undefined;
  /**
   * For certificates and raw public keys; without them there are pre-shared keys only. A gateway that runs takes others of the same
   * kinds.
   */
  readonly credentials?: GatewayCredentials | undefined;
  /** Rules and demands besides those of the devices in the store. */
  readonly access?: AccessSettings | undefined;
  /** Paths that other servers serve. Who gives their OSCORE contexts closes them, after the gateway. */
  readonly upstreams?: readonly UpstreamServer[];
  /** Who may do what by HTTP, and with which certificate it is open. */
  readonly httpSecrets?: HttpSecrets | undefined;
  /** How much is kept of what devices send. */
  readonly retention?: Partial<Retention>;
  /** How long measurements are kept, where the defaults do not count. */
  readonly measurements?: readonly RetentionRule[];
  /** When requests are turned away. */
  readonly overload?: OverloadSettings;
}

/** What a gateway is made of. */
export interface GatewayOptions extends LiveOptions {
  readonly dataFolder: string;
  /** What opens the secrets in it; beside the data unless said otherwise. */
  readonly masterKey?: MasterKeySource;
  /** Undefined turns the endpoint off. */
  readonly coap: EndpointAddress | undefined;
  readonly coaps: EndpointAddress | undefined;
  /** Joins the groups of all CoAP nodes with the plain endpoint; undefined: none. */
  readonly multicast?: Pick<MulticastListenOptions, 'interfaces'> | undefined;
  /** Those over TCP, TLS and WebSocket. */
  readonly streams?: readonly { readonly scheme: StreamScheme; readonly address: EndpointAddress }[];
  /** Serial lines. */
  readonly serial?: readonly SerialLineOption[];
  /** Most bytes of a packet on a line; 1024 by default. */
  readonly lineMtu?: number;
  /** What the gateway proves itself with where it begins the handshake on a line, by the URI of the line. */
  readonly lineCredentials?: ((uri: string) => ClientOptions) | undefined;
  readonly log: Log;
  readonly demo?: boolean;
  readonly pskHint?: string | undefined;
  /** False takes devices without extended master secret (RFC 7627) too. */
  readonly requireExtendedMasterSecret?: boolean;
  /** DTLS sessions of each endpoint and worker, live and kept; 150,000 by default. */
  readonly maxSessions?: number;
  /** Gets lines of the TLS key log: whoever has them can decrypt. */
  readonly keylog?: ((line: string) => void) | undefined;
  /** Gets every OSCORE context with its Master Secret: whoever has it can decrypt and forge. */
  readonly dangerouslyLogOscore?: ((id: string, parameters: ContextParameters) => void) | undefined;
  /** Gets every message, handshake step and discarded datagram. */
  readonly trace?: ((event: TraceEvent) => void) | undefined;
  /** Gets every datagram, and every piece of a coap+tcp stream, of all endpoints; not what is inside TLS and WebSocket. */
  readonly capture?: ((captured: CapturedDatagram) => void) | undefined;
  /** What `capture` puts in there can be asked for by HTTP. */
  readonly traffic?: TrafficRing | undefined;
  readonly dangerouslyAllowPlainWrites?: boolean;
  /** Answers of any size go to addresses over plain coap that nothing proves. */
  readonly dangerouslyUnlimitedAmplification?: boolean;
  /** Undefined: no forward-proxy; requests for one are answered 5.05. */
  readonly proxy?: GatewayProxyOptions | undefined;
  /** Undefined: no HTTP. */
  readonly http?: HttpOptions | undefined;
  /** The console on the HTTP endpoint; undefined: none. */
  readonly console?: { /** Of the built app. */ readonly appFolder: string } | undefined;
  /** Metrics, health and readiness on an endpoint of their own; undefined: none. */
  readonly metrics?: EndpointAddress | undefined;
  /** Observers that one peer may be, at each endpoint; the library's default without it. */
  readonly maxObservers?: number | undefined;
  /** Readings and states go to this message broker, commands come from it. */
  readonly mqtt?: MqttOptions | undefined;
  /** What all firmware may take on the disk, unfinished uploads too; 256 MiB by default. */
  readonly maxFirmwareBytes?: number;
  /** Devices, directory and readings are shared with other gateways over this Redis server; undefined: with nobody. */
  readonly shared?: RedisOptions | undefined;
  /** Devices that sleep; undefined: none does. */
  readonly sleepy?: SleepyOptions | undefined;
  /** Threads that serve coap and coaps, this one among them; 1 by default. */
  readonly workers?: number;
  readonly clock?: WallClock;
  /** What sessions of the console last by; that of the system without it. */
  readonly steadyClock?: SteadyClock;
  /** How often the store looks for changes of `coapsule device`. */
  readonly watchIntervalMs?: number;
  /** The store ended by itself; the gateway is of no more use. */
  readonly onFailed?: (fault: StoreFault) => void;
}

/** For the server: how many observers it keeps. */
export function observerLimits({ maxObservers }: Pick<GatewayOptions, 'maxObservers'>): ServerOptions {
  return maxObservers === undefined ? {} : { observers: { perPeer: maxObservers } };
}
