/**
 * What the service manager (systemd) is told: that the gateway is ready, that it stops, and now and then that it still works.
 *
 * sd_notify is a datagram to a Unix socket, which Node has none of; the program `systemd-notify`, which comes with every systemd,
 * sends it. It is a child of the gateway: the unit needs `NotifyAccess=all`. Without `NOTIFY_SOCKET` nothing is done.
 */
import { execFile } from 'node:child_process';
import type { TickTimer } from '../resources/periodic-tick.ts';

/** Environment variables by name. */
type Variables = Readonly<Record<string, string | undefined>>;

/** What it works with. */
export interface ServiceManagerParts {
  readonly variables: Variables;
  readonly processId: number;
  readonly timer: TickTimer;
  /** Runs `systemd-notify` with these arguments; rejects when it cannot. */
  readonly notify?: (args: readonly string[]) => Promise<void>;
  /** Told once when it cannot be told. */
  readonly onError: (text: string) => void;
}

const patienceMs = 5000;

/** See the module comment. */
export class ServiceManager {
  readonly #parts: ServiceManagerParts;
  readonly #notify: (args: readonly string[]) => Promise<void>;
  #cancel: (() => void) | undefined;
  #hasFailed = false;

  /** Undefined where no service manager waits for anything. */
  static of(parts: ServiceManagerParts): ServiceManager | undefined {
    return (parts.variables['NOTIFY_SOCKET'] ?? '') === '' ? undefined : new ServiceManager(parts);
  }

  private constructor(parts: ServiceManagerParts) {
    this.#parts = parts;
    this.#notify = parts.notify ?? systemdNotify;
  }

  /** The gateway serves; from now on it also says that it still works, where that is wanted. */
  async ready(): Promise<void> {
    await this.#tell(['--ready', '--status=serving']);
    const periodMs = this.#watchdogMs();
    if (periodMs !== undefined) this.#keepAlive(periodMs / 2);
  }

  async stopping(): Promise<void> {
    this.#cancel?.();
    await this.#tell(['STOPPING=1', 'STATUS=finishing what was acknowledged']);
  }

  /** The event loop turns, or nothing would be told: that is what the watchdog is for. */
  #keepAlive(periodMs: number): void {
    this.#cancel = this.#parts.timer.after(periodMs, () => {
      void this.#tell(['WATCHDOG=1']);
      this.#keepAlive(periodMs);
    });
  }

  #watchdogMs(): number | undefined {
    const { variables, processId } = this.#parts;
    const { WATCHDOG_USEC: period, WATCHDOG_PID: of } = variables;
    // It may have been meant for a process that this one was begun by.
    if (of !== undefined && of !== String(processId)) return undefined;
    const periodMs = Number(period) / 1000;
    return periodMs > 0 ? periodMs : undefined;
  }

  async #tell(args: readonly string[]): Promise<void> {
    try {
      await this.#notify(args);
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#parts.onError(
        `systemd cannot be told that the gateway runs: ${(error as Error).message}; install systemd-notify, or use Type=exec in the unit`,
      );
    }
  }
}

function systemdNotify(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', args, { timeout: patienceMs }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
