import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  adviseDeployment,
  type DeploymentAdvice,
  type DeploymentDomain,
  deploymentOf,
  deploymentPresets,
} from '../../src/advice/deployment.ts';
import { gatewayConfig } from '../../src/advice/gateway-config.ts';
import { parseConfig } from '../../src/config/config-file.ts';

type Changes = Parameters<typeof deploymentOf>[1];
const advise = (domain: DeploymentDomain, changes: Changes = {}): DeploymentAdvice =>
  adviseDeployment(deploymentOf(domain, changes));
const typesOf = ({ messages }: DeploymentAdvice): Readonly<Record<string, string>> =>
  Object.fromEntries(messages.map(({ what, advice }) => [what, advice.type]));

describe('what a deployment should use', () => {
  test('there is a preset for each domain', () => {
    assert.deepEqual(Object.keys(deploymentPresets), [
      'metering',
      'hvac',
      'lighting',
      'industrial',
      'hospital',
      'wearables',
      'agriculture',
      'lock',
    ]);
  });

  test('hospital: 200 devices every 30 s, DTLS with PSK, readings NON, alarms CON', () => {
    const advice = advise('hospital');
    assert.deepEqual([advice.deployment.devices, advice.deployment.reportSeconds], [200, 30]);
    assert.equal(advice.mode, 'dtls-psk');
    assert.equal(typesOf(advice)['readings'], 'NON');
    assert.equal(typesOf(advice)['alarms'], 'CON');
    assert.match(advice.uri, /^coaps:/);
  });

  test('hospital with a public key infrastructure: certificates', () => {
    assert.equal(advise('hospital', { publicKeyInfrastructure: true }).mode, 'dtls-certificate');
  });

  test('hospital in the clear is warned about, whatever was said of the data', () => {
    const advice = advise('hospital', { sensitiveData: false });
    assert.match(advice.warnings.join(), /patients must not go over plain CoAP/);
  });

  test('agriculture: OSCORE, NON, and nobody observes a device that sleeps', () => {
    const advice = advise('agriculture');
    assert.equal(advice.mode, 'oscore');
    assert.equal(typesOf(advice)['readings'], 'NON');
    assert.equal(advice.observe.pattern, 'none');
    assert.match(advice.uri, /^coap:/);
  });

  test('lighting: CON commands, DTLS, states observed, and multicast not protected by it', () => {
    const advice = advise('lighting');
    assert.equal(typesOf(advice)['commands'], 'CON');
    assert.equal(advice.mode, 'dtls-psk');
    assert.equal(advice.observe.pattern, 'clients-observe');
    assert.match(advice.warnings.join(), /multicast/);
  });

  test('HVAC: temperature observed, setpoints CON', () => {
    const advice = advise('hvac');
    assert.equal(advice.observe.pattern, 'clients-observe');
    assert.equal(typesOf(advice)['setpoints'], 'CON');
  });

  test('metering: what is paid for is CON, load profiles block-wise', () => {
    const types = typesOf(advise('metering'));
    assert.equal(types['readings'], 'CON');
    assert.equal(types['load profiles and firmware, block-wise'], 'CON');
  });

  test('industrial: certificates, alarms CON, telemetry NON; OSCORE where gateways are between', () => {
    const advice = advise('industrial');
    assert.equal(advice.mode, 'dtls-certificate');
    assert.deepEqual([typesOf(advice)['alarms'], typesOf(advice)['readings']], ['CON', 'NON']);
    assert.equal(
      advise('industrial', { publicKeyInfrastructure: false, untrustedProxies: true }).mode,
      'oscore',
    );
  });

  test('a lock is not opened over plain CoAP without a warning', () => {
    assert.match(advise('lock', { sensitiveData: false }).warnings.join(), /opens for everybody/);
  });

  test('6LoWPAN: blocks of 64 plain and 32 under DTLS, payloads over 128 are warned about', () => {
    assert.equal(advise('lighting', { sensitiveData: false }).blockBytes, 64);
    assert.equal(advise('lighting').blockBytes, 32);
    assert.match(advise('lighting', { payloadBytes: 129 }).warnings.join(), /make payloads smaller/);
    assert.doesNotMatch(advise('lighting', { payloadBytes: 128 }).warnings.join(), /make payloads smaller/);
  });

  test('a line of 9600 baud gets a longer ACK_TIMEOUT, one of 115200 the usual one', () => {
    assert.equal(advise('industrial', { link: 'serial-9600' }).ackTimeoutMs, 4000);
    assert.equal(advise('industrial').ackTimeoutMs, 2000);
  });
});

describe('the configuration for it', () => {
  test('names the files that the commands make which it begins with', () => {
    const text = gatewayConfig(advise('hospital', { publicKeyInfrastructure: true }));
    assert.match(text, /# .*keys ca && coapsule keys cert HOST --server --out gateway\n/);
    assert.match(text, /certificate: gateway\.pem\n {2}privateKey: gateway\.key\n {2}authorities: ca\.pem\n/);
    assert.match(text, /keys cert ID && coapsule device add ID --cert ID\.pem\n/);
  });

  for (const domain of Object.keys(deploymentPresets) as DeploymentDomain[]) {
    for (const changes of [
      {},
      { publicKeyInfrastructure: true, deepSleep: false },
      { sensitiveData: false },
    ]) {
      test(`is one that the gateway reads: ${domain} ${JSON.stringify(changes)}`, () => {
        const advice = advise(domain, changes);
        const text = gatewayConfig(advice);
        assert.doesNotMatch(text, /undefined|NaN/);
        const file = parseConfig(text, {
          resolvePath: (path) => path,
          readSecret: () => assert.fail('it names no secret'),
          variables: {},
          keyOf: () => assert.fail('it holds no key'),
        });
        if (!('options' in file)) assert.fail(JSON.stringify(file));
        const { options } = file;
        assert.equal(options.coaps === 'off', !advice.mode.startsWith('dtls'));
        assert.equal(options.dangerouslyAllowPlainWrites === true, advice.mode === 'plain');
      });
    }
  }
});
