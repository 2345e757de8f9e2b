/**
 * What the console and the gateway say to each other under `/api/`: types alone, without an import, for the browser and the server.
 *
 * Routes, the least role that each needs, what goes in and what comes out (`ApiRoutes` below has them for the compiler):
 *
 * | route | role | request | answer |
 * |---|---|---|---|
 * | GET    /api/session | view | – | `SessionView`; 401 for who is nobody |
 * | POST   /api/session/link | nobody | `LinkLogin` | `SessionView` and the cookie |
 * | POST   /api/session/password | nobody | `PasswordLogin` | `SessionView` and the cookie |
 * | DELETE /api/session | view | – | 204 |
 * | GET    /api/users | admin | – | `UsersView` |
 * | GET    /api/gateway | view | – | `GatewayInfo` |
 * | GET    /api/metrics | view | – | `MetricsView` |
 * | GET    /api/devices?search&after&limit | view | – | `DevicesPage` |
 * | POST   /api/devices | admin | `NewDevice` | 201 `DeviceWithSecret` |
 * | GET    /api/devices/:id | view | – | `DeviceView` |
 * | DELETE /api/devices/:id | admin | – | 204: revoked, its associations end |
 * | PUT    /api/devices/:id/rules | admin | `DeviceRules` | `DeviceView` |
 * | POST   /api/devices/:id/rotate | admin | `DeviceRotation` | `DeviceWithSecret` |
 * | POST   /api/devices/:id/retire | admin | – | `DeviceView`: what it had before does not count any more |
 * | GET    /api/associations?after&limit | view | – | `AssociationsPage` |
 * | GET    /api/observations | view | – | `ObservationsView` |
 * | GET    /api/directory?search&after&limit | view | – | `DirectoryPage` |
 * | GET    /api/directory/lookup?kind&query | view | – | `LookupView` |
 * | GET    /api/bridge | view | – | `BridgeView` |
 * | GET    /api/proxy | view | – | `ProxyView` |
 * | GET    /api/live?path | view | – | event stream of `LiveEvents` |
 * | GET    /api/history?path&name&from&to&step… | view | – | as `/api/telemetry` (docs/telemetry.md), with the rights of the user |
 * | GET    /api/traffic/live?filter | operate | – | event stream of `TrafficEvents` |
 * | GET    /api/traffic/messages?filter&before&limit | operate | – | `TrafficPage` |
 * | GET    /api/traffic/messages/:number | operate | – | `TrafficDetail` |
 * | GET    /api/traffic/findings | operate | – | `FindingsView` |
 * | GET    /api/traffic/handshakes | operate | – | `HandshakesView` |
 * | POST   /api/traffic/export | operate, with secrets admin | `TrafficExport` | `application/x-pcapng` |
 * | GET    /api/explorer/credentials | operate | – | `CredentialNames` |
 * | POST   /api/explorer/credentials | admin | `NewNamedCredential` | 201 `NamedCredentialView` |
 * | DELETE /api/explorer/credentials/:name | admin | – | 204 |
 * | POST   /api/explorer/request | operate | `ExplorerRequest` | `ExplorerResult` |
 * | POST   /api/explorer/observe | operate | `ExplorerRequest` | event stream of `ExplorerEvents` |
 * | POST   /api/explorer/discover | operate | `ExplorerTarget` | `DiscoverResult` |
 * | POST   /api/explorer/ping | operate | `ExplorerTarget` | `PingResult` |
 * | POST   /api/collections/run | operate | `CollectionRun` | event stream of `CollectionEvents` |
 * | GET    /api/simulations/scenarios | view | – | `ScenariosView` |
 * | GET    /api/simulations | view | – | `SimulationsView` |
 * | POST   /api/simulations | admin | `NewSimulation` | 201 `SimulationView` |
 * | DELETE /api/simulations/:id | admin | – | `SimulationView`: it ends |
 * | GET    /api/simulations/:id/events | view | – | event stream of `SimulationEvents` |
 * | GET    /api/codes | view | – | `CodesView` |
 * | GET    /api/explanations | view | – | `ExplanationsView`: of findings, failures and error codes |
 * | GET    /api/openapi.json | view | – | this, as OpenAPI 3.1 |
 *
 * How: requests and answers are JSON (`application/json`). Every answer that is not 2xx has an `ApiProblem`. The cookie of the
 * session comes with login. Every request that is not GET carries `x-csrf-token` with `SessionView.csrfToken` (but the two logins,
 * which have none yet) and comes from the same origin. A feature that this gateway does not have answers 404 with the code
 * `unavailable`; which it has, `GatewayInfo.features` says.
 *
 * Event streams are Server-Sent Events: `event:` is the name of a member of the map, `data:` its JSON. Those with GET can be read
 * with EventSource; those with POST with fetch. A reader that is too slow misses what is between (`skipped` says how many) and
 * never what is newest. There may be `event: end`, with an `ApiProblem` or null: the stream is over, and is not to be begun anew.
 *
 * Times `…AtMs` are ms since 1970 by the clock of the gateway; durations say their unit. Bytes are hexadecimal digits, lower case,
 * in members that end in `Hex`. Ids, names, paths and payloads are as devices gave them: text to show, never markup.
 */

/** What each role may do; each may do what those before it may. */
export type Role = 'view' | 'operate' | 'admin';

/** Why a request was refused, or failed. */
export interface ApiProblem {
  readonly code: ApiProblemCode;
  /** One sentence: what is wrong, with the value. */
  readonly message: string;
  /** What to do; not always known. */
  readonly nextStep?: string;
}

export type ApiProblemCode =
  /** 401: nobody is logged in, or not any more. */
  | 'unauthenticated'
  /** 401: name, password or link do not hold. */
  | 'login-failed'
  /** 403: the role is too low. */
  | 'forbidden'
  /** 403: the request does not come from the console's own page. */
  | 'cross-site'
  /** 400: the request is not as it should be. */
  | 'invalid'
  /** 404 */
  | 'not-found'
  /** 404: this gateway has no such part. */
  | 'unavailable'
  /** 409: it is there already, or changed meanwhile. */
  | 'conflict'
  /** 413 */
  | 'too-large'
  /** 429: `Retry-After` says when to come again. */
  | 'throttled'
  /** 503: too much at a time, or the store cannot be used now. */
  | 'busy'
  /** 502: the other CoAP server did not do it; in a result, not as a status. */
  | 'peer-failed'
  /** 500 */
  | 'failed';

// ---- session

export interface LinkLogin {
  /** What stands behind # in the link. */
  readonly token: string;
}

export interface PasswordLogin {
  readonly name: string;
  readonly password: string;
}

export interface SessionView {
  readonly name: string;
  readonly role: Role;
  readonly csrfToken: string;
  /** It ends then unless there is a request before. */
  readonly idleEndsAtMs: number;
  /** It ends then. */
  readonly endsAtMs: number;
  /** Made with the one-time link. */
  readonly isByLink: boolean;
}

export interface UsersView {
  readonly users: readonly UserView[];
}

export interface UserView {
  readonly name: string;
  readonly role: Role;
  readonly addedAtMs: number;
  readonly sessions: number;
}

// ---- the gateway

export interface GatewayInfo {
  readonly version: string;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly uptimeSeconds: number;
  /** `coap`, `coaps`, `tcp`, `http`, … with `host:port`; serial lines as URIs. */
  readonly endpoints: readonly { readonly name: string; readonly address: string }[];
  readonly workers: number;
  readonly status: 'ready' | 'degraded' | 'not-ready';
  /** Names of what is wrong. */
  readonly reasons: readonly string[];
  readonly features: readonly GatewayFeature[];
}

/** Parts that a gateway may have or not have. */
export type GatewayFeature =
  | 'bridge'
  | 'forward-proxy'
  | 'reverse-proxy'
  | 'sleepy'
  | 'traffic'
  | 'collections'
  | 'simulations';

export interface MetricsView {
  readonly atMs: number;
  readonly families: readonly MetricFamilyView[];
}

/** As Prometheus has them (docs/operations.md). */
export interface MetricFamilyView {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly points: readonly MetricPoint[];
}

export interface MetricPoint {
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram the number of values. */
  readonly value: number;
  /** Of histograms: the sum of the values, in seconds. */
  readonly sumSeconds?: number;
}

// ---- devices and who is connected

/** How a device proves itself; `none`: it does not. */
export type SecurityKind = 'psk' | 'rpk' | 'x509' | 'oscore' | 'none';

export interface DevicesPage {
  /** By id. */
  readonly devices: readonly DeviceView[];
  /** For `after` of the next page; null on the last. */
  readonly next: string | null;
  readonly total: number;
}

export interface DeviceView {
  readonly id: string;
  readonly security: SecurityKind;
  /** In the store; else known only by a key of the command line or by its association. */
  readonly isStored: boolean;
  /** Name of the gateway that has it, where that is another; it is changed there. */
  readonly home: string | null;
  /** Of a public key or certificate: `sha256:…`; of OSCORE the kid as `0x…`; null else. */
  readonly fingerprint: string | null;
  /** Of a certificate. */
  readonly expiresAtMs: number | null;
  readonly keyVersion: number | null;
  readonly addedAtMs: number | null;
  readonly rotatedAtMs: number | null;
  /** Until when what it had before counts too; null: not. */
  readonly overlapUntilMs: number | null;
  /** Such as `PUT,POST:/sensors/7`. */
  readonly rules: readonly string[];
  /** What is known of it while it is connected; null else. */
  readonly association: AssociationView | null;
  /** When it was last heard of, by its association or its latest reading; null: not since it is known. */
  readonly lastSeenAtMs: number | null;
  readonly isSleeping: boolean;
  /** Commands that wait until it wakes up. */
  readonly waitingCommands: number;
}

export interface AssociationsPage {
  readonly associations: readonly AssociationView[];
  readonly next: string | null;
}

/** A DTLS association or TLS connection of a peer. */
export interface AssociationView {
  /** Empty for a peer that has proved nothing. */
  readonly identity: string;
  readonly address: string;
  /** `coaps`, `coaps+tcp`, … */
  readonly scheme: string;
  readonly security: SecurityKind;
  readonly suite: string;
  readonly isResumed: boolean;
  /** Null over TLS. */
  readonly epoch: number | null;
  /** Lengths in bytes of the Connection IDs to the gateway and to the peer. */
  readonly connectionId: { readonly own: number; readonly peer: number } | null;
  readonly ageSeconds: number;
  readonly idleSeconds: number | null;
  readonly bytesReceived: number | null;
  readonly bytesSent: number | null;
  readonly roundTripMs: number | null;
  /** 0 … 1. */
  readonly lossRate: number | null;
  readonly waitingMessages: number;
  readonly observations: number;
  /** Which thread has it; 0 is the main one. */
  readonly worker: number;
}

export interface NewDevice {
  readonly id: string;
  readonly credential: NewCredential;
  /** What it may do; the default of `coapsule device add` without it. */
  readonly rules?: readonly string[];
}

export type NewCredential =
  /** A key of 16 random bytes is made, which every stack takes (tinydtls takes no longer one); or one of 22 letters, to be typed in. */
  | { readonly kind: 'psk'; readonly asText?: boolean }
  /** The key that the device has, 1 … 64 bytes. */
  | { readonly kind: 'psk'; readonly keyHex: string }
  /** A context is made. */
  | { readonly kind: 'oscore' }
  /** RFC 7250: `sha256:` and 64 hexadecimal digits, or the public key in PEM. */
  | { readonly kind: 'rpk'; readonly fingerprint: string }
  | { readonly kind: 'rpk'; readonly publicKeyPem: string }
  | { readonly kind: 'x509'; readonly certificatePem: string };

export interface DeviceRules {
  readonly rules: readonly string[];
}

export interface DeviceRotation {
  readonly credential: NewCredential;
  /** How long the old one still counts; 0 or absent: not at all. At most a year. */
  readonly overlapSeconds?: number;
  /** And no longer than until the new one is used. */
  readonly untilUsed?: boolean;
}

/** A device whose credential was made just now: what is secret is shown this once. */
export interface DeviceWithSecret {
  readonly device: DeviceView;
  /** Null where the device has brought its own. */
  readonly secret: GeneratedSecret | null;
  readonly snippets: SnippetFacts;
}

export type GeneratedSecret =
  /** `keyText` is the same key as text: letters, digits, - and _; null for one that is bytes. */
  | {
      readonly kind: 'psk';
      readonly identity: string;
      readonly keyHex: string;
      readonly keyText: string | null;
    }
  | {
      readonly kind: 'oscore';
      /** The device's end: its Sender ID is the kid of its requests. */
      readonly masterSecretHex: string;
      readonly masterSaltHex: string;
      readonly senderIdHex: string;
      readonly recipientIdHex: string;
      readonly aead: string;
      readonly hkdf: string;
      /** The file for `--oscore` and for libcoap. */
      readonly file: string;
    };

/** What snippets for firmware and commands need besides. */
export interface SnippetFacts {
  /** `coaps://HOST:PORT`, or `coap://…` for OSCORE; where the gateway listens on all addresses the host is the one of the request. */
  readonly gatewayUri: string;
  readonly host: string;
  readonly port: number;
  /** A path that it may write, such as `/sensors/7`; null where no rule lets it. */
  readonly path: string | null;
  /** What the names of its files begin with: `BASE.key`, `BASE.pem`, `BASE.oscore`. */
  readonly fileBase: string;
  /**
   * A command that works as it stands in a shell, with the key in it; or for a device with its own certificate or raw public key
   * with the names of its files. `note`: what it leaves out or needs.
   */
  readonly commands: readonly {
    readonly tool: 'coapsule' | 'coap-client' | 'aiocoap-client';
    readonly command: string;
    readonly note: string | null;
  }[];
  /** By what the device knows this gateway, where no pre-shared key proves it. */
  readonly trust: GatewayTrust;
  /** Why the device cannot connect yet, and what to do; null where it can. */
  readonly missing: string | null;
}

/** Nothing of it is secret. */
export interface GatewayTrust {
  /** Of its public key: `sha256:` and 64 hexadecimal digits; null where it has none. */
  readonly fingerprint: string | null;
  readonly publicKeyPem: string | null;
  /** The certificate of the authority that its own certificate comes from; null where it has none, or where nobody has told it. */
  readonly authorityPem: string | null;
}

// ---- directory, observations, bridge, proxies

export interface DirectoryPage {
  readonly registrations: readonly RegistrationView[];
  readonly next: string | null;
  readonly total: number;
  /** Of the clock of the gateway: lifetimes count down from it. */
  readonly nowMs: number;
}

export interface RegistrationView {
  readonly id: string;
  /** `/rd/ID`. */
  readonly location: string;
  readonly endpoint: string;
  readonly sector: string;
  readonly base: string;
  readonly owner: string | null;
  readonly lifetimeSeconds: number;
  readonly expiresAtMs: number;
  readonly attributes: readonly LinkAttributeView[];
  readonly links: readonly LinkView[];
}

export interface LinkAttributeView {
  readonly name: string;
  /** Null for an attribute without value, such as obs. */
  readonly value: string | null;
}

export interface LinkView {
  readonly target: string;
  readonly attributes: readonly LinkAttributeView[];
}

/** What `/rd-lookup/ep` or `/rd-lookup/res` answers (RFC 9176 §6). */
export interface LookupView {
  readonly kind: 'ep' | 'res';
  /** Such as `rt=temperature&page=0&count=20`. */
  readonly query: string;
  readonly links: readonly LinkView[];
}

export interface ObservationsView {
  readonly total: number;
  /** Peers that observe something, the busiest first. */
  readonly peers: readonly {
    readonly identity: string;
    readonly address: string;
    readonly scheme: string;
    readonly worker: number;
    readonly observations: number;
  }[];
  /** What is observed at the endpoints of all threads, what most observe first; 1,000 at most. */
  readonly resources: readonly {
    /** `/path` or `/path?query`. */
    readonly resource: string;
    readonly observers: number;
    /** The largest Observe value that was sent, or is about to be; null before the first. */
    readonly sequence: number | null;
  }[];
}

export interface BridgeView {
  readonly isConfigured: boolean;
  readonly isConnected: boolean;
  /** Without user and password; null where there is none. */
  readonly broker: string | null;
  readonly outboxEntries: number;
  readonly outboxBytes: number;
  readonly topics: {
    /** How topics begin. */
    readonly prefix: string;
    /** Which paths go to which topics. */
    readonly examples: readonly { readonly path: string; readonly topic: string }[];
  } | null;
}

export interface ProxyView {
  readonly forward: { readonly targets: readonly string[] } | null;
  readonly reverse: readonly { readonly path: string; readonly target: string }[];
  /** Answers since the start, by where they came from. */
  readonly answers: {
    readonly cached: number;
    readonly validated: number;
    readonly observed: number;
    readonly forwarded: number;
    readonly failed: number;
  };
}

// ---- live values

export interface LiveValue {
  /** As the device wrote to it, such as `/sensors/7`. */
  readonly path: string;
  /** Within the path, of SenML and JSON; empty for a value alone. */
  readonly name: string;
  readonly value: number | string | boolean | null;
  readonly unit: string;
  readonly identity: string | null;
  readonly atMs: number;
  /** How many there were since the one before that was sent: 1, or more where they were coalesced. */
  readonly updates: number;
}

export interface LiveEvents {
  /** First: what is known. At most 5,000 values; `isCut` says that there are more. */
  readonly snapshot: {
    readonly values: readonly LiveValue[];
    readonly isCut: boolean;
    readonly nowMs: number;
  };
  /** Then: the newest of each that has changed, at most four times a second. */
  readonly values: { readonly values: readonly LiveValue[]; readonly nowMs: number };
  readonly end: ApiProblem | null;
}

// ---- traffic

export interface TrafficMessage {
  /** Grows by one; the name of the message in the ring. */
  readonly number: number;
  readonly atMs: number;
  readonly direction: 'received' | 'sent';
  readonly peer: string;
  readonly identity: string | null;
  /** `dtls`: a record that is not decrypted; `other`: neither that nor CoAP. */
  readonly protocol: 'coap' | 'dtls' | 'oscore' | 'other';
  readonly isSecure: boolean;
  readonly length: number;
  /** CON, NON, ACK, RST; null over streams. */
  readonly type: string | null;
  /** `GET`, `2.05 Content`, or the name of a handshake message. */
  readonly code: string;
  readonly messageId: number | null;
  readonly tokenHex: string | null;
  readonly path: string | null;
  /** One line. */
  readonly summary: string;
  readonly problems: readonly string[];
}

export interface TrafficEvents {
  readonly messages: {
    readonly messages: readonly TrafficMessage[];
    /** That this reader missed, since it was too slow; they are in the ring for a while. */
    readonly skipped: number;
  };
  readonly end: ApiProblem | null;
}

export interface TrafficPage {
  /** The newest first. */
  readonly messages: readonly TrafficMessage[];
  /** For `before` of the next page; null at the oldest that is kept. */
  readonly next: number | null;
  readonly kept: number;
}

export interface TrafficDetail {
  readonly message: TrafficMessage;
  /** From the outside to the inside, each with its own bytes: what is in a record is decrypted. */
  readonly layers: readonly {
    readonly name: string;
    readonly bytesHex: string;
    readonly fields: readonly FieldView[];
    readonly problems: readonly string[];
  }[];
  /** Numbers of the messages of the same exchange, in their order. */
  readonly exchange: readonly number[];
}

/** What bytes mean; `start` and `end` (behind the last) in the bytes beside it. */
export interface FieldView {
  readonly name: string;
  readonly value: string;
  readonly start: number;
  readonly end: number;
  readonly problem?: string;
  readonly fields?: readonly FieldView[];
}

export interface TrafficExport {
  readonly filter?: string;
  /** The secrets of the associations too: whoever has the file reads what they protect. Admin only. */
  readonly withSecrets?: boolean;
}

export interface FindingsView {
  readonly findings: readonly FindingView[];
}

export interface FindingView {
  readonly kind: string;
  readonly severity: 'error' | 'warning' | 'advice';
  readonly where: string;
  /** Numbers of messages that show it. */
  readonly messages: readonly number[];
  readonly count: number;
  readonly evidence: string;
  readonly cause: string;
  readonly consequence: string;
  readonly fix: string;
  readonly reference: string;
}

export interface HandshakesView {
  /** The newest first. */
  readonly handshakes: readonly HandshakeView[];
}

export interface HandshakeView {
  readonly atMs: number;
  readonly address: string;
  readonly scheme: string;
  readonly identity: string | null;
  readonly isOk: boolean;
  /** Why it failed, in words, and what to do. */
  readonly cause: string | null;
  readonly nextStep: string | null;
}

// ---- explorer

export interface ExplorerTarget {
  /** Any scheme: coap, coaps, coap+tcp, coaps+tcp, coap+ws, coaps+ws, coap+serial, coaps+serial. */
  readonly uri: string;
  readonly credential?: ExplorerCredential;
  /** Protects each request end to end (RFC 8613), over any scheme and besides a credential. Not kept, but for its numbers. */
  readonly oscore?: ExplorerOscore;
  /** 1 … 120; 30 without it. */
  readonly timeoutSeconds?: number;
}

export type ExplorerCredential =
  | { readonly kind: 'none' }
  /** One that has a name; it may bring an OSCORE context. */
  | { readonly kind: 'named'; readonly name: string }
  /** As a device of the store; admin only, since it speaks for the device. */
  | { readonly kind: 'device'; readonly id: string }
  /** As the gateway, with what `--proxy-credentials` has for a pattern of `--proxy`; admin only. */
  | { readonly kind: 'proxy'; readonly pattern: string }
  | TypedCredential;

/** Not kept, unless it is given a name. */
export type TypedCredential =
  | { readonly kind: 'psk'; readonly identity: string; readonly keyHex: string }
  /** RFC 7250. `serverKey` is the server's public key, in PEM or as its fingerprint. */
  | { readonly kind: 'rpk'; readonly privateKeyPem: string; readonly serverKey: string }
  /** `authorityPem` may be `system`; without a certificate only the server proves who it is. */
  | {
      readonly kind: 'x509';
      readonly certificatePem?: string;
      readonly privateKeyPem?: string;
      readonly authorityPem: string;
    };

/** The client's end of a Security Context. */
export interface ExplorerOscore {
  /** The text of a file that `coapsule keys oscore` makes, in libcoap's form. */
  readonly contextText: string;
  /** The first Sender Sequence Number that nobody has used: 0 for a context that was never used. What this gateway uses, it keeps. */
  readonly firstNumber: number;
}

/** A credential that is kept, sealed, and used by its name; its keys leave the gateway no more. */
export interface NewNamedCredential {
  readonly name: string;
  readonly proof?: TypedCredential;
  readonly oscore?: ExplorerOscore;
  /** A pattern of URIs, as in `--credentials`; it is used nowhere else. Everywhere without it. */
  readonly target?: string;
  /** Whether the role operate may use it, too. */
  readonly forOperators?: boolean;
}

export interface ExplorerRequest extends ExplorerTarget {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'iPATCH';
  readonly type?: 'CON' | 'NON';
  readonly payloadHex?: string;
  /** Numbers, or names such as `application/json`. */
  readonly contentFormat?: number | string;
  readonly accept?: number | string;
  /** 16, 32 … 1024. */
  readonly blockSize?: number;
  readonly options?: readonly ExplorerOption[];
  /** For tests of the path: drop this share of datagrams, 0 … 1, both ways. */
  readonly lossRate?: number;
  /** False: nothing is sent again (MAX_RETRANSMIT 0, RFC 7252 §4.8). */
  readonly retransmits?: boolean;
  /** Each datagram goes out twice, with the same Message ID. */
  readonly duplicates?: boolean;
  /** 0 … 8 bytes, in the place of a random token. */
  readonly tokenHex?: string;
  /**
   * So many seconds after the response, 0 … 10, what still comes is in the ladder: duplicates, responses with unknown tokens. Those
   * that are Confirmable are rejected with a Reset (RFC 7252 §4.2).
   */
  readonly listenSeconds?: number;
  /** How an observation ends (RFC 7641 §3.6): by a request, or by the Reset of its next notification, within a minute. */
  readonly cancelBy?: 'GET' | 'RST';
  /** A forward-proxy (RFC 7252 §5.7.2): the credential is for it. */
  readonly proxy?: ExplorerProxy;
}

export interface ExplorerProxy {
  readonly uri: string;
  /** The option that names the target; `Proxy-Uri` without it. */
  readonly form?: 'Proxy-Uri' | 'Proxy-Scheme';
}

export interface ExplorerOption {
  /** A name such as `Uri-Query` or `If-Match`, or a number. */
  readonly option: string | number;
  /** Text, a number for options of numbers, or `0x…` for bytes. */
  readonly value: string;
}

export interface CredentialNames {
  readonly named: readonly NamedCredentialView[];
  /** Devices and the gateway itself, for admins. */
  readonly credentials: readonly { readonly id: string; readonly kind: 'psk' | 'proxy' }[];
}

export interface NamedCredentialView {
  readonly name: string;
  /** Null where there is an OSCORE context alone. */
  readonly proof: 'psk' | 'rpk' | 'x509' | null;
  readonly oscore: boolean;
  /** What of it is public: identity, fingerprint, subject, IDs. */
  readonly about: string;
  /** Null: it may be used everywhere. */
  readonly target: string | null;
  readonly forOperators: boolean;
  readonly addedAtMs: number;
}

export interface ExplorerResult {
  /** Null where there was none. */
  readonly response: ExplorerResponse | null;
  /** Why there was none. */
  readonly problem: ApiProblem | null;
  readonly elapsedMs: number;
  /** What went over the wire, in order, 500 steps at most. */
  readonly ladder: readonly LadderStep[];
  readonly isLadderCut: boolean;
  /** The same as commands. */
  readonly commands: readonly {
    readonly tool: 'coapsule' | 'coap-client' | 'aiocoap-client' | 'typescript';
    readonly command: string;
    /** What the form leaves out or needs, one sentence each. */
    readonly notes: readonly string[];
  }[];
}

export interface ExplorerResponse {
  /** `2.05`. */
  readonly code: string;
  /** `Content`. */
  readonly codeName: string;
  /** What the code means. */
  readonly explanation: string;
  readonly options: readonly OptionView[];
  readonly contentFormat: number | null;
  readonly contentFormatName: string | null;
  readonly payloadHex: string;
  /** The payload is longer than 1 MiB, and this is its beginning. */
  readonly isPayloadCut: boolean;
  readonly etagHex: string | null;
  readonly maxAgeSeconds: number;
}

export interface OptionView {
  readonly number: number;
  readonly name: string;
  /** To show. */
  readonly value: string;
  readonly valueHex: string;
}

/** One event of the exchange. */
export interface LadderStep {
  /** Since the request was begun. */
  readonly atMs: number;
  readonly kind: 'sent' | 'received' | 'retransmission' | 'lost' | 'handshake' | 'note';
  /** One line. */
  readonly text: string;
  readonly bytesHex: string | null;
  readonly fields: readonly FieldView[];
}

export interface ExplorerEvents {
  readonly response: ExplorerResult;
  /** The newest; `skipped` before it were not sent. */
  readonly notification: {
    readonly atMs: number;
    readonly sequence: number | null;
    readonly response: ExplorerResponse;
    readonly skipped: number;
  };
  readonly end: ApiProblem | null;
}

export interface DiscoverResult {
  readonly links: readonly LinkView[];
  readonly problem: ApiProblem | null;
  readonly elapsedMs: number;
}

export interface PingResult {
  readonly roundTripMs: number | null;
  readonly problem: ApiProblem | null;
  readonly ladder: readonly LadderStep[];
}

// ---- collections

export interface CollectionRun {
  /** The text of the file, as `coapsule run` reads it. */
  readonly text: string;
  /** One of the environments of the file. */
  readonly environmentName?: string;
  /** Variables, before those of the file. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface CollectionEvents {
  readonly step: {
    readonly name: string;
    readonly isOk: boolean;
    readonly elapsedMs: number;
    readonly failures: readonly string[];
  };
  readonly summary: { readonly passed: number; readonly failed: number; readonly elapsedMs: number };
  readonly end: ApiProblem | null;
}

// ---- simulations

export interface ScenariosView {
  readonly scenarios: readonly {
    readonly name: string;
    readonly summary: string;
    readonly devices: number;
    readonly durationSeconds: number;
  }[];
  readonly linkProfiles: readonly string[];
  /** At a time, and devices of each. */
  readonly most: { readonly simulations: number; readonly devices: number };
}

export interface NewSimulation {
  readonly scenario: string;
  readonly devices?: number;
  /** How many times faster than real time the plan is. */
  readonly speed?: number;
  readonly durationSeconds?: number;
  readonly seed?: number;
  readonly linkProfile?: string;
  /** 0 … 1, each way. */
  readonly lossRate?: number;
  /** Devices change their address, as behind a NAT that forgets. */
  readonly roams?: boolean;
  /** Share of the devices that lose power within an hour, 0 … 1. */
  readonly churnPerHour?: number;
}

export interface SimulationsView {
  readonly simulations: readonly SimulationView[];
}

export interface SimulationView {
  readonly id: string;
  readonly scenario: string;
  readonly devices: number;
  readonly state: 'running' | 'ended' | 'stopped' | 'failed';
  /** Why it failed. */
  readonly problem: ApiProblem | null;
  readonly startedAtMs: number;
  readonly startedBy: string;
  readonly durationSeconds: number;
  readonly simulatedSeconds: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly groups: readonly {
    readonly name: string;
    readonly devices: number;
    readonly sent: number;
    readonly acknowledged: number;
    readonly lost: number;
    readonly handshakes: number;
    readonly lostDatagrams: number;
    readonly addressChanges: number;
  }[];
  readonly timeline: readonly {
    readonly sent: number;
    readonly acknowledged: number;
    readonly lost: number;
  }[];
}

export interface SimulationEvents {
  readonly progress: SimulationView;
  readonly end: ApiProblem | null;
}

// ---- what things mean

export interface CodesView {
  readonly codes: readonly {
    readonly code: number;
    readonly text: string;
    readonly name: string;
    readonly http: string;
    readonly description: string;
    readonly example: string;
    readonly isUsual: boolean;
  }[];
}

export interface ExplanationsView {
  readonly findings: readonly {
    readonly kind: string;
    readonly severity: 'error' | 'warning' | 'advice';
    readonly cause: string;
    readonly consequence: string;
    readonly fix: string;
    readonly reference: string;
  }[];
}

// ---- the routes, for the compiler

interface Route<Request, Answer> {
  readonly request: Request;
  readonly answer: Answer;
}

/** A stream: `answer` maps names of events to their data. */
interface StreamRoute<Request, Events> {
  readonly request: Request;
  readonly events: Events;
}

/** An answer that is no JSON of this file. */
interface BytesRoute<Request> {
  readonly request: Request;
  readonly bytes: true;
}

/** Requests and answers by method and path; parameters of the path are in braces. */
export interface ApiRoutes {
  readonly 'GET /api/session': Route<undefined, SessionView>;
  readonly 'POST /api/session/link': Route<LinkLogin, SessionView>;
  readonly 'POST /api/session/password': Route<PasswordLogin, SessionView>;
  readonly 'DELETE /api/session': Route<undefined, undefined>;
  readonly 'GET /api/users': Route<undefined, UsersView>;
  readonly 'GET /api/gateway': Route<undefined, GatewayInfo>;
  readonly 'GET /api/metrics': Route<undefined, MetricsView>;
  readonly 'GET /api/devices': Route<undefined, DevicesPage>;
  readonly 'POST /api/devices': Route<NewDevice, DeviceWithSecret>;
  readonly 'GET /api/devices/{id}': Route<undefined, DeviceView>;
  readonly 'DELETE /api/devices/{id}': Route<undefined, undefined>;
  readonly 'PUT /api/devices/{id}/rules': Route<DeviceRules, DeviceView>;
  readonly 'POST /api/devices/{id}/rotate': Route<DeviceRotation, DeviceWithSecret>;
  readonly 'POST /api/devices/{id}/retire': Route<undefined, DeviceView>;
  readonly 'GET /api/associations': Route<undefined, AssociationsPage>;
  readonly 'GET /api/observations': Route<undefined, ObservationsView>;
  readonly 'GET /api/directory': Route<undefined, DirectoryPage>;
  readonly 'GET /api/directory/lookup': Route<undefined, LookupView>;
  readonly 'GET /api/bridge': Route<undefined, BridgeView>;
  readonly 'GET /api/proxy': Route<undefined, ProxyView>;
  readonly 'GET /api/live': StreamRoute<undefined, LiveEvents>;
  readonly 'GET /api/history': BytesRoute<undefined>;
  readonly 'GET /api/traffic/live': StreamRoute<undefined, TrafficEvents>;
  readonly 'GET /api/traffic/messages': Route<undefined, TrafficPage>;
  readonly 'GET /api/traffic/messages/{number}': Route<undefined, TrafficDetail>;
  readonly 'GET /api/traffic/findings': Route<undefined, FindingsView>;
  readonly 'GET /api/traffic/handshakes': Route<undefined, HandshakesView>;
  readonly 'POST /api/traffic/export': BytesRoute<TrafficExport>;
  readonly 'GET /api/explorer/credentials': Route<undefined, CredentialNames>;
  readonly 'POST /api/explorer/credentials': Route<NewNamedCredential, NamedCredentialView>;
  readonly 'DELETE /api/explorer/credentials/{name}': Route<undefined, undefined>;
  readonly 'POST /api/explorer/request': Route<ExplorerRequest, ExplorerResult>;
  readonly 'POST /api/explorer/observe': StreamRoute<ExplorerRequest, ExplorerEvents>;
  readonly 'POST /api/explorer/discover': Route<ExplorerTarget, DiscoverResult>;
  readonly 'POST /api/explorer/ping': Route<ExplorerTarget, PingResult>;
  readonly 'POST /api/collections/run': StreamRoute<CollectionRun, CollectionEvents>;
  readonly 'GET /api/simulations/scenarios': Route<undefined, ScenariosView>;
  readonly 'GET /api/simulations': Route<undefined, SimulationsView>;
  readonly 'POST /api/simulations': Route<NewSimulation, SimulationView>;
  readonly 'DELETE /api/simulations/{id}': Route<undefined, SimulationView>;
  readonly 'GET /api/simulations/{id}/events': StreamRoute<undefined, SimulationEvents>;
  readonly 'GET /api/codes': Route<undefined, CodesView>;
  readonly 'GET /api/explanations': Route<undefined, ExplanationsView>;
  readonly 'GET /api/openapi.json': BytesRoute<undefined>;
}
