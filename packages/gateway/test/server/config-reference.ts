/** The reference of the configuration file: a table made of the schema and of the options of the command line. */
import type { Command, Option } from 'commander';
import { environmentName } from '../../src/cli/serve-config.ts';
import { configKeys, liveNames } from '../../src/config/config-keys.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import type { JsonSchema } from '../../src/config/schema-keys.ts';

/** A key that has a value of its own, with what may stand there. */
export interface Leaf {
  readonly key: string;
  readonly schema: JsonSchema;
}

/** All keys of the schema that are no sections; entries of lists are under `[]`. */
export function leaves(schema: JsonSchema = configJsonSchema(), above = ''): Leaf[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = above === '' ? name : `${above}.${name}`;
    if (value.properties !== undefined) return leaves(value, key);
    const named = value.additionalProperties;
    if (typeof named === 'object') {
      const below = `${key}.NAME`;
      return named.properties === undefined
        ? [{ key: below, schema: { ...value, ...named } }]
        : leaves(named, below);
    }
    const entries = value.items?.properties === undefined ? [] : leaves(value.items, `${key}[]`);
    return [{ key, schema: value }, ...entries];
  });
}

/** The table. */
export function referenceTable(command: Command): string {
  const rows = leaves().map(({ key, schema }) => {
    const option = optionOf(command, key);
    return [
      `\`${key}\``,
      typeText(schema),
      option === undefined ? '' : defaultText(option),
      option === undefined ? '' : `\`${option.long}\` · \`${environmentName(option)}\``,
      `${schema.description ?? ''}${isLive(key) ? ' *' : ''}`,
    ];
  });
  return [
    ['key', 'value', 'default', 'flag · variable', 'meaning'],
    ['---', '---', '---', '---', '---'],
    ...rows,
  ]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

/** Whether it counts when the file is read again; of a list, its entries too. */
function isLive(key: string): boolean {
  const name = Object.entries(configKeys).find(([, other]) =>
    [key, key.replace(/\[\].*/, ''), key.replace(/\..*/, '')].includes(other),
  )?.[0];
  return name !== undefined && liveNames.has(name);
}

/** The option that a key stands for. */
export function optionOf(command: Command, key: string): Option | undefined {
  const name = Object.entries(configKeys).find(([, other]) => other === key)?.[0];
  return command.options.find((option) => option.attributeName() === name);
}

function typeText(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.const !== undefined) return schema.const === false ? 'off' : String(schema.const);
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(', ');
  if (schema.type === 'array') {
    return schema.items?.properties === undefined ? 'list of texts' : 'list';
  }
  if (schema.properties !== undefined) return 'keys';
  if (schema.type === 'boolean') return 'true, false';
  if (schema.type === 'string') return 'text';
  const { minimum, maximum } = schema;
  if (maximum !== undefined) return `${minimum} … ${maximum}`;
  return minimum === undefined ? 'whole number' : `whole number from ${minimum}`;
}

function defaultText({ defaultValue, defaultValueDescription, negate }: Option): string {
  if (negate) return 'true';
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  return defaultValue === undefined ? '' : String(defaultValue);
}
