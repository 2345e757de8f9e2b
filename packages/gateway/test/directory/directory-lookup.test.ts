/** The examples of RFC 9176, by section. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeLinkFormat, type Link } from 'coapsule/message';
import { findEndpoints, findResources, type Lookup, lookupOf } from '../../src/directory/directory-lookup.ts';
import { registeredLinks } from '../../src/directory/registered-links.ts';
import type { Registration } from '../../src/directory/registration.ts';

function linksOf(text: string): readonly Link[] {
  const links = registeredLinks(new TextEncoder().encode(text));
  assert.ok(typeof links !== 'string', String(links));
  return links;
}

function registration(
  name: string,
  base: string,
  text: string,
  more: Partial<Registration> = {},
): Registration {
  return {
    ...{ id: `id-${name}`, name, sector: '', owner: name, lifetimeSeconds: 90_000, attributes: [] },
    base: { uri: base, isGiven: true, zone: undefined },
    links: linksOf(text),
    expiresAtMs: Number.POSITIVE_INFINITY,
    ...more,
  };
}

function asked(...queries: string[]): Lookup {
  const lookup = lookupOf(queries);
  assert.ok(typeof lookup !== 'string', String(lookup));
  return lookup;
}

const targets = (links: readonly Link[]): readonly string[] => links.map(({ target }) => target);

/** The payload of the sixth response of RFC 6690 §5. */
const platform =
  '</sensors>;ct=40;title="Sensor Index",</sensors/temp>;rt="temperature-c";if="sensor",' +
  '</sensors/light>;rt="light-lux";if="sensor",<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",' +
  '</t>;anchor="/sensors/temp";rel="alternate"';
const et = 'tag:example.com,2020:platform';
const sensor1 = registration('sensor1', 'coap://sensor1.example.com', platform, { attributes: [['et', et]] });
const sensor2 = registration('sensor2', 'coap://sensor2.example.com', platform, {
  attributes: [['et', et]],
  sector: 'floor-3',
});
const other = registration(
  'other',
  'coap://[2001:db8:3::124]',
  '</west>;rt="light-lux tag:example.org,2020:light"',
);
const all = [sensor1, sensor2, other];

test('§6.3 Figure 22: links of an endpoint type, relative ones resolved and absolute ones as they are', () => {
  const found = encodeLinkFormat(findResources(all, asked(`et=${et}`)));
  const of = (name: string): string =>
    `<coap://${name}.example.com/sensors>;ct=40;title="Sensor Index",` +
    `<coap://${name}.example.com/sensors/temp>;rt="temperature-c";if="sensor",` +
    `<coap://${name}.example.com/sensors/light>;rt="light-lux";if="sensor",` +
    `<http://www.example.com/sensors/t123>;anchor="coap://${name}.example.com/sensors/temp";rel="describedby",` +
    `<coap://${name}.example.com/t>;anchor="coap://${name}.example.com/sensors/temp";rel="alternate"`;
  assert.equal(found, `${of('sensor1')},${of('sensor2')}`);
});

test('§6.2: all criteria must match, of a list each value by itself, with * as a prefix', () => {
  assert.deepEqual(targets(findResources(all, asked('rt=tag:example.org,2020:light'))), [
    'coap://[2001:db8:3::124]/west',
  ]);
  assert.deepEqual(targets(findResources(all, asked('rt=light*'))), [
    'coap://sensor1.example.com/sensors/light',
    'coap://sensor2.example.com/sensors/light',
    'coap://[2001:db8:3::124]/west',
  ]);
  assert.deepEqual(targets(findResources(all, asked('rt=light*', 'd=floor-3', 'if=sensor'))), [
    'coap://sensor2.example.com/sensors/light',
  ]);
  assert.deepEqual(findResources(all, asked('rt=light*', 'ep=nobody')), []);
});

test('§6.2: a link matches what its endpoint matches, and an endpoint what one of its links matches', () => {
  assert.equal(findResources(all, asked('ep=sensor1')).length, 5);
  assert.deepEqual(targets(findEndpoints(all, asked('rt=temperature-c'))), [
    '/rd/id-sensor1',
    '/rd/id-sensor2',
  ]);
  // Each criterion may be matched by another link of the endpoint.
  assert.deepEqual(
    targets(findEndpoints(all, asked('rt=temperature-c', 'title=Sensor Index', 'd=floor-3'))),
    ['/rd/id-sensor2'],
  );
});

test('§6.2: href is the resolved target of a resource, or the registration, as a path or a URI', () => {
  const target = 'coap://sensor1.example.com/sensors/temp';
  assert.deepEqual(targets(findResources(all, asked(`href=${target}`))), [target]);
  assert.deepEqual(targets(findEndpoints(all, asked(`href=${target}`))), ['/rd/id-sensor1']);
  assert.deepEqual(targets(findEndpoints(all, asked('href=/rd/id-other'))), ['/rd/id-other']);
  assert.deepEqual(targets(findEndpoints(all, asked('href=coaps://rd.example.com/rd/id-other'))), [
    '/rd/id-other',
  ]);
  assert.deepEqual(targets(findResources(all, asked('href=/rd/id-other'))), [
    'coap://[2001:db8:3::124]/west',
  ]);
  assert.deepEqual(
    findResources(all, asked('href=/sensors/temp')),
    [],
    'a relative reference names no resource',
  );
  assert.equal(findResources(all, asked('anchor=coap://sensor2.example.com/sensors/temp')).length, 2);
});

test('§6.2, Figure 21: page and count cut the result, and page needs count', () => {
  const many = registration(
    'many',
    'coap://[2001:db8:3::123]:61616',
    Array.from({ length: 12 }, (_, n) => `</res/${n}>;ct=60`).join(),
  );
  const page = (...queries: string[]): readonly string[] => targets(findResources([many], asked(...queries)));
  assert.deepEqual(
    page('page=1', 'count=5'),
    [5, 6, 7, 8, 9].map((n) => `coap://[2001:db8:3::123]:61616/res/${n}`),
  );
  assert.equal(page('count=5').length, 5);
  assert.equal(page('page=2', 'count=5').length, 2);
  assert.deepEqual(page('page=3', 'count=5'), []);
  assert.deepEqual(page('count=0'), []);
  assert.equal(page().length, 12);
  for (const wrong of [['page=1'], ['count=x'], ['count'], ['count=1', 'count=2'], ['count=-1']]) {
    assert.equal(typeof lookupOf(wrong), 'string', wrong.join('&'));
  }
});

test('§6.4, Figure 23: an endpoint is shown with name, sector, base, type and its attributes, not with its lifetime', () => {
  assert.equal(
    encodeLinkFormat(findEndpoints(all, asked(`et=${et}`, 'd=floor-3'))),
    `</rd/id-sensor2>;ep="sensor2";d="floor-3";base="coap://sensor2.example.com";rt="core.rd-ep";et="${et}"`,
  );
});

test('Appendix A: a group is an endpoint with a multicast base and the type core.rd-group', () => {
  const lights = registration(
    'lights',
    'coap://[ff35:30:2001:db8:f1::8000:1]',
    '</light>;rt="tag:example.com,2020:light"',
    {
      attributes: [['et', 'core.rd-group']],
    },
  );
  assert.deepEqual(targets(findEndpoints([...all, lights], asked('et=core.rd-group'))), ['/rd/id-lights']);
  assert.deepEqual(targets(findResources([...all, lights], asked('et=core.rd-group'))), [
    'coap://[ff35:30:2001:db8:f1::8000:1]/light',
  ]);
});

test('Appendix C: links are in Limited Link Format, anything else is refused with what is wrong', () => {
  for (const bad of ['<temp>', '<//host/a>', '<>', '</a>;anchor="b"', '</a>;anchor=""', '<?a>', 'x', '</a']) {
    assert.equal(typeof registeredLinks(new TextEncoder().encode(bad)), 'string', bad);
  }
  assert.match(String(registeredLinks(Uint8Array.of(0xff))), /not UTF-8/);
  assert.deepEqual(registeredLinks(new Uint8Array()), [], 'an endpoint may have nothing to show');
});

test('nobody is found under the name of another endpoint by attributes of links (§7.1)', () => {
  const liar = registration(
    'liar',
    'coap://liar.example',
    '</light>;rt="light";ep="sensor1";d="floor-3";base="coap://sensor1.example.com"',
  );
  for (const criterion of ['ep=sensor1', 'd=floor-3', 'base=coap://sensor1.example.com', 'ep=sens*']) {
    const found = [
      ...findResources([liar], asked(criterion, 'rt=light')),
      ...findEndpoints([liar], asked(criterion)),
    ];
    assert.deepEqual(found, [], criterion);
  }
  assert.equal(findResources([liar], asked('ep=liar')).length, 1);
});
