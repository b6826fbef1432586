/* How long a client waits between two attempts to connect. */

/** First and longest pause, milliseconds. */
const firstPauseMs = 100;
export const longestPauseMs = 5000;

/** After `tries` attempts that failed: they double, and are different for each client. */
export function pauseMs(clientId: string, tries: number): number {
  return Math.min(firstPauseMs * 2 ** tries, longestPauseMs) * spread(clientId, tries + 1);
}

/** Between a half and one and a half: a thousand clients do not knock at the same moment. */
function spread(clientId: string, tries: number): number {
  let hash = tries;
  for (let i = 0; i < clientId.length; i++) hash = (Math.imul(hash, 31) + clientId.charCodeAt(i)) >>> 0;
  return 0.5 + (hash % 1024) / 1024;
}
