import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

interface Operation {
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
export interface OpenApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

const escapePointer = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');

/** Checks answers against the OpenAPI document: what is served must be what is promised. */
export function createConformance(document: OpenApiDocument) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv as never);
  ajv.addSchema({ ...document, $id: 'api' });
  const paths = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));

  return (method: string, url: string, status: number, type: string, body: unknown): void => {
    const found = paths.find(({ pattern }) => pattern.test(url.split('?')[0]!));
    const operation = found && document.paths[found.path]![method.toLowerCase()];
    if (!found || !operation) return;
    const answer = [String(status), `${String(status)[0]}XX`].find((code) => operation.responses[code]);
    if (!answer) throw new Error(`${method} ${found.path} answers ${status}, which is not documented`);
    const content = operation.responses[answer]!.content ?? {};
    const media = type.split(';')[0]!;
    if (!media.includes('json')) return;
    if (!content[media]) throw new Error(`${method} ${found.path} answers ${media}, which is not documented`);
    const pointer = [
      'paths',
      found.path,
      method.toLowerCase(),
      'responses',
      answer,
      'content',
      media,
      'schema',
    ];
    const validate = ajv.getSchema(`api#/${pointer.map(escapePointer).join('/')}`);
    if (!validate) throw new Error(`no schema at ${pointer.join(' ')}`);
    if (!validate(body))
      throw new Error(`${method} ${url}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(body)}`);
  };
}
