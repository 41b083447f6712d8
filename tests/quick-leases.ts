/** Seconds. */
export const LEASE_SECONDS = 4;

/** The environment in which a dead worker is noticed in half the time. */
export const QUICK_LEASES = { LEASE_SECONDS: String(LEASE_SECONDS), HEARTBEAT_SECONDS: '0.5' };
