import { describe, expect, test } from "bun:test";
import { openBrowser } from "../systems/browser.ts";
import { needs, openSite, type Running, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

interface Paged {
  readonly server: Running;
  readonly port: string;
  /** Where the page is, without the token. */
  readonly url: string;
  readonly token: string;
}

async function startPage(site: Site, words: readonly string[]): Promise<Paged> {
  const { server, port } = await startServer(site, ["--web", "0", ...words], { env: secured });
  await until(() => /\?token=\w+/.test(server.stderr()), server.stderr);
  const [, url, token] = /(http:\S+)\?token=(\w+)/.exec(server.stderr()) ?? [];
  return { server, port, url: url!, token: token! };
}

test("only who has the token sees the page, and only a page with --web-control changes tasks", async () => {
  await using site = openSite();
  const { server, url, token } = await startPage(site, ["--forever"]);
  const bearer = { Authorization: `Bearer ${token}` };
  const statusOf = async (path: string, init: RequestInit = {}): Promise<number> =>
    (await fetch(`${url}${path}`, { redirect: "manual", ...init })).status;
  expect(await statusOf("")).toBe(401);
  expect(await statusOf("?token=wrong")).toBe(401);
  expect(await statusOf("view", { headers: bearer })).toBe(200);
  expect(await statusOf("view", { headers: { ...bearer, Origin: "http://evil.example" } })).toBe(403);
  expect(await statusOf("view", { headers: { ...bearer, Host: "evil.example" } })).toBe(421);
  expect(await statusOf("act", { method: "POST", headers: bearer, body: "{}" })).toBe(403);
  const entered = await fetch(`${url}?token=${token}`, { redirect: "manual" });
  expect([entered.status, entered.headers.get("location")]).toEqual([303, "/"]);
  const cookie = entered.headers.get("set-cookie")!;
  expect(cookie).toContain("; HttpOnly; SameSite=Strict");
  expect(cookie).not.toContain(token);
  const page = await fetch(url, { headers: { Cookie: cookie.split(";")[0]! } });
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
  expect(page.headers.get("cache-control")).toBe("no-store");
  const metrics = await fetch(`${url}metrics`, { headers: bearer });
  expect(metrics.headers.get("content-type")).toContain("application/openmetrics-text; version=1.0.0");
  expect((await metrics.text()).endsWith("# EOF\n")).toBe(true);
  server.kill("SIGTERM");
  await server.ended;
});

test("beyond this host the page needs TLS", async () => {
  await using site = openSite();
  const words = ["server", "--forever", "-p0", "--no-tls", "--web", "0.0.0.0:0"];
  const { status, stderr } = await site.hs(words, { env: secured });
  expect(stderr).toContain("beyond this host the page needs TLS");
  expect(status).toBe(2);
});

test("a port that another page has is refused", async () => {
  await using site = openSite();
  await site.hs(["submit", "--", "true"]);
  const free = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const port = `${free.port}`;
  await free.stop(true);
  await using first = site.start(["hs", "top", "--web", port]);
  await until(() => /\?token=\w+/.test(first.stderr()), first.stderr);
  const second = await site.hs(["top", "--web", port], { timeoutMs: 5000 });
  expect([second.status, second.stdout]).toEqual([5, ""]);
  expect(second.stderr).toContain(`at 127.0.0.1:${port}: another program listens there, choose another port`);
  first.kill("SIGTERM");
  await first.ended;
});

test("hs top --web shows a database, or a server elsewhere that may go away", async () => {
  await using site = openSite();
  await site.hs(["submit", "-f", "-"], { stdin: "true\nfalse\n" });
  await using database = site.start(["hs", "top", "--web", "0"]);
  await until(() => /\?token=\w+/.test(database.stderr()), database.stderr);
  const { server, port } = await startServer(site, ["--restart"], { env: secured });
  await using remote = site.start(["hs", "top", "--web", "0", "-p", port], { env: secured });
  await until(() => /\?token=\w+/.test(remote.stderr()), remote.stderr);
  const lookAt = async ({ stderr }: Running): Promise<{ status: number; total: unknown }> => {
    const [, url, token] = /(http:\S+)\?token=(\w+)/.exec(stderr()) ?? [];
    const answer = await fetch(`${url}view`, { headers: { Authorization: `Bearer ${token}` } });
    const total = answer.ok ? ((await answer.json()) as { counts: { total: number } }).counts.total : null;
    return { status: answer.status, total };
  };
  expect(await lookAt(database)).toEqual({ status: 200, total: 2 });
  expect(await lookAt(remote)).toEqual({ status: 200, total: 2 });
  server.kill("SIGTERM");
  await server.ended;
  expect((await lookAt(remote)).status).toBe(409);
  for (const each of [database, remote]) each.kill("SIGTERM");
  expect([(await database.ended).status, (await remote.ended).status]).toEqual([143, 143]);
});

describe("in a browser", () => {
  needs(["chromium"])("the numbers are those of hs list, and nothing comes from elsewhere", async () => {
    await using site = openSite();
    const { server, port, url, token } = await startPage(site, ["--forever", "--web-control"]);
    await using client = startClient(site, port, ["-N2", "--capture"], { env: secured });
    const lines = "echo '<img src=x onerror=alert(1)>'\nexit 3\n".repeat(20);
    await site.hs(["submit", "-f", "-"], { stdin: `${lines}sleep 600\n` });
    const browser = await openBrowser();
    try {
      await browser.send("Page.navigate", { url: `${url}?token=${token}` });
      await browser.until(`document.getElementById("n-running")?.textContent === "1"`);
      await browser.until(`document.getElementById("n-failed").textContent === "20"`);
      const shown = async (id: string): Promise<string> =>
        browser.value(`document.getElementById("${id}").textContent`);
      const listed = async (flag: string): Promise<string> => (await site.hs(["list", flag, "--count"])).stdout.trim();
      expect(await shown("n-succeeded")).toBe(await listed("-S"));
      expect(await shown("n-failed")).toBe(await listed("-F"));
      expect(await shown("n-total")).toBe("41");
      expect(await browser.value("location.href")).toBe(url);
      await browser.press("/");
      expect(await browser.value("document.activeElement.id")).toBe("filter");
      await browser.send("Emulation.setDeviceMetricsOverride", {
        width: 360,
        height: 740,
        deviceScaleFactor: 1,
        mobile: true,
      });
      expect(await browser.value("document.documentElement.scrollWidth <= 360")).toBe(true);
      await browser.value(`[...document.querySelectorAll("#running button.act")].at(-1).click()`);
      await browser.until(`document.getElementById("sure").open`);
      await browser.value(`document.getElementById("sure-yes").click()`);
      await browser.until(`document.getElementById("n-running").textContent === "0"`);
      server.kill("SIGTERM");
      await server.ended;
      await browser.until(`/ended|gone/.test(document.getElementById("link").textContent)`);
      expect(browser.requests.filter((each) => !each.startsWith(url))).toEqual([]);
      expect(browser.complaints.filter((each) => !each.includes("ERR_"))).toEqual([]);
    } finally {
      await browser.close();
    }
    await client.ended;
  });
});
