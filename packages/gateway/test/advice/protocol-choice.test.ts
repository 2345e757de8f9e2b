import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  adviseProtocol,
  protocolCriteria,
  protocolCriterionNames,
} from '../../src/advice/protocol-choice.ts';

describe('the protocol chooser', () => {
  test('has 7 criteria for CoAP, 4 for HTTP and 5 for MQTT', () => {
    const { CoAP, HTTP, MQTT } = protocolCriteria;
    assert.deepEqual([CoAP.size, HTTP.size, MQTT.size], [7, 4, 5]);
    assert.equal(new Set(protocolCriterionNames).size, 16);
  });

  test('each protocol is named when all its criteria are met, and no other is', () => {
    for (const [protocol, criteria] of Object.entries(protocolCriteria)) {
      const { protocols, scores } = adviseProtocol([...criteria.keys()]);
      assert.deepEqual(protocols, [protocol]);
      assert.equal(scores[0]!.share, 1);
    }
  });

  test('a share counts, not a number: one of four for HTTP is more than one of seven for CoAP', () => {
    assert.deepEqual(adviseProtocol(['constrained', 'browser']).protocols, ['HTTP']);
  });

  test('all criteria together are a tie, with the bridge and the proxy named', () => {
    const { protocols, hints } = adviseProtocol(protocolCriterionNames);
    assert.deepEqual(protocols, ['CoAP', 'HTTP', 'MQTT']);
    assert.match(hints.join('\n'), /--http/);
    assert.match(hints.join('\n'), /--mqtt/);
  });

  test('where browsers ask for devices that speak CoAP, the proxy is named', () => {
    const { protocols, hints } = adviseProtocol(['constrained', 'low-power', 'rest', 'browser']);
    assert.deepEqual(protocols, ['CoAP']);
    assert.match(hints.join(), /RFC 8075/);
  });

  test('no criterion, no protocol', () => {
    assert.deepEqual(adviseProtocol([]).protocols, []);
  });
});
