/**
 * Which requests are taken on, before anything else is done with them: too many of one identity are answered 4.29, too many in
 * all 5.03, each with the time after which to come again (RFC 8516, RFC 7252 §5.9.3.4; requirements I10, J16, L11).
 *
 * The degrees of overload are those of `Load`: first goes what is Non-confirmable, and new observations; then all but alerts. What
 * the gateway asks itself, and what it shows observers, is not judged.
 */
import { Code, failure, type Middleware, type Request, type ServerResponse } from 'coapsule';
import { isFromHttp } from '../access/local-asker.ts';
import { provenDevice } from '../access/proven-device.ts';
import { networkOf } from '../text/network.ts';
import { isAlertRequest } from './alerts.ts';
import type { OverloadSettings } from './overload-options.ts';
import type { Urgency } from './priority-gate.ts';
import { type RequestRate, RequestRates } from './request-rate.ts';

/** How loaded a thread is: `busy` turns away what is least urgent, `overloaded` all but alerts. */
export type Load = 'normal' | 'busy' | 'overloaded';

/** Why a request was turned away. */
export type TurnedAway = 'rate' | 'busy' | 'overloaded';

/** What the admission works with. */
export interface AdmissionParts {
  /** As they count now. */
  readonly settings: () => OverloadSettings;
  /** Of an identity, where the rules of access say one. */
  readonly rateOf: (identity: string) => RequestRate | undefined;
  readonly load: () => Load;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  readonly onTurnedAway: (why: TurnedAway, request: Request) => void;
}

/** RFC 7252 §5.9.3.4: when to come again after an overload, in seconds. */
const overloadRetrySeconds = 30;

/** See the module comment. */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #rates = new RequestRates();
  /** Of who has proved nothing: whoever makes addresses up by the thousand pushes none of the others out. */
  readonly #ratesOfNetworks = new RequestRates();

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** Goes around all handlers. */
  readonly middleware: Middleware = (request, next) => this.#refusal(request) ?? next();

  /** How urgent a request is. */
  urgencyOf(request: Request): Urgency {
    const isConfirmable = request.confirmable;
    if (this.#isAlert(request)) return isConfirmable ? 'alert-confirmable' : 'alert';
    return isConfirmable ? 'confirmable' : 'other';
  }

  #refusal(request: Request): ServerResponse | undefined {
    if (request.isRefresh || isFromGateway(request)) return undefined;
    const { load, onTurnedAway } = this.#parts;
    const isUrgent = this.#isAlert(request);
    const waitSeconds = this.#waitSeconds(request, isUrgent);
    if (waitSeconds !== undefined) {
      onTurnedAway('rate', request);
      return {
        ...failure(Code.TooManyRequests, 'more requests than this identity may make'),
        maxAgeSeconds: waitSeconds,
      };
    }
    const degree = load();
    if (degree === 'normal' || isUrgent) return undefined;
    if (degree === 'busy' && request.confirmable && !request.observe) return undefined;
    onTurnedAway(degree, request);
    return overloaded();
  }

  /** Alerts have a bucket of their own: telemetry that comes too fast does not hold them up. */
  #waitSeconds(request: Request, isUrgent: boolean): number | undefined {
    const { settings, rateOf, now } = this.#parts;
    const identity = provenDevice(request.peer)?.identity;
    const rate = (identity === undefined ? undefined : rateOf(identity)) ?? settings().maxRate;
    if (rate === undefined) return undefined;
    const [rates, who] =
      identity === undefined
        ? ([this.#ratesOfNetworks, networkOf(request.peer.address.host)] as const)
        : ([this.#rates, identity] as const);
    return rates.take(`${isUrgent ? 'alert' : 'other'} ${who}`, rate, now());
  }

  #isAlert(request: Request): boolean {
    return isAlertRequest(this.#parts.settings().alerts, request);
  }
}

/** The answer to what cannot be taken on now. */
export function overloaded(): ServerResponse {
  return {
    ...failure(Code.ServiceUnavailable, 'the gateway is overloaded'),
    maxAgeSeconds: overloadRetrySeconds,
  };
}

/** The bridge to a broker and the like; who asks by HTTP is somebody else. */
function isFromGateway({ peer }: Request): boolean {
  return peer.transport === 'local' && !isFromHttp(peer);
}
