/**
 * A request to register an endpoint, whichever way it came: whom it may register, and where that endpoint is (RFC 9176 §5, §7.1).
 */
import { Code, type Request, RequestFailure } from 'coapsule';
import type { Link } from 'coapsule/message';
import { provenDevice } from '../access/proven-device.ts';
import { givenBase, implicitBase } from './registrant.ts';
import type { Registration } from './registration.ts';
import { longestName, type RegistrationParameters } from './registration-parameters.ts';
import type { RegistrationOutcome, ResourceDirectory } from './resource-directory.ts';

/** What the resources need besides the directory. */
export interface DirectoryContext {
  readonly directory: ResourceDirectory;
  /** Whether a rule of the sender covers its request. */
  readonly isCovered: (request: Request) => Promise<boolean>;
}

/** RFC 8516, RFC 7252 §5.9.3.4: not before; room comes back when registrations end. */
const fullRetrySeconds = 3600;

/**
 * Registers the sender, or the endpoint that it names.
 *
 * @throws RequestFailure with what the answer is otherwise.
 */
export async function register(
  { directory, isCovered }: DirectoryContext,
  request: Request,
  parameters: RegistrationParameters,
  links: readonly Link[],
): Promise<Registration> {
  const owner = provenDevice(request.peer)?.identity;
  // RFC 9176 §5: of an endpoint that may have one name only, the directory assigns it.
  const name = parameters.name ?? owner;
  if (name === undefined)
    throw new RequestFailure(Code.BadRequest, 'ep is missing: the name of the endpoint');
  const { sector = '' } = parameters;
  const isCommissioning = name !== owner && (await isCovered(request));
  if (Buffer.byteLength(name) > longestName) {
    throw new RequestFailure(Code.BadRequest, `the name of the endpoint has more than ${longestName} bytes`);
  }
  if (name !== owner && !isCommissioning) {
    throw new RequestFailure(Code.Forbidden, 'this identity may register itself only');
  }
  const known = directory.findEndpoint(name, sector);
  // Whoever has proved nothing takes nothing from those who have.
  if (owner === undefined && known?.owner !== undefined) {
    throw new RequestFailure(Code.Forbidden, 'this endpoint was registered by somebody who is known');
  }
  if (isCommissioning && owner !== undefined && parameters.base === undefined) {
    // RFC 9176 §5: mandatory when the directory is filled by a third party. Of whom nothing is known that is not known either.
    throw new RequestFailure(Code.BadRequest, 'base is missing: the endpoint is not where this came from');
  }
  const base =
    parameters.base === undefined
      ? implicitBase(request)
      : expectRead(givenBase(parameters.base, request.peer));
  if (base === undefined) {
    throw new RequestFailure(
      Code.BadRequest,
      'base is missing: nobody reaches the endpoint where this came from',
    );
  }
  const { lifetimeSeconds, attributes } = parameters;
  return expectRoom(
    await directory.register({
      name,
      sector,
      owner,
      lifetimeSeconds,
      base,
      attributes,
      links,
      isCommissioning,
    }),
  );
}

/** @throws RequestFailure 4.00 when what was read is a sentence that says what is wrong. */
export function expectRead<T extends object>(read: T | string): T {
  if (typeof read === 'string') throw new RequestFailure(Code.BadRequest, read);
  return read;
}

/** @throws RequestFailure when there was no room. */
function expectRoom(outcome: RegistrationOutcome): Registration {
  if (typeof outcome !== 'string') return outcome;
  const later = { maxAgeSeconds: fullRetrySeconds };
  switch (outcome) {
    case 'owner-full':
      throw new RequestFailure(
        Code.TooManyRequests,
        'this identity has all the registrations it may have',
        later,
      );
    case 'directory-full':
      throw new RequestFailure(Code.ServiceUnavailable, 'the directory is full', later);
  }
}
