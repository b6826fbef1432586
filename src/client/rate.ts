/*
 * How often a client may start a task: a token bucket. Each start takes a token, and tokens come back at a steady pace.
 * A client that has been idle finds a few of them, so that it makes up for the moments in which it was late. No clock
 * and no timer: whoever asks says what time it is, and learns when the next token comes.
 */

export interface TokenBucket {
  /** How many tokens come in a millisecond. */
  readonly perMs: number;
  /** The most tokens that are kept. */
  readonly most: number;
  /** The tokens that were there at `at`; a fraction is a token on its way. */
  tokens: number;
  /** When they were counted, milliseconds. */
  at: number;
}

/**
 * The bucket keeps what comes in this time (ms), and at least one token: in any second there are at most a tenth more
 * starts than the limit allows, or one more.
 */
const keptMs = 100;
/** What a sum of fractions may lack of a whole token. */
const tolerance = 1e-9;

/** A bucket with one token. `perSecond`: starts per second, above 0, also a fraction. `now`: milliseconds. */
export function newTokenBucket(perSecond: number, now: number): TokenBucket {
  const perMs = perSecond / 1000;
  return { perMs, most: Math.max(1, perMs * keptMs), tokens: 1, at: now };
}

/** How many whole tokens are there at `now`, milliseconds. */
export function tokensAt(bucket: TokenBucket, now: number): number {
  const passed = Math.max(0, now - bucket.at);
  bucket.tokens = Math.min(bucket.most, bucket.tokens + passed * bucket.perMs);
  bucket.at = Math.max(bucket.at, now);
  return Math.floor(bucket.tokens + tolerance);
}

/** Takes a token, if there is one at `now`, milliseconds. */
export function takeToken(bucket: TokenBucket, now: number): boolean {
  if (tokensAt(bucket, now) < 1) return false;
  bucket.tokens = Math.max(0, bucket.tokens - 1);
  return true;
}

/** Puts a token back: the task did not start. */
export function returnToken(bucket: TokenBucket): void {
  bucket.tokens = Math.min(bucket.most, bucket.tokens + 1);
}

/** When there is a token, milliseconds of the clock whose time was last told. */
export function nextToken({ tokens, perMs, at }: TokenBucket): number {
  return tokens + tolerance >= 1 ? at : at + (1 - tokens) / perMs;
}
