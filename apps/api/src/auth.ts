import { type ApiKey, type Scope, TrainyardError } from '@trainyard/contracts';
import { authenticate, type Database } from '@trainyard/db';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long a key that was found good counts as good without another look: what revoking elsewhere may take. */
const CACHE_MS = 5000;
const CACHED_KEYS = 1000;

export interface Authenticator {
  /** The key that the request shows. Throws `unauthenticated`. */
  identify(request: FastifyRequest): Promise<ApiKey>;
  /** Looks at the database again for every key. */
  forget(): void;
}

export function createAuthenticator(db: Database): Authenticator {
  const known = new Map<string, { key: ApiKey; until: number }>();
  return {
    async identify(request) {
      const [, secret] = /^Bearer +([\x21-\x7e]{1,200})$/i.exec(request.headers.authorization ?? '') ?? [];
      if (!secret) throw unauthenticated('Send an API key: "Authorization: Bearer ty_...".');
      const cached = known.get(secret);
      if (cached && cached.until > performance.now()) return cached.key;
      known.delete(secret);
      const key = await authenticate(db, secret);
      if (!key) throw unauthenticated('The API key is not known, or was revoked.');
      if (known.size >= CACHED_KEYS) known.clear();
      known.set(secret, { key, until: performance.now() + CACHE_MS });
      return key;
    },
    forget: () => known.clear(),
  };
}

const unauthenticated = (message: string): TrainyardError => new TrainyardError('unauthenticated', message);

/** Lets a request pass whose key has the scope of its route; `admin` has all. Throws `forbidden`. */
export function guard(authenticator: Authenticator) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { scope } = request.routeOptions.config;
    if (!scope) return;
    reply.header('cache-control', 'no-store');
    request.apiKey = await authenticator.identify(request);
    if (!mayUse(request.apiKey, scope))
      throw new TrainyardError(
        'forbidden',
        `This needs a key with the scope ${scope}; "${request.apiKey.name}" has ${request.apiKey.scopes.join(', ')}.`,
      );
  };
}

const mayUse = ({ scopes }: ApiKey, scope: Scope | 'any'): boolean =>
  scope === 'any' || scopes.includes(scope) || scopes.includes('admin');

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a key needs for this route; `any`: a key is enough. */
    scope?: Scope | 'any';
  }
  interface FastifyRequest {
    apiKey: ApiKey;
  }
}
