// Whether a request is sent again, and when. To send one again does no harm, since it has a key.

import { FanwayProblem } from "./errors.js";

/** How often a request is tried again, and with what waits. Times are milliseconds. */
export interface Retry {
  /** Tries after the first; 0 for none. 6 where nothing is said. */
  readonly times: number;
  /** The longest wait before the second try, doubled with each that follows. 500. */
  readonly first: number;
  /** The longest wait that isn't asked for by the gateway. 20,000. */
  readonly longest: number;
  /** The longest wait that the gateway may ask for; beyond it its refusal is thrown. 60,000. */
  readonly patience: number;
}

export const USUAL: Retry = { times: 6, first: 500, longest: 20_000, patience: 60_000 };

/** Statuses that say nothing against sending the same again. */
const TRANSIENT = new Set([408, 429, 502, 503, 504]);

/** Whether a refusal may be no refusal the next time. */
export function isTransient(problem: FanwayProblem): boolean {
  // The first of two equal requests isn't answered yet, and its answer is wanted.
  return TRANSIENT.has(problem.status) || problem.code === "idempotency_key_busy";
}

/**
 * The wait before another try, the `tried` first ones having failed; none where it isn't worth one.
 * Where the gateway has said when, it is never sooner.
 */
export function pause(retry: Retry, tried: number, failure: unknown): number | undefined {
  const told = failure instanceof FanwayProblem ? failure.retryAfter : undefined;
  if (tried > retry.times || (told ?? 0) > retry.patience) {
    return undefined;
  }
  if (failure instanceof FanwayProblem && !isTransient(failure)) {
    return undefined;
  }
  // All who failed together must not come again together.
  const chance = Math.random();
  return told === undefined
    ? chance * Math.min(retry.longest, retry.first * 2 ** (tried - 1))
    : told + chance * retry.first;
}
