/**
 * Tools that stay on this machine: captures, advisors, calculators, codes, the doctor, the devices of a gateway.
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { linkProfileNames } from 'coapsule/message';
import { ExitCode } from '../cli/exit-code.ts';
import type { ArgumentSchema } from './input-schema.ts';
import type { JsonObject } from './json-rpc.ts';
import type { McpTool, ToolCommand, ToolRefusal } from './mcp-tool.ts';
import { list, number, option, schema, text } from './tool-arguments.ts';
import type { ToolRules } from './tool-rules.ts';

/** Those that the rules allow. */
export function localTools(rules: ToolRules): readonly McpTool[] {
  return [
    decodeTool(rules),
    diagnoseTool(rules),
    learningTool(
      'recommend',
      'What to use, and why: message type, security, protocol, block size, sleep, a deployment',
      ['message-type', '--purpose', 'telemetry'],
    ),
    learningTool('calculate', 'Energy, battery life, latency, retransmission, sizes and what they come to', [
      'retransmission',
    ]),
    codesTool,
    doctorTool,
    ...(rules.data === undefined ? [] : [deviceListTool(rules.data)]),
  ];
}

const capture: ArgumentSchema = {
  type: 'string',
  description: 'name of a capture (pcap, pcapng) in the folder that the user named',
  maxLength: 255,
};

function captureFile(given: JsonObject, { captures }: ToolRules): string | ToolRefusal {
  if (captures === undefined) {
    return { refused: 'no folder of captures was allowed: the user can name one with --captures FOLDER' };
  }
  const name = text(given, 'capture') ?? '';
  const outside = { refused: 'there is no such capture in the folder that the user named' };
  try {
    const folder = realpathSync(captures);
    const file = realpathSync(resolve(folder, name));
    // Neither above the folder nor through a link out of it.
    const inside = relative(folder, file);
    return inside === '' || inside.startsWith('..') || resolve(inside) === inside
      ? outside
      : join(folder, inside);
  } catch {
    return outside;
  }
}

function decodeTool(rules: ToolRules): McpTool {
  return {
    name: 'decode',
    title: 'What bytes mean',
    description:
      'Decode one datagram in hexadecimal (CoAP, DTLS), or a capture, field by field. Give "hex" or "capture".',
    inputSchema: schema({
      hex: { type: 'string', description: 'one datagram as hexadecimal digits', maxLength: 131_072 },
      contentFormat: {
        type: 'string',
        description: 'the bytes are a payload of this format, such as application/senml+cbor',
        maxLength: 100,
      },
      capture,
      frame: {
        type: 'integer',
        description: 'only this packet of the capture',
        minimum: 1,
        maximum: 2 ** 31,
      },
    }),
    changes: false,
    isRemote: false,
    command(given) {
      const hex = text(given, 'hex');
      if ((hex === undefined) === (text(given, 'capture') === undefined)) {
        return { refused: 'give "hex" or "capture", one of the two' };
      }
      if (hex !== undefined) {
        const format = option('content-format', text(given, 'contentFormat'));
        return { args: ['decode', `--hex=${hex}`, '-v', ...format] };
      }
      const file = captureFile(given, rules);
      if (typeof file !== 'string') return file;
      return { args: ['decode', file, '-v', ...option('frame', number(given, 'frame'))] };
    },
  };
}

function diagnoseTool(rules: ToolRules): McpTool {
  return {
    name: 'diagnose',
    title: 'What is wrong in a capture',
    description:
      'Look for faults in a capture of CoAP and DTLS. Answers with one finding a line, as JSON: frames, cause, consequence, fix.',
    inputSchema: schema(
      {
        capture,
        link: {
          type: 'string',
          description: 'the narrowest link of the path',
          enum: linkProfileNames,
        },
      },
      ['capture'],
    ),
    changes: false,
    isRemote: false,
    command(given) {
      const file = captureFile(given, rules);
      if (typeof file !== 'string') return file;
      return {
        args: ['diagnose', file, '--json', ...option('link', text(given, 'link'))],
        answers: [ExitCode.Failure],
      };
    },
  };
}

function learningTool(name: 'recommend' | 'calculate', title: string, example: readonly string[]): McpTool {
  return {
    name,
    title,
    description: `${title}. "arguments" are those of "coapsule ${name}", such as ${JSON.stringify(example)}; ["--help"] lists the topics, and a topic with "--help" its options.`,
    inputSchema: schema(
      {
        arguments: {
          type: 'array',
          description: 'topic and options, one text each',
          items: { type: 'string', maxLength: 200 },
          maxItems: 60,
        },
      },
      ['arguments'],
    ),
    changes: false,
    isRemote: false,
    command: (given): ToolCommand => ({ args: [name, ...list(given, 'arguments')] }),
  };
}

const codesTool: McpTool = {
  name: 'codes',
  title: 'What response codes mean',
  description: 'The response codes of CoAP with their meaning, searched by code or word.',
  inputSchema: schema({
    search: { type: 'string', description: 'a code such as 4.04, or a word', maxLength: 100 },
    class: { type: 'string', description: 'success, client errors or server errors', enum: ['2', '4', '5'] },
    all: { type: 'boolean', description: 'all registered codes' },
  }),
  changes: false,
  isRemote: false,
  command: (given) => ({
    args: [
      'codes',
      ...option('class', text(given, 'class')),
      ...(given['all'] === true ? ['--all'] : []),
      // Behind --, so that it is no option.
      ...(text(given, 'search') === undefined ? [] : ['--', text(given, 'search') as string]),
    ],
  }),
};

const doctorTool: McpTool = {
  name: 'doctor',
  title: 'What is wrong with this machine',
  description:
    'Check this machine: sockets, IPv6, multicast, ports, MTU, clock, permissions. Sends nothing to others.',
  inputSchema: schema({}),
  changes: false,
  isRemote: false,
  command: () => ({ args: ['doctor', '--json'], answers: [ExitCode.Failure] }),
};

function deviceListTool(data: string): McpTool {
  return {
    name: 'device_list',
    title: 'Devices of the gateway',
    description:
      'The devices in the store of the gateway, with what they prove themselves with, without keys.',
    inputSchema: schema({}),
    changes: false,
    isRemote: false,
    command: () => ({ args: ['device', 'list', '--json', `--data=${data}`] }),
  };
}
