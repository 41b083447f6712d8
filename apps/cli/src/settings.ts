/** Every environment variable that the command line reads; documentation is made from this. */
export const CLI_ENVIRONMENT = {
  TRAINYARD_URL: { default: 'http://127.0.0.1:8080', description: 'Address of the API (or --url).' },
  TRAINYARD_API_KEY: {
    default: undefined,
    description: 'The API key of every request; `up` and `demo` have their own.',
  },
  PORT: {
    default: '8080',
    description: 'up, demo: port of the API; where it is not set and 8080 is taken, a free one is chosen.',
  },
  TRAINYARD_ADMIN_KEY: {
    default: undefined,
    description: 'up: an admin key for the API to accept, instead of one that the first start prints.',
  },
  NO_COLOR: { default: undefined, description: 'Anything: no colours.' },
} as const;

/** All variables: `up` and `demo` hand them on to the processes that they start. */
export type Environment = Record<string, string | undefined>;
