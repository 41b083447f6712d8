import { TrainyardError } from '@trainyard/contracts';
import type { FastifyRequest } from 'fastify';

/** Refuses, before anything is read, a NUL character in the address and a compressed body where none is taken. */
export async function refuseUnstorable(request: FastifyRequest): Promise<void> {
  if (request.url.includes('%00'))
    throw new TrainyardError('invalid_request', 'The address holds a NUL character.', { param: 'url' });
  const encoding = request.headers['content-encoding'];
  if (encoding && encoding !== 'identity' && !request.routeOptions.config.takesCompressed)
    throw new TrainyardError(
      'unsupported_media_type',
      `Content-Encoding ${encoding} is not taken here; send the body as it is.`,
      { param: 'Content-Encoding' },
    );
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route decompresses its body. */
    takesCompressed?: boolean;
  }
}
