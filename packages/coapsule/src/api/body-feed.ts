/**
 * Hands bodies of the application to an endpoint as it asks for them.
 *
 * @module
 */

import type { Endpoint } from '../core/endpoint/endpoint.ts';
import type { BodyOutput } from '../core/endpoint/outputs.ts';
import type { Instant } from '../core/foundation/instant.ts';
import { SuppliedBody } from './body-input.ts';

/** An endpoint that runs. */
interface Running {
  readonly closed: boolean;
  run<Result>(
    command: (endpoint: Pick<Endpoint, 'provideBody' | 'failBody'>, now: Instant) => Result,
  ): Result;
}

/** Answers what an endpoint wants of a body; `onError` gets what reading or closing it failed with. Never rejects. */
export async function feedBody(
  driver: Running,
  output: Extract<BodyOutput, { kind: 'body-wanted' | 'body-released' }>,
  onError: (error: unknown) => void,
): Promise<void> {
  const { source } = output;
  if (!(source instanceof SuppliedBody)) return;
  try {
    if (output.kind === 'body-released') {
      await source.close();
      return;
    }
    const { bytes, last } = await source.read(output.offset, output.length);
    if (!driver.closed) driver.run((endpoint, now) => endpoint.provideBody(source, bytes, last, now));
  } catch (error) {
    source.error = error;
    onError(error);
    const detail = error instanceof Error ? error.message : String(error);
    if (!driver.closed) driver.run((endpoint, now) => endpoint.failBody(source, detail, now));
  }
}
