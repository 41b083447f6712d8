import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { TrainyardError } from '@trainyard/contracts';
import { type Functions, mapValues, type Program, refuseUnknown, type Tensors } from '../program.ts';
import { GraphBackend, type Variable } from './graph-backend.ts';
import { control, GraphBuilder, nodeOf, type Output } from './graph-builder.ts';
import { GRAPH_BACKEND, registerGraphKernels } from './register-graph-kernels.ts';

/** The part of tfjs-node's backend that loads and runs graphs. */
interface SessionBackend {
  isGPUPackage: boolean;
  isUsingGpuDevice: boolean;
  loadSavedModelMetaGraph(folder: string, tags: string): number;
  runSavedModel(
    id: number,
    inputs: tf.Tensor[],
    inputNames: { name: string }[],
    outputs: string[],
  ): tf.Tensor[];
  deleteSavedModel(id: number): void;
}

interface Shaped {
  shape: number[];
  dtype: tf.DataType;
}

/** A function at given input shapes, as one part of a loaded graph. */
interface Entry {
  inputs: Record<string, Shaped>;
  /** Placeholders by input, fetches by output. */
  feeds: Record<string, string>;
  fetches: Record<string, Output>;
}

interface Loaded {
  session: number;
  entries: Map<string, Entry>;
  variables: Map<string, Variable & Shaped>;
}

const native = () => tf.findBackend('tensorflow') as unknown as SessionBackend;
const shaped = ({ shape, dtype }: tf.Tensor): Shaped => ({ shape, dtype });

/**
 * Functions on a state that live in one TensorFlow graph with the state in its variables. A function is traced at its
 * first call with inputs of these shapes; the graph is then built anew with all that it held, and takes the state over.
 */
export class CompiledProgram<Name extends string> implements Program<Name> {
  readonly #functions: Functions<Name>;
  readonly #signatures = new Map<string, { name: Name; inputs: Record<string, Shaped> }>();
  #state: Record<string, Shaped>;
  /** Set until the first graph takes the state over. */
  #initial: Tensors | undefined;
  #loaded: Loaded | undefined;

  /** Takes `state` over: it is disposed of once it lies in a graph. */
  constructor(functions: Functions<Name>, state: Tensors) {
    this.#functions = functions;
    this.#initial = mapValues(state, (tensor) => tf.keep(tensor));
    this.#state = mapValues(state, shaped);
  }

  run(name: Name, inputs: Tensors): Tensors {
    const shapes = mapValues(inputs, shaped);
    const key = JSON.stringify([name, shapes]);
    if (!this.#signatures.has(key)) {
      this.#signatures.set(key, { name, inputs: shapes });
      try {
        this.#rebuild();
      } catch (error) {
        this.#signatures.delete(key);
        throw error;
      }
    }
    const { session, entries } = this.#loaded!;
    const { feeds, fetches } = entries.get(key)!;
    const outputs = runGraph(
      session,
      Object.values(inputs),
      Object.keys(inputs).map((input) => feeds[input]!),
      Object.values(fetches),
    );
    return Object.fromEntries(Object.keys(fetches).map((output, i) => [output, outputs[i]!]));
  }

  read(names = Object.keys(this.#state)): Tensors {
    if (this.#initial)
      return Object.fromEntries(names.map((name) => [name, tf.clone(this.#initial![name]!)]));
    const { session, variables } = this.#loaded!;
    const reads = names.map((name) => variables.get(name)!.read);
    const outputs = runGraph(session, [], [], reads);
    return Object.fromEntries(names.map((name, i) => [name, outputs[i]!]));
  }

  write(values: Tensors): void {
    if (this.#initial) {
      for (const [name, value] of Object.entries(values)) {
        this.#initial[name]!.dispose();
        this.#initial[name] = tf.keep(tf.clone(value));
      }
      return;
    }
    assign(this.#loaded!, values);
  }

  dispose(): void {
    if (this.#initial) tf.dispose(this.#initial);
    if (this.#loaded) native().deleteSavedModel(this.#loaded.session);
    this.#initial = undefined;
    this.#loaded = undefined;
  }

  #rebuild(): void {
    const next = this.#build();
    const state = this.read();
    assign(next, state);
    tf.dispose(state);
    this.dispose();
    this.#loaded = next;
  }

  #build(): Loaded {
    const graph = new GraphBuilder(
      native().isGPUPackage ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node',
    );
    const backend = new GraphBackend(graph, native().isUsingGpuDevice ? 'gpu' : 'cpu');
    const variables = new Map<string, Variable & Shaped>();
    for (const [name, { shape, dtype }] of Object.entries(this.#state)) {
      const handle = graph.add(
        'VarHandleOp',
        [],
        { dtype: { type: dtype }, shape: { shape }, shared_name: { string: name } },
        `variable_${variables.size}`,
      );
      const read = graph.add('ReadVariableOp', [handle], { dtype: { type: dtype } });
      variables.set(name, { handle, read, shape, dtype });
    }
    const entries = new Map<string, Entry>();
    within(backend, () => {
      for (const [key, { name, inputs }] of this.#signatures)
        entries.set(key, trace(this.#functions[name], inputs, variables, backend, `f${entries.size}`));
    });
    for (const { handle, dtype, shape } of variables.values()) {
      const attributes = { dtype: { type: dtype } };
      const value = graph.add('Placeholder', [], { ...attributes, shape: { shape } }, setName(handle));
      const assigned = graph.add('AssignVariableOp', [handle, value], attributes);
      graph.add(
        'Identity',
        [graph.int(0), control(assigned)],
        { T: { type: 'int32' } },
        assignedName(handle),
      );
    }
    return { session: load(graph), entries, variables };
  }
}

/** One function as nodes: placeholders, what it computes, and assignments of the state that it changes. */
function trace(
  step: Functions<string>[string],
  inputs: Record<string, Shaped>,
  variables: ReadonlyMap<string, Variable & Shaped>,
  backend: GraphBackend,
  prefix: string,
): Entry {
  const { graph } = backend;
  const tensor = (info: tf.TensorInfo) => tf.engine().makeTensorFromTensorInfo(info);
  const feeds: Record<string, string> = {};
  let fetches: Record<string, Output> = {};
  tf.tidy(() => {
    const fed: Tensors = {};
    for (const [name, { shape, dtype }] of Object.entries(inputs)) {
      const attributes = { dtype: { type: dtype }, shape: { shape } };
      feeds[name] = graph.add('Placeholder', [], attributes, `${prefix}/${Object.keys(feeds).length}`);
      fed[name] = tensor(backend.symbol(feeds[name], shape, dtype));
    }
    const held: Tensors = {};
    for (const [name, variable] of variables)
      held[name] = tensor(backend.symbol(variable.read, variable.shape, variable.dtype, { variable }));
    const { outputs, state = {} } = step(held, fed);
    const written = Object.entries(state).map(([name, value]) => {
      const variable = variables.get(name);
      if (!variable) return refuseUnknown(name);
      const symbol = backend.get(value);
      if (symbol.variable === variable && symbol.inPlace) return symbol.output;
      if (symbol.variable === variable) return undefined;
      return graph.add('AssignVariableOp', [variable.handle, symbol.output, control(variable.read)], {
        dtype: { type: variable.dtype },
      });
    });
    const after = written.filter((output) => output !== undefined).map(control);
    fetches = Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [
        name,
        graph.add('Identity', [backend.get(value).output, ...after], { T: { type: value.dtype } }),
      ]),
    );
  });
  return { inputs, feeds, fetches };
}

/** Runs `build` with the graph as TensorFlow.js' backend. */
function within(backend: GraphBackend, build: () => void): void {
  registerGraphKernels();
  const before = tf.getBackend();
  tf.registerBackend(GRAPH_BACKEND, () => backend, 0);
  try {
    void tf.setBackend(GRAPH_BACKEND); // takes effect at once, since the backend is made without waiting
    build();
  } finally {
    void tf.setBackend(before);
    tf.removeBackend(GRAPH_BACKEND);
  }
}

function load(graph: GraphBuilder): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'trainyard-graph-'));
  try {
    writeFileSync(path.join(folder, 'saved_model.pb'), graph.toSavedModel());
    return native().loadSavedModelMetaGraph(folder, 'serve');
  } catch (cause) {
    throw new TrainyardError(
      'internal',
      `A compiled step was refused by TensorFlow: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runGraph(session: number, inputs: tf.Tensor[], feeds: string[], fetches: Output[]): tf.Tensor[] {
  try {
    return native().runSavedModel(
      session,
      inputs,
      feeds.map((name) => ({ name })),
      fetches,
    );
  } catch (cause) {
    throw new TrainyardError('internal', `A compiled step failed: ${(cause as Error).message}`, { cause });
  }
}

const setName = (handle: Output): string => `set/${nodeOf(handle)}`;
const assignedName = (handle: Output): string => `assigned/${nodeOf(handle)}`;

function assign({ session, variables }: Loaded, values: Tensors): void {
  const handles = Object.keys(values).map((name) => variables.get(name)!.handle);
  const done = runGraph(
    session,
    Object.values(values),
    handles.map((handle) => `${setName(handle)}:0`),
    handles.map((handle) => `${assignedName(handle)}:0`),
  );
  tf.dispose(done);
}
