/*
 * The handshake of a session (PROTOCOL.md, section 2), line by line: the answer to each line of the peer, when the peer
 * has proved that it knows the key, and why it is refused. Sends nothing and sets no timer; session.ts does.
 */
import { isShort, proof, same, type Secret, type Side, slowKey, type Transcript } from "./auth.ts";
import { type ProblemKind, WireProblem } from "./problem.ts";

/** The version of the protocol; both sides must have the same. */
const protocolVersion = 1;
/** Says that this side makes short keys slow to guess, and with which parameters. Earlier programs do not know it. */
const scryptVersion = 1;

export interface Handshake {
  readonly side: Side;
  readonly peerSide: Side;
  /** As people share it. */
  readonly key: string;
  /** 32 random bytes of this side, hex. */
  readonly ownNonce: string;
  /** The channel binding, hex; null without TLS. */
  readonly binding: string | null;
  /** Null until the peer has sent its nonce. */
  transcript: Transcript | null;
  /** What proofs are made with: the key, or what scrypt makes of it once it is known that the peer does the same. */
  secret: Secret;
}

/** Why a handshake has failed. `word` is told to the peer; null: it is told nothing. */
export interface Refusal {
  readonly kind: "refuse";
  readonly problem: WireProblem;
  readonly word: string | null;
}

export type Answer =
  /** The handshake goes on with this line. */
  | { readonly kind: "say"; readonly line: object }
  /** The peer has proved that it knows the key. `line`, if there is one, is sent before anything else. */
  | { readonly kind: "shown"; readonly line: object | null; readonly transcript: Transcript }
  | Refusal;

/** A handshake that has not begun. `nonce`: 32 random bytes; `binding`: of the TLS channel, null without TLS. */
export function newHandshake(side: Side, key: string, nonce: Uint8Array, binding: Uint8Array | null): Handshake {
  return {
    side,
    peerSide: side === "client" ? "server" : "client",
    key,
    ownNonce: hex(nonce),
    binding: binding === null ? null : hex(binding),
    transcript: null,
    secret: key,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The first line of the client, and the first answer of the server. */
export function greeting({ ownNonce }: Handshake): object {
  return { hypershell: protocolVersion, nonce: ownNonce, scrypt: scryptVersion };
}

/** The last line for a peer that is refused. */
export function farewell(word: string): object {
  return { hypershell: protocolVersion, error: word };
}

/** The answer to a line of the peer. Notes the peer's nonce. */
export function answerTo(handshake: Handshake, line: string): Answer {
  const { peerSide, transcript } = handshake;
  const fields = fieldsOf(line);
  if (fields === null) return refuse("malformed", strange(peerSide, line));
  const { error, hypershell: version, proof: shown } = fields;
  if (typeof version !== "number") return refuse("malformed", strange(peerSide, line));
  if (version !== protocolVersion) {
    const theirs = `speaks version ${version} of the protocol, this program version ${protocolVersion}`;
    return refuse("version", `the ${peerSide} ${theirs} - use the same version of hs on both sides`, "version");
  }
  if (typeof error === "string") return refusedBy(peerSide, error);
  return transcript === null ? exchange(handshake, fields) : checkProof(handshake, transcript, shown);
}

function exchange(handshake: Handshake, { nonce, scrypt, proof: shown }: Fields): Answer {
  const { side, peerSide, key, ownNonce, binding } = handshake;
  if (typeof nonce !== "string" || !/^[0-9a-f]{64}$/.test(nonce) || shown !== undefined)
    return refuse("malformed", `the ${peerSide} began without a nonce`);
  const clientNonce = side === "client" ? ownNonce : nonce;
  const serverNonce = side === "client" ? nonce : ownNonce;
  const transcript: Transcript = { version: protocolVersion, clientNonce, serverNonce, binding };
  // A client never proves a short key as it is: whoever is at the port could guess it at leisure. A server takes that
  // from clients of earlier versions, for it gives nothing away: it proves the key only to who has done so.
  if (isShort(key) && scrypt === scryptVersion) handshake.secret = slowKey(key);
  else if (isShort(key) && side === "client") return refuse("version", noScrypt);
  handshake.transcript = transcript;
  // The client proves the key first, so that a scanner gets nothing to try keys on.
  return {
    kind: "say",
    line: side === "server" ? greeting(handshake) : proofLine(handshake.secret, "client", transcript),
  };
}

const noScrypt =
  "the server is of an earlier version, which makes it easy to guess a key of fewer than 32 characters - update it, " +
  "or give both sides a longer key (hs config set server.auth --generate)";

function checkProof({ side, peerSide, secret }: Handshake, transcript: Transcript, shown: unknown): Answer {
  if (typeof shown !== "string" || !same(shown, proof(secret, peerSide, transcript))) {
    const text = `the ${peerSide} does not know the key, or somebody is in between`;
    return refuse("key", text, side === "server" ? "key" : null);
  }
  const line = side === "server" ? proofLine(secret, "server", transcript) : null;
  return { kind: "shown", line, transcript };
}

function proofLine(secret: Secret, side: Side, transcript: Transcript): object {
  return { hypershell: protocolVersion, proof: proof(secret, side, transcript) };
}

function refuse(kind: ProblemKind, text: string, word: string | null = null): Refusal {
  return { kind: "refuse", problem: new WireProblem(kind, text), word };
}

function refusedBy(peerSide: Side, word: string): Refusal {
  switch (word) {
    case "key":
      return refuse("key", `the ${peerSide} does not accept the key`);
    case "version":
      return refuse("version", `the ${peerSide} does not speak version ${protocolVersion} of the protocol`);
    case "busy":
      return refuse("busy", `the ${peerSide} has too many connections that are not known yet`);
    case "guesses":
      return refuse("busy", `the ${peerSide} had many wrong keys from this host or network, and checks few at a time`);
    default:
      return refuse("malformed", `the ${peerSide} refuses: ${JSON.stringify(word.slice(0, 60))}`);
  }
}

function strange(peerSide: Side, line: string): string {
  if (/^(?:GET|POST|HEAD|PUT|OPTIONS) |^HTTP\//.test(line)) return `the ${peerSide} speaks HTTP`;
  return `the ${peerSide} does not speak the protocol of hs: ${JSON.stringify(line.slice(0, 40))}`;
}

/** Why a peer is refused if its first bytes are TLS and this side speaks none. Null: they are not TLS. */
export function refusedTls({ side, peerSide }: Handshake, chunk: Uint8Array): Refusal | null {
  if (!looksLikeTls(chunk)) return null;
  const text = `the ${peerSide} speaks TLS, this ${side} does not - use --no-tls on both sides or on neither`;
  return refuse("tls", text, side === "server" ? "tls" : null);
}

/** Whether bytes begin a TLS record: handshake (0x16) or alert (0x15), version 3.x. */
function looksLikeTls(chunk: Uint8Array): boolean {
  return (chunk[0] === 0x16 || chunk[0] === 0x15) && (chunk.length < 2 || chunk[1] === 0x03);
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
