/**
 * What keeps the registrations of the Resource Directory, as the gateway relies on it. Types only.
 *
 * The guarantees are held by test/keeping/registration-keeping.ts, for every engine the same.
 */
import type { Registration } from '../directory/registration.ts';

/** Where registrations outlive the process. One change after the other: of two of the same id the later one stays. */
export interface RegistrationKeeping {
  /**
   * Keeps a registration in place of one with the same id. Fulfils when it is as durable as the engine keeps anything, never before;
   * when it rejects, it may be kept or not.
   */
  keepRegistration(registration: Registration): Promise<void>;
  /** Forgets registrations, all or none; as durable as `keepRegistration`. Those that are not there do not matter. */
  removeRegistrations(ids: readonly string[]): Promise<void>;
  /** All that are kept, over or not. */
  registrations(): Promise<readonly Registration[]>;
}
