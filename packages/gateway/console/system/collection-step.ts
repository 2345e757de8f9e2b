/**
 * A request of the explorer as a step of a collection, the text that `coapsule run` reads. Pure function.
 *
 * @module
 */

import { optionRows } from './explorer-input.ts';
import { type ExplorerState, requestOf } from './explorer-request.ts';

/**
 * Adds a step at the end of a collection; to nothing, a collection with this step alone.
 *
 * @param code What the server has answered, which is expected from now on.
 * @returns undefined where an input is wrong.
 */
export function withStep(
  collection: string,
  state: ExplorerState,
  fileHex: string | undefined,
  code: string | undefined,
): string | undefined {
  const written = requestOf(state, fileHex);
  if ('fault' in written) return undefined;
  const { method, type, payloadHex, contentFormat, accept, blockSize } = written.value;
  const { pathname } = pathOf(state.uri);
  // JSON is YAML too, so nothing in a value is anything but its text.
  const text = (value: unknown): string => JSON.stringify(value);
  const values = new Map<string, string[]>();
  for (const { name, value } of [
    ...optionRows(state.options),
    ...(state.ifNoneMatch ? [{ name: 'If-None-Match', value: '' }] : []),
    ...words(state.ifMatch).map((tag) => ({ name: 'If-Match', value: tag === 'empty' ? '' : `0x${tag}` })),
    ...words(state.etag).map((tag) => ({ name: 'ETag', value: `0x${tag}` })),
  ])
    if (name !== '') values.set(name, [...(values.get(name) ?? []), value]);
  const options = [...values].map(
    ([name, given]) =>
      `${text(name)}: ${given.length === 1 ? text(given[0]) : `[${given.map(text).join(', ')}]`}`,
  );
  const lines = [
    `name: ${text(`${method} ${pathname}`)}`,
    `method: ${method === 'iPATCH' ? 'IPATCH' : method}`,
    `uri: ${text(state.uri)}`,
    ...(type === 'NON' ? ['non: true'] : []),
    ...(accept === undefined ? [] : [`accept: ${text(accept)}`]),
    ...(contentFormat === undefined ? [] : [`contentFormat: ${text(contentFormat)}`]),
    ...(payloadHex === undefined ? [] : [`payload: { hex: ${text(payloadHex)} }`]),
    ...(blockSize === undefined ? [] : [`blockSize: ${blockSize}`]),
    ...(options.length === 0 ? [] : [`options: { ${options.join(', ')} }`]),
    ...(code === undefined ? [] : [`expect: { code: "${code}" }`]),
  ];
  const step = `  - ${lines.join('\n    ')}\n`;
  return collection.trim() === '' ? `requests:\n${step}` : `${collection.replace(/\n*$/, '\n')}${step}`;
}

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((one) => one !== '');
}

function pathOf(uri: string): { readonly pathname: string } {
  const [, pathname = ''] = /^[a-z+]+:\/\/[^/?#]*([^?#]*)/i.exec(uri) ?? [];
  return { pathname: pathname === '' ? '/' : pathname };
}
