/**
 * Why the gateway cannot start: the cause with its value, and the next step.
 *
 * Faults of the data folder are StoreFault (store/store-fault.ts); this adds those of the endpoints and files.
 */
import { type EndpointScheme, endpointNames } from './serve-options.ts';

/** A gateway that cannot start; nothing was changed. */
export class StartUpFault extends Error {
  override readonly name = 'StartUpFault';
  readonly nextStep: string;

  constructor(message: string, nextStep: string) {
    super(message);
    this.nextStep = nextStep;
  }
}

/**
 * The fault for an endpoint whose socket cannot be opened.
 *
 * @param scheme which endpoint: `coap` or `coaps`; also the name of its option.
 */
export function endpointFault(
  scheme: EndpointScheme,
  host: string,
  port: number,
  error: unknown,
): StartUpFault {
  const { code, message } = error as { code?: string; message?: string };
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const option = endpointNames[scheme];
  const transport = scheme.includes('+') ? 'TCP' : 'UDP';
  switch (code) {
    case 'EADDRINUSE':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: ${transport} port ${port} is in use`,
        `stop the program that uses it, or choose another port: --${option} PORT (0 picks a free one)`,
      );
    case 'EACCES':
    case 'EPERM':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: no permission for ${transport} port ${port}`,
        `choose a port from 1024 up with --${option} PORT, or give the process the right to bind low ports`,
      );
    case 'EADDRNOTAVAIL':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: this machine does not have the address ${host}`,
        `use one of its own addresses, or [::] for all: --${option} '[::]:${port}'`,
      );
    case 'EAFNOSUPPORT':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: this machine has no IPv${host.includes(':') ? 6 : 4}`,
        `use an address of the other kind, such as --${option} 0.0.0.0:${port}`,
      );
    default:
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: ${message ?? String(error)}`,
        `try another address or port with --${option} [HOST:]PORT`,
      );
  }
}
