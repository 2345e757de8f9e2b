/** mosquitto as a user runs it, and somebody who listens to all that goes through it. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { type BackgroundProcess, freeTcpPort, start, temporaryFolder } from './process.ts';

/** A broker that keeps what it has, as a user runs it. */
export class Mosquitto {
  readonly port: number;
  readonly #t: TestContext;
  readonly #config: string;
  #process: BackgroundProcess | undefined;

  private constructor(t: TestContext, port: number, config: string) {
    this.#t = t;
    this.port = port;
    this.#config = config;
  }

  static async start(t: TestContext, ...lines: string[]): Promise<Mosquitto> {
    const folder = temporaryFolder(t);
    chmodSync(folder, 0o777);
    const port = await freeTcpPort();
    const config = join(folder, 'mosquitto.conf');
    const all = [
      `listener ${port} 127.0.0.1`,
      'user root',
      'persistence true',
      `persistence_location ${folder}/`,
      'autosave_on_changes true',
      'autosave_interval 1',
      ...lines,
    ];
    writeFileSync(config, `${all.join('\n')}\n`);
    const broker = new Mosquitto(t, port, config);
    await broker.up();
    return broker;
  }

  async up(): Promise<void> {
    this.#process = start(this.#t, 'mosquitto', ['-c', this.#config]);
    await this.#process.waitFor(/mosquitto version \S+ running/);
  }

  async down(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.stop(signal);
  }
}

/** Somebody who listens to all topics, and whom the test lets publish. */
export async function subscriber(
  t: TestContext,
  url: string,
  options: IClientOptions = {},
): Promise<{
  readonly client: MqttClient;
  readonly messages: { readonly topic: string; readonly payload: string; readonly properties: object }[];
}> {
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    clean: false,
    clientId: 'test',
    properties: { sessionExpiryInterval: 600 },
    reconnectPeriod: 100,
    ...options,
  });
  t.after(() => client.endAsync(true));
  const messages: { topic: string; payload: string; properties: object }[] = [];
  client.on('message', (topic, payload, packet) => {
    messages.push({ topic, payload: payload.toString(), properties: packet.properties ?? {} });
  });
  await client.subscribeAsync('#', { qos: 1 });
  return { client, messages };
}
