/** URI mapping templates: the examples of RFC 8075 §5.4, and what is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeLinkFormat } from 'coapsule';
import { anchoredProxyLinks, proxyLinks } from '../../src/http/proxy-links.ts';
import { parseUriTemplate, type UriTemplate } from '../../src/http/uri-template.ts';

function template(text: string): UriTemplate {
  const parsed = parseUriTemplate(text);
  return typeof parsed === 'string' ? assert.fail(parsed) : parsed;
}

const examples: readonly (readonly [template: string, rest: string, target: string])[] = [
  ['?target_uri={+tu}', '?target_uri=coap://s.example.com/light', 'coap://s.example.com/light'],
  ['?target_uri={+tu}', '?target_uri=coaps://s.example.com/light', 'coaps://s.example.com/light'],
  ['forward/{+tu}', 'forward/coap://s.example.com/light', 'coap://s.example.com/light'],
  ['{+s}/{+hp}{+p}{+qq}', 'coap/s.example.com/light', 'coap://s.example.com/light'],
  ['{+s}/{+hp}{+p}{+qq}', 'coap/s.example.com/light?on', 'coap://s.example.com/light?on'],
  ['{+s}/{+hp}{+p}{+qq}', 'coaps/%5B2001:db8::1%5D:61616', 'coaps://%5B2001:db8::1%5D:61616'],
  ['?s={+s}&hp={+hp}&p={+p}&q={+q}', '?s=coap&hp=s.example.com&p=/light&q=', 'coap://s.example.com/light'],
  [
    '?s={+s}&hp={+hp}&p={+p}&q={+q}',
    '?s=coaps&hp=s.example.com&p=/light&q=on',
    'coaps://s.example.com/light?on',
  ],
  ['?s={+s}&hp={+hp}&p={+p}&q={+q}', '?s=coaps&hp=a&p=/b&q=on&off', 'coaps://a/b?on&off'],
  // Without a scheme in the template it is coap.
  ['{+hp}{+p}', 's.example.com/light', 'coap://s.example.com/light'],
  // As clients send it that escape every query.
  ['?uri={+tu}', '?uri=coap%3A%2F%2Fs.example.com%2Flight%3Fa%3Db', 'coap://s.example.com/light?a=b'],
];

for (const [text, rest, target] of examples) {
  test(`§5.4: ${text} makes ${target} of ${rest}`, () => assert.equal(template(text).target(rest), target));
}

test('what has another form is none of it', () => {
  assert.equal(template('?target_uri={+tu}').target('coap://s.example.com/light'), undefined);
  assert.equal(template('{+s}/{+hp}{+p}').target('http/s.example.com/light'), undefined);
  assert.equal(template('a.b/{+tu}').target('axb/coap://s'), undefined);
});

for (const wrong of [
  '',
  '{tu}',
  '{+uri}',
  '{+tu}{+tu}',
  '{+tu}?q={+q}',
  '{+s}{+p}',
  '{+hp}{+q}{+qq}',
  'a b',
  '<{+tu}>',
]) {
  test(`"${wrong}" is no template`, () => assert.equal(typeof parseUriTemplate(wrong), 'string'));
}

test('§5.5: for CoAP the links have the origin of the HTTP endpoint as their anchor', () => {
  assert.equal(
    encodeLinkFormat(anchoredProxyLinks([template('?uri={+tu}')], 'https://p.example.com')),
    '</hc/>;anchor="https://p.example.com";rt="core.hc",</hc/>;anchor="https://p.example.com";rt="core.hc";hct="?uri={+tu}"',
  );
});

test('§5.5: the links name the template where it is not the default one', () => {
  assert.equal(proxyLinks([], undefined), '</hc/>;rt="core.hc"');
  assert.equal(proxyLinks([], 'core.*'), '</hc/>;rt="core.hc"');
  assert.equal(proxyLinks([], 'core.rd'), '');
  assert.equal(
    proxyLinks([template('?uri={+tu}')], 'core.hc'),
    '</hc/>;rt="core.hc",</hc/>;rt="core.hc";hct="?uri={+tu}"',
  );
});
