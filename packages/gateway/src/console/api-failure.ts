/**
 * Why a request of the console is refused: thrown by handlers, and made the answer in one place (console-api.ts).
 */
import type { ApiProblem, ApiProblemCode } from './api-types.ts';

/** Of HTTP, those that there are. */
export type ApiStatus = 400 | 401 | 403 | 404 | 409 | 413 | 429 | 500 | 502 | 503;

const statuses: Readonly<Record<ApiProblemCode, ApiStatus>> = {
  unauthenticated: 401,
  'login-failed': 401,
  forbidden: 403,
  'cross-site': 403,
  invalid: 400,
  'not-found': 404,
  unavailable: 404,
  conflict: 409,
  'too-large': 413,
  throttled: 429,
  busy: 503,
  'peer-failed': 502,
  failed: 500,
};

/** See the module comment. */
export class ApiFailure extends Error {
  readonly problem: ApiProblem;
  /** For `Retry-After`; undefined: nobody knows. */
  readonly retrySeconds: number | undefined;

  constructor(code: ApiProblemCode, message: string, nextStep?: string, retrySeconds?: number) {
    super(message);
    this.problem = { code, message, ...(nextStep !== undefined && { nextStep }) };
    this.retrySeconds = retrySeconds;
  }

  get status(): ApiStatus {
    return statuses[this.problem.code];
  }
}
