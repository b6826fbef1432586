/*
 * How long a client waits between two attempts to connect. That depends only on the client and the number of attempts.
 */

/** First and longest pause, milliseconds. */
const firstPauseMs = 100;
export const longestPauseMs = 5000;

/** The pause (ms) after `tries` attempts that failed. It doubles each time, and differs from client to client. */
export function pauseMs(clientId: string, tries: number): number {
  return Math.min(firstPauseMs * 2 ** tries, longestPauseMs) * spread(clientId, tries + 1);
}

/** A factor between 0.5 and 1.5, so that a thousand clients do not knock at the same moment. */
function spread(clientId: string, tries: number): number {
  let hash = tries;
  for (let i = 0; i < clientId.length; i++) hash = (Math.imul(hash, 31) + clientId.charCodeAt(i)) >>> 0;
  return 0.5 + (hash % 1024) / 1024;
}
