/*
 * Who may see the page: the token and what is made of it, the names by which the page may be called, and which sites
 * may send requests. Decides by what a request says, and does no I/O.
 *
 * A browser shows the token once, in the first URL. It gets a cookie for it, and is sent to the URL without it. A
 * program shows it in each request (Authorization: Bearer). The cookie and the secret of a form are made of the token
 * by HMAC, so none of them tells another.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";

/** What is secret of a page. */
export interface Secrets {
  readonly token: string;
  /** The name of the cookie. Cookies do not tell ports apart, so the port is in it. */
  readonly cookieName: string;
  readonly cookie: string;
  /** What the page itself must show to change something. */
  readonly control: string;
}

/** The secrets that belong to a token. `port`: where the page is; `secure`: whether by TLS. */
export function secretsOf(token: string, port: number, secure: boolean): Secrets {
  const made = (of: string): string => createHmac("sha256", token).update(of).digest("hex");
  // Browsers take a cookie with this prefix only from the host itself by TLS, never from a neighbour of its domain.
  const prefix = secure ? "__Host-" : "";
  return { token, cookieName: `${prefix}hs_web_${port}`, cookie: made("cookie"), control: made("control") };
}

/** Whether two texts are the same. How long it takes does not depend on where they differ. */
export function isSame(given: string, secret: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

/** What a request says of itself; null: nothing. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  /** The token in its URL. */
  readonly token: string | null;
  readonly host: string | null;
  readonly origin: string | null;
  /** Sec-Fetch-Site and Sec-Fetch-Mode. */
  readonly site: string | null;
  readonly mode: string | null;
  readonly cookie: string | null;
  readonly authorization: string | null;
  /** What it shows to change something. */
  readonly control: string | null;
}

export type Verdict =
  /** It may see the page. */
  | { readonly kind: "pass" }
  /** It showed the token in its URL: it gets the cookie, and is sent on. */
  | { readonly kind: "enter"; readonly fromElsewhere: boolean }
  | { readonly kind: "refused"; readonly status: 400 | 401 | 403 | 421; readonly text: string };

export interface Rules {
  readonly secrets: Secrets;
  /** The names of this host by which the page may be called, in small letters. Addresses need not be there. */
  readonly names: ReadonlySet<string>;
  /** Whether tasks may be changed. */
  readonly control: boolean;
}

/** Judges a request. What it may ask for otherwise is not looked at. */
export function judge(asked: Asked, rules: Rules): Verdict {
  const { secrets } = rules;
  const name = hostOf(asked.host);
  if (name === null) return refused(400, "The request names no host.");
  // A foreign name that leads here is how a site of somebody else reads what only this host may (DNS rebinding).
  if (!isOurName(name, rules.names))
    return refused(421, `This page is not known as ${name}. Use an address, or add the name to web.hosts.`);
  const fromElsewhere = asked.site === "cross-site" || asked.site === "same-site";
  // People may follow a link from anywhere; nothing else of another site may send requests.
  const isVisit = asked.method === "GET" && asked.path === "/" && asked.mode === "navigate";
  if (fromElsewhere && !isVisit) return refused(403, "Requests of other sites are refused.");
  if (asked.origin !== null && !isOurOrigin(asked.origin, asked.host!))
    return refused(403, "Requests of other sites are refused.");
  const bearer = /^Bearer +(\S+)$/i.exec(asked.authorization ?? "")?.[1] ?? null;
  if (bearer !== null) return isSame(bearer, secrets.token) ? pass : refused(401, "The token is not the right one.");
  if (asked.token !== null && asked.method === "GET" && asked.path === "/")
    return isSame(asked.token, secrets.token)
      ? { kind: "enter", fromElsewhere }
      : refused(401, "The token is not the right one.");
  const cookie = cookieOf(asked.cookie, secrets.cookieName);
  if (cookie === null || !isSame(cookie, secrets.cookie)) return refused(401, "The token is missing.");
  return pass;
}

/** Whether a request that may see the page may change tasks, too; null: it may. */
export function mayChange(asked: Asked, rules: Rules): Verdict | null {
  if (!rules.control) return refused(403, "This page only shows: start it with --web-control to change tasks.");
  // A browser sends no such header of itself, so who shows the token there is no page of somebody else.
  if (asked.authorization !== null) return null;
  if (asked.origin === null) return refused(403, "The request does not say where it comes from.");
  if (asked.control === null || !isSame(asked.control, rules.secrets.control))
    return refused(403, "The request does not come from the page as it is now: load it again.");
  return null;
}

const pass: Verdict = { kind: "pass" };

function refused(status: 400 | 401 | 403 | 421, text: string): Verdict {
  return { kind: "refused", status, text };
}

/** The host of a header Host, in small letters, without brackets and port; null: there is none. */
function hostOf(header: string | null): string | null {
  const [, bracketed, named] =
    /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(header?.toLowerCase() ?? "") ?? [];
  return bracketed ?? named?.replace(/\.$/, "") ?? null;
}

/** An address is no name that somebody else could lead here. */
function isOurName(name: string, names: ReadonlySet<string>): boolean {
  return isIP(name) !== 0 || name === "localhost" || names.has(name);
}

/** A proxy may speak TLS for us, so the scheme is not compared. */
function isOurOrigin(origin: string, host: string): boolean {
  const [, at] = /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase()) ?? [];
  return at === host.toLowerCase();
}

function cookieOf(header: string | null, name: string): string | null {
  for (const part of (header ?? "").split(";")) {
    const at = part.indexOf("=");
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return null;
}
