/**
 * The Resource Directory as resources: registration, its upkeep, look-ups, and simple registration (RFC 9176 §5, §6).
 *
 * An endpoint registers itself and nobody else: its name is the identity that it has proved (§7.1). Who may register others,
 * a commissioning tool, has a rule that covers POST of /rd; who may change others' registrations, one that covers them.
 * Every known identity may look up.
 */
import {
  Code,
  changed,
  content,
  created,
  deleted,
  encodeLinkFormat,
  failure,
  type Request,
  RequestFailure,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import type { Link } from 'coapsule/message';
import { provenDevice } from '../access/proven-device.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { acceptedFormat, ContentFormat, expectFormat } from '../resources/negotiation.ts';
import { findEndpoints, findResources, type Lookup, lookupOf } from './directory-lookup.ts';
import { registeredLinks } from './registered-links.ts';
import { givenBase, implicitBase, linkOf } from './registrant.ts';
import { locationOf, type Registration } from './registration.ts';
import { registrationParameters } from './registration-parameters.ts';
import { type DirectoryContext, expectRead, register } from './registration-request.ts';
import { simpleRegistration } from './simple-registration.ts';

/** The paths of the look-ups: whoever observes them is told when registrations change. */
export const lookupPaths = { endpoints: '/rd-lookup/ep', resources: '/rd-lookup/res' } as const;

/** Bytes of the links of one registration. */
const maxLinksBytes = 64 * 1024;

/** All resources of the directory. */
export function directoryResources(context: DirectoryContext): readonly GatewayResource[] {
  const upkeep: Resource = {
    post: (request) => updated(context, request),
    delete: (request) => removed(context, request),
    hidden: true,
  };
  const registration: Resource = {
    post: (request) => registered(context, request),
    attributes: { rt: 'core.rd', ct: ContentFormat.linkFormat },
    maxBodyBytes: maxLinksBytes,
  };
  const simple: Resource = { post: simpleRegistration(context, maxLinksBytes), hidden: true };
  return [
    guarded('/rd', registration),
    guarded('/rd/*', upkeep),
    guarded('/.well-known/rd', simple),
    guarded(lookupPaths.endpoints, lookup(context, 'core.rd-lookup-ep', findEndpoints)),
    guarded(lookupPaths.resources, lookup(context, 'core.rd-lookup-res', findResources)),
  ];
}

/** Whose identity is known may use it; what it may do there is decided by the handlers. */
function guarded(path: string, resource: Resource): GatewayResource {
  return { path, protection: 'filtered', resource };
}

async function registered(context: DirectoryContext, request: Request): Promise<ServerResponse> {
  expectFormat(request, [ContentFormat.linkFormat]);
  const parameters = expectRead(registrationParameters(request.query));
  return created(
    locationOf(
      (await register(context, request, parameters, expectRead(registeredLinks(request.payload)))).id,
    ),
  );
}

async function updated(context: DirectoryContext, request: Request): Promise<ServerResponse> {
  const known = await ownRegistration(context, request);
  // RFC 9176 §5.3.1 has a meaning for an empty payload only.
  if (request.payload.length > 0)
    return failure(Code.BadRequest, 'an update has no payload; register again instead');
  const { name, sector, base, lifetimeSeconds, attributes } = expectRead(
    registrationParameters(request.query),
  );
  if ((name ?? known.name) !== known.name || (sector ?? known.sector) !== known.sector) {
    return failure(
      Code.BadRequest,
      'ep and d name the registration and cannot be changed; register again instead',
    );
  }
  // Only the endpoint itself is where its request comes from.
  const identity = provenDevice(request.peer)?.identity;
  const isItself = identity === undefined ? known.owner === undefined : identity === known.name;
  const moved = known.base.isGiven || !isItself ? undefined : implicitBase(request);
  const done = await context.directory.update(known.id, {
    lifetimeSeconds,
    base: base === undefined ? moved : expectRead(givenBase(base, request.peer)),
    attributes,
  });
  return done === undefined ? failure(Code.NotFound, 'no registration is here: register again') : changed();
}

async function removed(context: DirectoryContext, request: Request): Promise<ServerResponse> {
  await context.directory.remove((await ownRegistration(context, request)).id);
  return deleted();
}

/** @throws RequestFailure 4.04 when there is none there, 4.03 when it is somebody else's. */
async function ownRegistration(
  { directory, isCovered }: DirectoryContext,
  request: Request,
): Promise<Registration> {
  const [, id = '', ...more] = request.segments;
  const known = more.length === 0 ? directory.find(id) : undefined;
  if (known === undefined) throw new RequestFailure(Code.NotFound, 'no registration is here: register again');
  const identity = provenDevice(request.peer)?.identity;
  const isOwn = known.owner === identity || (identity !== undefined && known.name === identity);
  if (isOwn || (identity !== undefined && (await isCovered(request)))) return known;
  throw new RequestFailure(Code.Forbidden, 'this is the registration of another endpoint');
}

function lookup(
  { directory }: DirectoryContext,
  rt: string,
  find: (registrations: Iterable<Registration>, lookup: Lookup) => Link[],
): Resource {
  return {
    get: (request) => {
      const contentFormat = acceptedFormat(request, [ContentFormat.linkFormat]);
      const wanted = expectRead(lookupOf(request.query));
      const links = find(directory.visible(linkOf(request.peer)), wanted);
      return content(encodeLinkFormat(links), { contentFormat });
    },
    observable: true,
    attributes: { rt, ct: ContentFormat.linkFormat },
  };
}
