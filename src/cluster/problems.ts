/*
 * The table of what can be wrong with a connection, with the CRITICAL line of the side that connected (`hs client` or
 * `hs submit --queue`) and its exit status. The line also says what to do, where that is known.
 */
import { runtimeError, type UserError } from "../base/errors.ts";
import type { ProblemKind } from "../wire/problem.ts";

export interface ConnectionProblem {
  readonly kind: ProblemKind;
  /** The description of the problem by wire/. */
  readonly text: string;
}

/** The error that the user reads. `logger` names the side that connected: `client` or `submit`. */
export function problemError(logger: string, host: string, { kind, text }: ConnectionProblem): UserError {
  const [name, said] = line(kind, text, host);
  // The text of the wire may begin with the name already.
  return runtimeError(logger, name, said.startsWith(`${name}: `) ? said.slice(name.length + 2) : said);
}

function line(kind: ProblemKind, text: string, host: string): readonly [name: string, text: string] {
  switch (kind) {
    case "refused":
      return ["ConnectionRefusedError", text.includes("refused") ? text : `[Errno 111] Connection refused: ${text}`];
    case "unreachable":
      if (/resolve/i.test(text)) return ["HostAddressInfo", `Could not resolve host '${host}'`];
      return ["OSError", text];
    case "silent":
      return ["TimeoutError", text];
    case "lost":
      return [/\breset\b/i.test(text) ? "ConnectionResetError" : "EOFError", lost(text)];
    case "tls":
      return ["TLSError", text];
    case "certificate":
      if (/fingerprint/i.test(text)) return ["TLSError", text];
      return ["SSLCertVerificationError", `${text} - ${otherWays}`];
    case "key":
      return ["AuthenticationError", text];
    case "version":
    case "malformed":
      return ["ProtocolError", text];
    case "busy":
      return ["ConnectionError", text];
  }
}

const otherWays =
  "server.tls.fingerprint pins the certificate that the server logs when it starts; " +
  "without server.tls.cafile the proof of the key is enough";
const hungUp = "server disconnected";

function lost(text: string): string {
  return text === "" || text.includes(hungUp) ? text || hungUp : `${hungUp} (${text})`;
}
