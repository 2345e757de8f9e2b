/** A message broker in this process (aedes, MQTT 3.1.1), which can go away and come back on the same port. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Aedes } from 'aedes';

/** A message as the broker got it. */
export interface BrokerMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
  readonly qos: number;
}

/** See the file comment. */
export class TestBroker {
  readonly messages: BrokerMessage[] = [];
  #wake: (() => void)[] = [];
  #broker: Aedes | undefined;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  port = 0;

  static async start(t: TestContext): Promise<TestBroker> {
    const broker = new TestBroker();
    await broker.up();
    t.after(() => broker.down());
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const broker = await Aedes.createBroker();
    broker.on('publish', ({ topic, payload, retain, qos }, client) => {
      if (client === null) return;
      this.messages.push({ topic, payload: payload.toString(), retain, qos });
      for (const wake of this.#wake.splice(0)) wake();
    });
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      broker.handle(socket);
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#broker = broker;
    this.#server = server;
  }

  /** Ends as if its power was cut: no goodbye, and nothing is kept. */
  async down(): Promise<void> {
    const [broker, server] = [this.#broker, this.#server];
    this.#broker = undefined;
    this.#server = undefined;
    if (broker === undefined || server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await new Promise<void>((resolve) => broker.close(resolve));
  }

  /** The first message, past or to come, that fits. */
  async waitFor(fits: (message: BrokerMessage) => boolean): Promise<BrokerMessage> {
    for (;;) {
      const found = this.messages.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Somebody else publishes. */
  publish(topic: string, payload: string, retain = false): void {
    this.#broker?.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain, dup: false },
      () => {},
    );
  }
}
