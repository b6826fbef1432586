/*
 * Answers of the page: its own files, and the headers that every answer has. What may be asked for is decided
 * elsewhere.
 */
import { createHash } from "node:crypto";
import type { Asked, Rules } from "./admission.ts";
import entryFile from "./entry.html" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import style from "./page.css" with { type: "text" };
import pageFile from "./page.html" with { type: "text" };
import script from "./browser.js" with { type: "text" };

/** Bun has a type of its own for HTML files, which does not know that they are asked for as texts. */
const [entry, page] = [entryFile, pageFile] as unknown as [string, string];

export interface Answers {
  /** One of the page's own files; null: there is none of this name. */
  file(path: string): Response | null;
  /** Gives the cookie, and leads to the page without the token. */
  enter(fromElsewhere: boolean): Response;
  /** A person who comes without the token is told where it is; programs get one line. */
  refuse(status: number, text: string, asked: Asked): Response;
  events(stream: ReadableStream<Uint8Array>): Response;
  json(data: object): Response;
  text(status: number, text: string): Response;
  plain(text: string, type: string): Response;
}

/** Nothing is kept, framed, guessed or told to others. */
const always = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
} as const;

/** Only our own files count, and no text becomes HTML. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types";

const text = "text/plain; charset=utf-8";

function respond(
  body: string | ReadableStream<Uint8Array> | null,
  type: string,
  more: Readonly<Record<string, string>> = {},
  status = 200,
): Response {
  const headers = { "Content-Security-Policy": policy, ...always, "Content-Type": type, ...more };
  return new Response(body, { status, headers });
}

/** The answers of a page with these rules. */
export function newAnswers({ secrets, control }: Rules, version: string): Answers {
  const made = page.replace("{{version}}", version).replace("{{control}}", control ? secrets.control : "");
  const files: Readonly<Record<string, readonly [string, string]>> = {
    "/": [made, "text/html; charset=utf-8"],
    "/page.css": [style, "text/css; charset=utf-8"],
    "/page.js": [script, "text/javascript; charset=utf-8"],
    "/icon.svg": [icon, "image/svg+xml"],
  };
  const secure = secrets.cookieName.startsWith("__Host-") ? "; Secure" : "";
  const cookie = `${secrets.cookieName}=${secrets.cookie}; Path=/; HttpOnly; SameSite=Strict${secure}`;
  return {
    file(path) {
      const found = Object.hasOwn(files, path) ? files[path] : undefined;
      return found === undefined ? null : respond(found[0], found[1]);
    },
    enter(fromElsewhere) {
      // After a link on another site the browser would not send the cookie where a redirect leads to: that still counts
      // as coming from there. Where a page leads to that we have answered with, it does.
      if (fromElsewhere) return respond("", text, { "Set-Cookie": cookie, Refresh: "0; url=/" });
      return respond(null, text, { "Set-Cookie": cookie, Location: "/" }, 303);
    },
    refuse(status, why, { method, path, mode }) {
      const isPerson = method === "GET" && path === "/" && mode === "navigate";
      if (!isPerson) return respond(`${why}\n`, text, status === 401 ? { "WWW-Authenticate": "Bearer" } : {}, status);
      const shown = entry.replace("{{why}}", escapeHtml(why));
      return respond(shown, "text/html; charset=utf-8", { "Content-Security-Policy": entryPolicy }, status);
    },
    events: (stream) => respond(stream, "text/event-stream; charset=utf-8", { "X-Accel-Buffering": "no" }),
    json: (data) => respond(JSON.stringify(data), "application/json; charset=utf-8"),
    text: (status, said) => respond(`${said}\n`, text, {}, status),
    plain: (body, type) => respond(body, type),
  };
}

function escapeHtml(said: string): string {
  return said.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const entryStyle = /<style>([\s\S]*?)<\/style>/.exec(entry)?.[1] ?? "";

/** The page of who has no token has its style inside, and a form for the token. */
const entryPolicy =
  `default-src 'none'; style-src 'sha256-${createHash("sha256").update(entryStyle).digest("base64")}'; ` +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
