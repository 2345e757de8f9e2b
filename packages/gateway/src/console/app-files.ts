/**
 * The console's pages: the built app at `/console/…`. Files under `assets/` have the hash of their content in their name, and stay in
 * the browser; every other path is a view of the app, which is one page. Files are read once, when the gateway starts: what is asked
 * for is looked up by its name, and never opened as a path.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Context, Hono } from 'hono';
import { securityHeaders } from './security-headers.ts';

interface AppFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly isImmutable: boolean;
  /** By gzip, made when it is asked for first; `bytes` itself where it would not be smaller. */
  packed: Uint8Array<ArrayBuffer> | undefined;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json',
  webmanifest: 'application/manifest+json',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  woff2: 'font/woff2',
  txt: 'text/plain; charset=utf-8',
};

/** What is shown where the app was not built. */
const notBuilt =
  'the console was not built: run "npm run build" in the repository, and start the gateway again; its API is at /api/ (docs/console-api.md)\n';

/** Adds the pages. @param folder Of the built app. */
export function addAppFiles(app: Hono, folder: string): void {
  const files = readFiles(folder);
  const index = files.get('index.html');
  app.get('/console', securityHeaders, (c) => c.redirect('/console/', 308));
  app.get('/console/*', securityHeaders, (c) => {
    const name = new URL(c.req.url).pathname.slice('/console/'.length);
    const file = files.get(name);
    if (file !== undefined) return sent(c, file);
    // A name with an extension is a file that there is not: a page in its place would be a riddle. Deeper there are views of things,
    // and devices may well be called so.
    if (/^[^/]*\.\w+$/.test(name) || name.startsWith('assets/'))
      return c.text('there is no such file\n', 404);
    return index === undefined ? c.text(notBuilt, 503) : sent(c, index);
  });
}

function sent(c: Context, file: AppFile): Response {
  const { bytes, type, isImmutable } = file;
  const body = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '') ? packedOf(file) : bytes;
  return c.body(body, 200, {
    'content-type': type,
    // A page from before an update asks for files that are not there any more.
    'cache-control': isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept-encoding',
    ...(body !== bytes && { 'content-encoding': 'gzip' }),
  });
}

function packedOf(file: AppFile): Uint8Array<ArrayBuffer> {
  if (file.packed !== undefined) return file.packed;
  const { bytes, type } = file;
  const gzip = /^(?:text|application|image\/svg)/.test(type)
    ? new Uint8Array(gzipSync(bytes, { level: 9 }))
    : bytes;
  file.packed = gzip.length < bytes.length ? gzip : bytes;
  return file.packed;
}

function readFiles(folder: string): ReadonlyMap<string, AppFile> {
  const files = new Map<string, AppFile>();
  let entries: string[];
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: false }) as string[];
  } catch {
    // It need not be built.
    return files;
  }
  for (const entry of entries) {
    const name = entry.replaceAll('\\', '/');
    const type = types[/\.(\w+)$/.exec(name)?.[1] ?? ''];
    if (type === undefined) continue;
    const bytes = new Uint8Array(readFileSync(join(folder, entry)));
    files.set(name, { bytes, type, isImmutable: name.startsWith('assets/'), packed: undefined });
  }
  return files;
}
