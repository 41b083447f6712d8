import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Value } from 'typebox/value';
import { type ErrorDetail, TrainyardError } from './errors.ts';
import { resolveModel } from './model.ts';
import { STAGE_CONFIG, type Stage, type StageConfig } from './stage-config.ts';

const validators = new Map<Stage, Validator>();

function validator(stage: Stage): Validator {
  let found = validators.get(stage);
  if (!found) {
    found = Compile(STAGE_CONFIG[stage] as TSchema) as unknown as Validator;
    validators.set(stage, found);
  }
  return found;
}

/** `/optimization/steps` -> `config.optimization.steps` */
const dotted = (prefix: string, pointer: string): string => prefix + pointer.replaceAll('/', '.');

/** Objects that a schema requires but the client left out, so that their own defaults can fill them. */
function withObjects(schema: TSchema, value: unknown): unknown {
  const { properties, required } = schema as { properties?: Record<string, TSchema>; required?: string[] };
  if (!properties || value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const filled: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  for (const [name, property] of Object.entries(properties)) {
    const nested = (property as { properties?: unknown }).properties !== undefined;
    if (nested && filled[name] === undefined && required?.includes(name)) filled[name] = {};
    filled[name] = withObjects(property, filled[name]);
    if (filled[name] === undefined) delete filled[name];
  }
  return filled;
}

/**
 * A stage's configuration with every default filled in.
 * Throws `invalid_config` naming each field that is unknown, of the wrong type, out of range or cannot fit.
 */
export function parseStageConfig<S extends Stage>(stage: S, config: unknown): StageConfig[S] {
  const schema = STAGE_CONFIG[stage] as TSchema;
  const filled = Value.Default(schema, withObjects(schema, config ?? {}));
  const check = validator(stage);
  if (!check.Check(filled)) throw configError(stage, check, filled);
  const parsed = filled as StageConfig[S];
  if (stage === 'pretrain') {
    const pretrain = parsed as StageConfig['pretrain'];
    pretrain.model = resolveModel(pretrain.model);
  }
  return parsed;
}

function configError(stage: Stage, check: Validator, value: unknown): TrainyardError {
  const details: ErrorDetail[] = check
    .Errors(value)
    .filter((error) => error.keyword !== 'boolean') // repeats what additionalProperties says
    .slice(0, 10)
    .map((error) => {
      const unknown = (error.params as { additionalProperties?: string[] }).additionalProperties;
      const param = dotted('config', error.instancePath) + (unknown?.[0] ? `.${unknown[0]}` : '');
      const allowed = (error.params as { allowedValues?: unknown[] }).allowedValues;
      const message = unknown
        ? 'is not an option'
        : allowed
          ? `must be one of ${allowed.join(', ')}`
          : error.message;
      return { param, message };
    });
  const first = details[0] ?? { param: 'config', message: 'is not valid' };
  return new TrainyardError('invalid_config', `${first.param} ${first.message} (stage ${stage}).`, {
    param: first.param!,
    details,
  });
}
