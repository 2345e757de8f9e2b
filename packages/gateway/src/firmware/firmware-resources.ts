/**
 * The resources of firmware: `/firmware` lists what there is, `/firmware/NAME` is the newest version, `/firmware/NAME/VERSION` any
 * of them, and `/firmware/NAME/VERSION/upload` what came of an upload so far (docs/resources.md).
 *
 * Who may do it is decided around the handlers: reading and writing by rules of their own.
 */
import {
  Code,
  changed,
  content,
  created,
  deleted,
  encodeLinkFormat,
  expectPreconditions,
  failure,
  type Request,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import type { AuditedChange } from '../audit/audit-log.ts';
import type { GatewayResource, Notify } from '../resources/gateway-resource.ts';
import { acceptedFormat, ContentFormat } from '../resources/negotiation.ts';
import { startTick, type TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { KeptState } from '../store/state-table.ts';
import type { Store } from '../store/store.ts';
import { pathSegments } from '../text/resource-path.ts';
import { FirmwareCatalogue, type FirmwareImage } from './firmware-catalogue.ts';
import { FirmwareFiles } from './firmware-files.ts';
import { etagOf, imageDescription, imageLink, imagePath, octetStream } from './firmware-image.ts';
import { type FirmwareTarget, firmwareTarget, uploadQuery } from './firmware-path.ts';
import { FirmwareUploads } from './firmware-uploads.ts';

/** What the resources of firmware work with. */
export interface FirmwareParts {
  readonly store: Pick<Store, 'changeStates'>;
  /** What the store had when the gateway began. */
  readonly states: readonly KeptState[];
  readonly dataFolder: string;
  readonly maxBytes: number;
  readonly clock: WallClock;
  /** For what lasts (server/lifetime-clock.ts). */
  readonly lasting: WallClock;
  readonly timer: TickTimer;
  readonly notify: Notify;
  /** Which guarded paths the sender of a request may read. */
  readonly readable: (request: Request) => Promise<(segments: readonly string[]) => boolean>;
  readonly warn: (text: string) => void;
  /** Is told of each version that comes or goes. */
  readonly audit: (change: AuditedChange) => void;
  /** Everyone may read, over plain CoAP too. */
  readonly isDemo: boolean;
}

/** How often uploads are looked for that nobody goes on with. */
const expiryPeriodMs = 3_600_000;

/** What all firmware may take when the operator says nothing, in bytes. */
export const defaultFirmwareBytes: number = 256 * 1024 * 1024;

/** The resources, and what ends the uploads; what an earlier process has left is in order when this fulfils. */
export async function firmwareResources(
  parts: FirmwareParts,
): Promise<{ readonly resources: readonly GatewayResource[]; readonly stop: () => void }> {
  const { store, states, dataFolder, maxBytes, clock, lasting, notify, readable, audit } = parts;
  const catalogue = new FirmwareCatalogue(store, states);
  const files = new FirmwareFiles(dataFolder);
  const uploads = new FirmwareUploads({ catalogue, files, maxBytes, clock, lasting });
  for (const image of await uploads.begin()) {
    parts.warn(
      `the file of firmware ${imagePath(image)} is missing in ${dataFolder}: copy the folder firmware there from where it was, or upload it again`,
    );
  }
  const stopExpiry = startTick(expiryPeriodMs, () => void expire(), parts.timer);

  const list: Resource = {
    get: async (request) => {
      const contentFormat = acceptedFormat(request, [ContentFormat.linkFormat, ContentFormat.json]);
      const mayRead = await readable(request);
      const images = catalogue.images().filter((image) => mayRead(pathSegments(imagePath(image))));
      const text =
        contentFormat === ContentFormat.json
          ? JSON.stringify(images.map(imageDescription))
          : encodeLinkFormat(images.map(imageLink));
      return content(text, { contentFormat });
    },
    attributes: {
      rt: 'coapsule.firmware.list',
      ct: [ContentFormat.linkFormat, ContentFormat.json],
      title: 'firmware in its versions',
    },
  };

  const one: Resource = {
    get: (request) => {
      const target = firmwareTarget(request);
      return target.isUpload ? uploadState(request, target) : read(request, target);
    },
    put: async (request) => {
      const target = firmwareTarget(request);
      if (target.isUpload) return failure(Code.MethodNotAllowed, 'PUT the firmware at its version');
      const before = catalogue.find(target.name, target.version);
      const { image, isNew } = await uploads.receive(request, target, uploadQuery(request));
      if (isNew) changedAt(request, image, 'firmware-uploaded');
      const options = { etag: etagOf(image) };
      return before === undefined ? created(imagePath(image), options) : changed(undefined, options);
    },
    delete: async (request) => {
      const target = firmwareTarget(request);
      const { name, version } = target;
      if (version === undefined) return failure(Code.MethodNotAllowed, 'DELETE one version after the other');
      if (target.isUpload) {
        expectPreconditions(request, { exists: catalogue.upload(name, version) !== undefined });
        await uploads.giveUp({ name, version });
        return deleted();
      }
      const image = catalogue.find(name, version);
      expectPreconditions(request, {
        exists: image !== undefined,
        ...(image === undefined ? {} : { etag: etagOf(image) }),
      });
      // One whose file is missing goes too, or it would come back with the file.
      const removed = image ?? catalogue.hidden(name, version);
      // RFC 7252 §5.8.4: 2.02 also when there was nothing.
      if (removed === undefined) return deleted();
      await catalogue.remove(removed);
      await uploads.removeUnused(removed.sha256);
      changedAt(request, removed, 'firmware-removed');
      return deleted();
    },
    observable: true,
    conditional: true,
    streamRequestBody: true,
    maxBodyBytes: maxBytes,
  };

  const protectedAs = { isBeyondPolicy: !parts.isDemo };
  return {
    resources: [
      { path: '/firmware', protection: 'filtered', ...protectedAs, resource: list },
      { path: '/firmware/*', protection: 'guarded', ...protectedAs, resource: one },
    ],
    stop: () => {
      stopExpiry();
      uploads.stop();
    },
  };

  async function expire(): Promise<void> {
    try {
      for (const upload of await uploads.expire())
        parts.warn(`the upload of ${imagePath(upload)} is given up: nothing came of it for a week`);
    } catch (error) {
      parts.warn(`uploads of firmware that nobody goes on with stay: ${(error as Error).message}`);
    }
  }

  function read(request: Request, { name, version }: FirmwareTarget): ServerResponse {
    const image = catalogue.find(name, version);
    if (image === undefined) return failure(Code.NotFound, 'there is none: /firmware lists what there is');
    const contentFormat = acceptedFormat(request, [octetStream, ContentFormat.json]);
    if (contentFormat === octetStream) {
      return content(files.body(image.sha256, image.size), { contentFormat, etag: etagOf(image) });
    }
    const versions = catalogue.images(name).map((each) => each.version);
    const description =
      version === undefined ? { ...imageDescription(image), versions } : imageDescription(image);
    return content(JSON.stringify(description), { contentFormat });
  }

  function uploadState(request: Request, { name, version = '' }: FirmwareTarget): ServerResponse {
    const contentFormat = acceptedFormat(request, [ContentFormat.json]);
    const upload = catalogue.upload(name, version);
    if (upload === undefined) return failure(Code.NotFound, 'no upload of it is under way');
    const { sha256, size } = upload;
    const state = { received: uploads.received({ name, version }), size, sha256 };
    // What it says now is out of date with the next block.
    return content(JSON.stringify(state), { contentFormat, maxAgeSeconds: 0 });
  }

  function changedAt(
    request: Request,
    image: FirmwareImage,
    event: 'firmware-uploaded' | 'firmware-removed',
  ): void {
    const { name, version, sha256, size } = image;
    const identity = provenDevice(request.peer)?.identity;
    audit({ event, how: `${request.method} ${request.path}`, name, version, sha256, size, identity });
    notify(`/firmware/${name}`);
    notify(imagePath(image));
  }
}
