/**
 * A configuration file, read: YAML or JSON to options, or everything that is wrong with it, with line and key.
 *
 * Keys that hold secrets are never shown, nor is any line of the file. What the values mean is config-schema.ts.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ConfigSurroundings, type ConfiguredOptions, configSchema } from './config-schema.ts';
import { type DocumentFault, readDocument } from './read-document.ts';

/** What a file says, or what is wrong with it. */
export type ConfigFile =
  | { readonly options: ConfiguredOptions; readonly warnings: readonly string[] }
  | { readonly faults: readonly DocumentFault[] };

/** More than anybody writes by hand. */
const maxLength = 1024 * 1024;

/**
 * Read a file. JSON is read as the YAML that it is.
 *
 * @param surroundings what is not taken from the file; paths in it are from its folder.
 * @throws the error of the system for a file that cannot be read.
 */
export function readConfigFile(
  path: string,
  surroundings: Pick<ConfigSurroundings, 'variables' | 'keyOf'>,
): ConfigFile {
  const folder = dirname(resolve(path));
  const text = readFileSync(path, 'utf8');
  const file = parseConfig(text, {
    ...surroundings,
    resolvePath: (named) => resolve(folder, named),
    readSecret: (named) => readFileSync(named, 'utf8'),
  });
  if ('faults' in file) return file;
  // A key may also stand in a file or variable of its own.
  const holdsSecret = (file.options.psk ?? []).length > 0 && /\bkey["']?\s*:/.test(text);
  if (!holdsSecret || process.platform === 'win32' || (statSync(path).mode & 0o077) === 0) return file;
  return { ...file, warnings: [`${path} has keys and can be read by others: chmod 600 ${path}`] };
}

/** The same for a text. */
export function parseConfig(text: string, surroundings: ConfigSurroundings): ConfigFile {
  const document = readDocument(text, configSchema(surroundings), { maxLength, secretKeys: ['psk'] });
  return 'faults' in document ? document : { options: document.value, warnings: [] };
}
