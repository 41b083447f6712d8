/** What can be set in one variable; documentation is made from this. */
export interface Variable {
  description: string;
  /** Used where the variable is absent or empty. */
  default?: string;
  required?: true;
  /** Never to be logged or shown. */
  secret?: true;
}

/** Every environment variable that the API reads. */
export const ENVIRONMENT = {
  DATABASE_URL: {
    description: 'Postgres, the truth about everything: postgres://user:password@host:port/name.',
    required: true,
    secret: true,
  },
  REDIS_URL: {
    description: 'Redis for the queue: redis://host:port. Without it the queue lives in Postgres.',
    secret: true,
  },
  STORAGE_URL: {
    description:
      'Where datasets and checkpoints lie: an absolute folder, file:///folder or s3://bucket/prefix.',
    required: true,
  },
  HOST: { description: 'Address to listen on; 0.0.0.0 for every interface.', default: '127.0.0.1' },
  PORT: { description: 'Port to listen on; 0 for any free one.', default: '8080' },
  TRAINYARD_ADMIN_KEY: {
    description: 'An admin API key to accept, at least 16 characters. Without it the first start makes one.',
    secret: true,
  },
  LOG_LEVEL: { description: 'trace, debug, info, warn, error, fatal or silent.', default: 'info' },
  IMPORT_ROOTS: {
    description:
      'Folders, divided by colons, whose files may be imported as datasets. None: imports are off.',
  },
  MAX_UPLOAD_BYTES: {
    description: 'Largest dataset upload, before and after decompression.',
    default: '10737418240',
  },
  LEASE_SECONDS: { description: 'A worker without a heartbeat for so long counts as lost.', default: '8' },
  RECONCILE_SECONDS: {
    description: 'How often runs, pipelines and the queue are brought in line with Postgres.',
    default: '1',
  },
  RETENTION_GRACE_SECONDS: {
    description: "How long the files of a checkpoint stay after its run's retention gave it up.",
    default: '600',
  },
  ORPHAN_GRACE_SECONDS: {
    description: 'How long files that no row refers to stay; longer than any upload takes.',
    default: '86400',
  },
  TRAINYARD_BACKEND: {
    description: 'TensorFlow.js backend: auto, tensorflow-gpu, tensorflow, wasm or cpu.',
    default: 'auto',
  },
  INFERENCE_BACKEND: { description: 'The backend for inference, if it is to be another one.' },
  MIGRATE_ON_START: {
    description: 'true: apply the migrations of prisma/migrations that the database lacks before serving.',
    default: 'false',
  },
  DATA_DIR: {
    description:
      "Folder for temporary files of about an upload's size. Default: trainyard-api in the temporary folder.",
  },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof ENVIRONMENT;
