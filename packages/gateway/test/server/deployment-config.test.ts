/** The configuration that the domain configurator gives, as the file that it is: with its printed commands a device is added and heard. */

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  adviseDeployment,
  type DeploymentAdvice,
  type DeploymentDomain,
  deploymentOf,
  deploymentPresets,
} from '../../src/advice/deployment.ts';
import { gatewayConfig } from '../../src/advice/gateway-config.ts';
import { peerTest } from '../interop/peer.ts';
import { lineUri, VirtualLine } from '../interop/virtual-line.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess, type Ended } from './gateway-process.ts';
import { runIn } from './run-in.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const domains = Object.keys(deploymentPresets) as readonly DeploymentDomain[];

/** A folder in which `coapsule` is a command, and a gateway of the configuration that was saved there. */
class Deployed {
  readonly folder: string;
  readonly advice: DeploymentAdvice;
  readonly #t: TestContext;
  readonly #file: string;
  #address = '';

  constructor(t: TestContext, advice: DeploymentAdvice) {
    this.#t = t;
    this.advice = advice;
    this.#file = gatewayConfig(advice);
    this.folder = temporaryFolder(t);
    const bin = join(this.folder, 'bin');
    mkdirSync(bin);
    const shim = join(bin, 'coapsule');
    writeFileSync(
      shim,
      `#!/bin/sh\nexec '${process.execPath}' --conditions=@coapsule/source '${main}' "$@"\n`,
    );
    chmodSync(shim, 0o755);
  }

  /** A command as a person types it. */
  run(command: string): Promise<Ended> {
    const path = `${join(this.folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    return runIn(this.#t, 'sh', ['-c', command], { cwd: this.folder, path });
  }

  /** One that has to go well. */
  async good(command: string): Promise<Ended> {
    const ended = await this.run(command);
    assert.equal(ended.code, 0, `${command}: ${ended.stdout}${ended.stderr}`);
    return ended;
  }

  /** What the file says behind some words, with names in the place of its own. */
  command(after: string): string | undefined {
    const line = this.#file.split('\n').find((one) => one.startsWith(`# ${after}: `));
    return line
      ?.slice(`# ${after}: `.length)
      .replaceAll(/\bID\b/g, 'dev-1')
      .replaceAll(/\bHOST\b/g, '127.0.0.1');
  }

  /** Starts the gateway; only ports and the device of the line are other ones. */
  async start(line?: string): Promise<void> {
    const text = this.#file
      .replaceAll(/"\[::\]:568[34]"/g, '127.0.0.1:0')
      .replaceAll('/dev/ttyUSB0', line ?? '/dev/ttyUSB0');
    assert.notEqual(text, this.#file);
    const config = join(this.folder, 'gateway.yaml');
    writeFileSync(config, text);
    const gateway = new CoapsuleProcess(this.#t, ['serve', '--config', config, '--http', 'off']);
    const { coap, coaps } = await gateway.ready();
    const { mode } = this.advice;
    assert.equal(coaps !== undefined, mode.startsWith('dtls'), JSON.stringify({ coap, coaps }));
    assert.equal(coap !== undefined, !mode.startsWith('dtls'), JSON.stringify({ coap, coaps }));
    this.#address = coaps === undefined ? `coap://${coap}` : `coaps://${coaps}`;
  }

  /** The place of the device's reports, as the configurator says it. */
  report(server = this.#address): string {
    const path = this.advice.uri.slice(this.advice.uri.indexOf('/sensors/')).replace('ID', 'dev-1');
    return server + path;
  }

  /** Adds the device by the printed command. @returns how it proves itself to `coapsule put`. */
  async addDevice(): Promise<string> {
    const add = this.command('Devices are added with');
    if (this.advice.mode === 'plain') {
      assert.equal(add, undefined);
      return '';
    }
    const { stdout } = await this.good(add ?? assert.fail('it does not say how devices are added'));
    switch (this.advice.mode) {
      case 'dtls-psk':
        return `-u dev-1 -k ${stdout.trim()}`;
      case 'dtls-certificate':
        return '-c dev-1.pem -j dev-1.key -C ca.pem';
      default:
        return '--oscore dev-1.oscore';
    }
  }
}

async function deploy(t: TestContext, advice: DeploymentAdvice, line?: string) {
  const deployed = new Deployed(t, advice);
  const files = deployed.command('Its files are made with');
  assert.equal(files !== undefined, advice.mode === 'dtls-certificate');
  if (files !== undefined) await deployed.good(files);
  const proof = await deployed.addDevice();
  await deployed.start(line);
  return { deployed, proof };
}

describe('a gateway of the configuration for', () => {
  for (const domain of domains) {
    const advice = adviseDeployment(deploymentOf(domain));
    test(`${domain} takes reports of a device that is added as it says, by ${advice.mode}, and of no other`, async (t) => {
      const { deployed, proof } = await deploy(t, advice);
      const value = '21.5';
      await deployed.good(`coapsule put '${deployed.report()}' -e ${value} ${proof}`);
      const read = await deployed.good(`coapsule get '${deployed.report()}' ${proof}`);
      assert.equal(read.stdout.trim(), value);
      // The device of somebody else: the same way in, another place.
      const foreign = await deployed.run(
        `coapsule put '${deployed.report().replace('dev-1', 'dev-2')}' -e 0 ${proof}`,
      );
      assert.equal(foreign.code, 4, foreign.stderr);
      assert.match(foreign.stderr, /4\.03/);
      // And somebody without any proof.
      const stranger = await deployed.run(`coapsule put '${deployed.report()}' -e 0 -B 5`);
      assert.notEqual(stranger.code, 0, stranger.stdout);
    });
  }

  test('lamps whose data are not sensitive takes reports without any key, as it warns', async (t) => {
    const advice = adviseDeployment(deploymentOf('lighting', { sensitiveData: false }));
    const { deployed } = await deploy(t, advice);
    await deployed.good(`coapsule put '${deployed.report()}' -e on`);
    const read = await deployed.good(`coapsule get '${deployed.report()}'`);
    assert.equal(read.stdout.trim(), 'on');
  });
});

peerTest(
  'a gateway of the configuration for an industrial network takes reports over its serial line, by DTLS with certificates',
  ['socat'],
  async (t) => {
    const line = await VirtualLine.open(t);
    const advice = adviseDeployment(deploymentOf('industrial'));
    const { deployed, proof } = await deploy(t, advice, line.near);
    const report = deployed.report(lineUri('coaps+serial', line.far));
    await deployed.good(`coapsule put '${report}' -e 4.2 ${proof} --sni 127.0.0.1`);
    const read = await deployed.good(`coapsule get '${deployed.report()}' ${proof}`);
    assert.equal(read.stdout.trim(), '4.2');
  },
);
