/*
 * A real browser without a window: Chromium of Debian, spoken to by the DevTools protocol. It loads nothing from
 * elsewhere, and has a profile of its own.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../e2e/harness.ts";

/** Where Chromium is; null: it is not installed. */
const chromium: string | null = Bun.which("chromium", { PATH: `${process.env["PATH"] ?? ""}:/usr/bin` });

export interface Browser {
  /** Sends a command of the protocol to the page. Rejects when it fails. */
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  /** The value of an expression in the page. */
  value<T>(expression: string): Promise<T>;
  /** Waits until an expression in the page is true. */
  until(expression: string): Promise<void>;
  press(key: string): Promise<void>;
  /** A picture of the page as PNG. */
  picture(): Promise<Buffer>;
  /** What the console said that is no mere note, uncaught errors, and refused loads. */
  readonly complaints: readonly string[];
  /** The URL of each request. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, never>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** Starts a browser with one page. */
export async function openBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "hs-browser-"));
  const words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"];
  const quiet = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
  ];
  const more = [`--user-data-dir=${profile}`, "--ignore-certificate-errors", "--hide-scrollbars", "about:blank"];
  const child = Bun.spawn([chromium!, ...words, ...quiet, ...more], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const file = join(profile, "DevToolsActivePort");
  await until(() => existsSync(file) && readFileSync(file, "utf8").includes("\n"), "the port of the browser");
  const port = readFileSync(file, "utf8").split("\n")[0]!;
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
    type: string;
    webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(targets.find(({ type }) => type === "page")!.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  const waiting = new Map<number, (message: Message) => void>();
  const complaints: string[] = [];
  const requests: string[] = [];
  let count = 0;
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id !== undefined) {
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
    } else hear(message, complaints, requests);
  });
  const send: Browser["send"] = async (method, params = {}) => {
    const { promise, resolve } = Promise.withResolvers<Message>();
    waiting.set(++count, resolve);
    socket.send(JSON.stringify({ id: count, method, params }));
    const { result, error } = await promise;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  };
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  const value = async <T>(expression: string): Promise<T> => {
    const answer = await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    return (answer["result"] as { value: T }).value;
  };
  return {
    send,
    value,
    until: (expression) => until(() => value<boolean>(`Boolean(${expression})`), `in the page: ${expression}`),
    async press(key) {
      const text = key.length === 1 ? key : key === "Enter" ? "\r" : undefined;
      const code = { Tab: 9, Enter: 13, Escape: 27 }[key] ?? key.toUpperCase().charCodeAt(0);
      const event = { key, code: key.length === 1 ? "" : key, windowsVirtualKeyCode: code };
      await send("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...(text === undefined ? {} : { text }) });
      await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    },
    async picture() {
      const answer = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
      return Buffer.from(String(answer["data"]), "base64");
    },
    complaints,
    requests,
    async close() {
      socket.close();
      child.kill();
      await child.exited;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function hear({ method, params = {} }: Message, complaints: string[], requests: string[]): void {
  const said = JSON.stringify(params);
  if (method === "Network.requestWillBeSent") requests.push((params["request"] as unknown as { url: string }).url);
  if (method === "Runtime.exceptionThrown") complaints.push(said);
  if (method === "Log.entryAdded" && /"level":"(?:error|warning)"/.test(said)) complaints.push(said);
  if (method === "Runtime.consoleAPICalled" && /"type":"(?:error|warning)"/.test(said)) complaints.push(said);
}
