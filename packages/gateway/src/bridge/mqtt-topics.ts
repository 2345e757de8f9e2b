/**
 * The topics of the MQTT bridge, as pure functions: where readings and states go, and what a command topic asks for.
 *
 * Names that devices have chosen never become wildcards or further levels (MQTT 5.0 §4.7): what would is percent-encoded.
 */
import type { Method } from 'coapsule';

/** What of a reading a template may name. */
export interface TopicValues {
  /** `/sensors/patient-1/hr`; `{path}` stands for it without the first slash. */
  readonly path: string;
  /** `{identity}`: `-` for none. */
  readonly identity: string | undefined;
}

/** Bytes of a topic name (MQTT 5.0 §1.5.4). */
const longestTopic = 65_535;

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'];

/** @returns a sentence that says what is wrong with a template, or base of topics; undefined when nothing is. */
export function topicFault(template: string): string | undefined {
  if (template === '' || template.startsWith('/') || template.endsWith('/') || template.includes('//')) {
    return `"${template}" is no topic with names between its slashes, such as site-7/{path}`;
  }
  if (template.startsWith('$')) return `"${template}" is a topic of the broker itself (it starts with $)`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no topic has them
  if (/[+#\u0000-\u001f\u007f]/.test(template)) return `"${template}" has a wildcard or control character`;
  const unknown = /\{(?!path\}|identity\})[^}]*\}?/.exec(template);
  return unknown === null ? undefined : `"${template}" has ${unknown[0]}; known are {path} and {identity}`;
}

/** The topic of a reading or state; undefined when it would be longer than a topic may be. */
export function topicOf(template: string, { path, identity }: TopicValues): string | undefined {
  const topic = template.replace(/\{(path|identity)\}/g, (_, name) =>
    name === 'path' ? pathLevels(path) : level(identity ?? '-'),
  );
  return Buffer.byteLength(topic) <= longestTopic ? topic : undefined;
}

/** Segments are percent-encoded in a path already where they have a slash. */
function pathLevels(path: string): string {
  return path.slice(1).split('/').map(wildcardFree).join('/');
}

function level(name: string): string {
  return wildcardFree(name.replaceAll('%', '%25').replaceAll('/', '%2F'));
}

function wildcardFree(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no topic has them
  const escaped = text.replace(/[+#\u0000-\u001f\u007f]/g, (character) => encodeURIComponent(character));
  return escaped === '' ? '%00' : escaped;
}

/** Where commands come from, for a base such as `coapsule`. */
export function commandFilter(base: string): string {
  return `${base}/command/#`;
}

/** What a command topic asks for. */
export interface Command {
  readonly method: Method;
  /** Path of a resource, percent-encoded. */
  readonly path: string;
}

/** Reads `coapsule/command/put/light`. @returns the command, or a sentence that says what is wrong. */
export function commandOf(base: string, topic: string): Command | string {
  const prefix = `${base}/command/`;
  if (!topic.startsWith(prefix)) return `it is not below ${prefix}`;
  const [name = '', ...levels] = topic.slice(prefix.length).split('/');
  const method = methods.find((known) => known === name.toUpperCase());
  if (method === undefined) return `"${name}" is no method (${methods.join(', ').toLowerCase()})`;
  if (levels.length === 0 || levels.includes('')) return 'the path is missing, or has an empty segment';
  return { method, path: `/${levels.map(encodeURIComponent).join('/')}` };
}

/** Where the answer of a command goes that names no response topic. */
export function responseTopic(base: string, commandTopic: string): string {
  return `${base}/response/${commandTopic.slice(`${base}/command/`.length)}`;
}

/** Whether the requester may have its answer there: it must be no command again, and no filter. */
export function isAnswerTopic(base: string, topic: string): boolean {
  const isName = topic !== '' && !/[+#\0]/.test(topic) && !topic.startsWith('$');
  return (
    isName &&
    Buffer.byteLength(topic) <= longestTopic &&
    topic !== `${base}/command` &&
    !topic.startsWith(`${base}/command/`)
  );
}
