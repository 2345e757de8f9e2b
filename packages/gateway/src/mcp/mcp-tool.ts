/**
 * What a tool is: its description for the assistant, and the command line that it stands for. Types only.
 *
 * @module
 */

import type { InputSchema } from './input-schema.ts';
import type { JsonObject } from './json-rpc.ts';

/** A command line with what goes to its standard input. */
export interface ToolCommand {
  readonly args: readonly string[];
  readonly input?: Uint8Array;
  /** Exit codes beside 0 that are an answer and no failure. */
  readonly answers?: readonly number[];
}

/** Why a call is not carried out, with what to do. */
export interface ToolRefusal {
  readonly refused: string;
}

/** One tool. */
export interface McpTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: InputSchema;
  /** Whether it may change something at a device or server. */
  readonly changes: boolean;
  /** Whether it speaks to others over the network. */
  readonly isRemote: boolean;
  /** The command for arguments that fit the schema. */
  readonly command: (given: JsonObject) => ToolCommand | ToolRefusal;
}
