/**
 * Credentials that admins give the explorer under a name: a pre-shared key, a raw public key or a certificate, an OSCORE context, or one
 * of those with a context. They are sealed in the store (store/explorer-table.ts), are used by name, and never leave the gateway again:
 * what is told of one is which kind it is, and what of it is public.
 */
import { Client, describeCertificates, describePublicKey } from 'coapsule';
import { parseUriPattern } from '../cli/uri-pattern.ts';
import type { ExplorerCredentialFacts, ExplorerTable } from '../store/explorer-table.ts';
import { ApiFailure } from './api-failure.ts';
import type {
  ExplorerOscore,
  NamedCredentialView,
  NewNamedCredential,
  TypedCredential,
} from './api-types.ts';
import { explorerContext } from './explorer-oscore.ts';
import { type CredentialUse, typedProof } from './explorer-proof.ts';
import { hexOf } from './hex.ts';
import { refused } from './peer-problem.ts';

/** So many names. */
const mostNamed = 200;

/** The secret part of one. */
interface NamedContent {
  readonly proof?: TypedCredential;
  readonly oscore?: ExplorerOscore;
}

/** Keeps one. @throws ApiFailure for what no client can use, and for a name that is taken. */
export async function addNamedCredential(
  table: Pick<ExplorerTable, 'add' | 'all'>,
  { name, proof, oscore, target = '', forOperators = false }: NewNamedCredential,
  addedAtMs: number,
): Promise<NamedCredentialView> {
  if (proof === undefined && oscore === undefined)
    throw new ApiFailure('invalid', 'a credential has a key, a certificate or an OSCORE context');
  const pattern = target === '' ? undefined : parseUriPattern(target);
  if (typeof pattern === 'string') throw new ApiFailure('invalid', `for which addresses: ${pattern}`);
  if (proof !== undefined) {
    const options = typedProof(proof);
    refused(() => void new Client(options).close());
  }
  const context = oscore && explorerContext(oscore);
  const about = [
    ...(proof === undefined ? [] : [publicFacts(proof)]),
    ...(context === undefined
      ? []
      : [
          `Sender ID ${hexOf(context.parameters.senderId) || 'empty'}, Recipient ID ${hexOf(context.parameters.recipientId) || 'empty'}`,
        ]),
  ].join('; ');
  const content: NamedContent = {
    ...(proof !== undefined && { proof }),
    ...(oscore !== undefined && { oscore }),
  };
  const facts: ExplorerCredentialFacts = {
    ...{ name, target, forOperators, addedAtMs },
    facts: JSON.stringify({ proof: proof?.kind ?? null, oscore: oscore !== undefined, about }),
  };
  if (table.all().length >= mostNamed)
    throw new ApiFailure('conflict', `there are ${mostNamed} credentials already`, 'remove one of them');
  if (!table.add({ ...facts, content: JSON.stringify(content) }))
    throw new ApiFailure(
      'conflict',
      `there is a credential of the name ${name} already`,
      'remove it first, or choose another name',
    );
  return factsOfNamed(facts);
}

/** What may be shown. */
export function factsOfNamed({
  name,
  facts,
  target,
  forOperators,
  addedAtMs,
}: ExplorerCredentialFacts): NamedCredentialView {
  const { proof, oscore, about } = JSON.parse(facts) as Pick<
    NamedCredentialView,
    'proof' | 'oscore' | 'about'
  >;
  return { name, proof, oscore, about, target: target === '' ? null : target, forOperators, addedAtMs };
}

/** One to use. @throws ApiFailure for one that is not there, that this user may not use, or not for this address. */
export function namedCredential(
  table: Pick<ExplorerTable, 'find'>,
  name: string,
  { user, uri, hop }: CredentialUse,
): NamedContent {
  const found = table.find(name);
  // Who may not use it is not told whether it is there.
  if (found === undefined || (!found.forOperators && user.role !== 'admin'))
    throw new ApiFailure(
      'not-found',
      `there is no credential of the name ${name} for you`,
      'choose one of the list; admins add others',
    );
  const { proof, oscore } = JSON.parse(found.content) as NamedContent;
  const asked = [
    ...(proof !== undefined && hop.secure ? [hop] : []),
    // End to end: with the server, whichever proxy is between.
    ...(oscore === undefined ? [] : [uri]),
  ];
  const pattern = found.target === '' ? undefined : parseUriPattern(found.target);
  for (const { text } of asked) {
    if (typeof pattern === 'object' && !pattern.matches(text))
      throw new ApiFailure(
        'forbidden',
        `the credential ${name} is for ${found.target} alone, and this is ${text}`,
        'correct the address, or choose another credential',
      );
  }
  return { ...(proof !== undefined && { proof }), ...(oscore !== undefined && { oscore }) };
}

/** What the server sees in clear, or a digest of it. */
function publicFacts(proof: TypedCredential): string {
  switch (proof.kind) {
    case 'psk':
      return `identity ${proof.identity}`;
    case 'rpk':
      return describePublicKey(proof.privateKeyPem).fingerprint;
    case 'x509': {
      const { certificatePem } = proof;
      if (certificatePem === undefined) return 'trust in an authority';
      const [own] = describeCertificates(new TextEncoder().encode(certificatePem));
      return own === undefined ? '' : `${own.subject}, until ${own.notAfter.toISOString().slice(0, 10)}`;
    }
  }
}
