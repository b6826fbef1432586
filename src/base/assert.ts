/*
 * Conditions that our own code guarantees. Blames us, never the user.
 */

/** Throws an Error with the message when the condition does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/**
 * For the `default` of a switch over a union: a new member does not compile until it is handled. Throws when reached.
 */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
