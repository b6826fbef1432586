/*
 * The table of what can be wrong with a connection, with the CRITICAL line of the side that connected (`hs client` or
 * `hs submit --queue`) and its exit status. The line also says what to do, where that is known.
 */
import { runtimeError, sentence, type UserError } from "../base/errors.ts";
import type { ProblemKind } from "../wire/problem.ts";

export interface ConnectionProblem {
  readonly kind: ProblemKind;
  /** The description of the problem by wire/. */
  readonly text: string;
}

/** The error that the user reads. `logger` names the side that connected: `client` or `submit`. */
export function problemError(logger: string, host: string, { kind, text }: ConnectionProblem): UserError {
  return runtimeError(logger, sentence(line(kind, text, host)));
}

function line(kind: ProblemKind, text: string, host: string): string {
  switch (kind) {
    case "refused":
      return text.includes("refused") ? text : `Connection refused: ${text}`;
    case "unreachable":
      return /resolve/i.test(text) ? `Could not resolve host '${host}'` : text;
    case "key":
      return `${text} - give both sides the same key (server.auth, HYPERSHELL_SERVER_AUTH or --auth-file)`;
    case "lost":
      return lost(text);
    case "certificate":
      return /fingerprint/i.test(text) ? text : `${text} - ${otherWays}`;
    default:
      return text;
  }
}

const otherWays =
  "server.tls.fingerprint pins the certificate that the server logs when it starts; " +
  "without server.tls.cafile the proof of the key is enough";
const hungUp = "server disconnected";

function lost(text: string): string {
  return text.includes(hungUp) ? text : `the ${hungUp}${text === "" ? "" : ` (${text})`}`;
}
