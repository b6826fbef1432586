/* hs report as users type it: its numbers are those of hs list, it writes a file or nothing, and a browser shows it. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { browse } from "../systems/chromium.ts";
import { needs, openSite, type Site } from "./harness.ts";

/** Some tasks that succeeded, failed, were tried again, were cancelled, and wait. */
async function siteWithTasks(): Promise<Site> {
  const site = openSite();
  const line = [
    "seq 30 | hsx -N3 -r 2 -t 'test $(( {} % 7 )) != 0 || exit 3' >/dev/null 2>&1",
    "hs submit -t site:b --template 'echo <b>{}</b>' ::: 1 2 3",
    "hs update --cancel -w 'args ~ 2' -t site:b --yes",
  ].join("; ");
  await site.shell(line);
  return site;
}

/** The numbers of the summary, by the words of hs list that stand beside them. */
function numbersOf(page: string): ReadonlyMap<string, number> {
  const found = page.matchAll(/<data value="(\d+)">[^<]*<\/data><\/td><td[^>]*>[^<]*<\/td><td><code>([^<]*)<\/code>/g);
  return new Map([...found].map(([, value, words]) => [words!, Number(value)]));
}

test("the numbers of a report are those of hs list, with any filter, also of what was rotated", async () => {
  await using site = await siteWithTasks();
  const compare = async (filter: string): Promise<ReadonlyMap<string, number>> => {
    const { status, stdout, stderr } = await site.shell(`hs report${filter} -o -`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const numbers = numbersOf(stdout.replaceAll("&#39;", "'"));
    const listed = await site.shell([...numbers.keys()].join("; "));
    expect(listed.stdout.trim().split("\n").map(Number)).toEqual([...numbers.values()]);
    return numbers;
  };
  const all = await compare("");
  // What is there: 30 tasks, 4 of which fail each time and are tried two times, and three of another submission.
  expect([all.get("hs list --count"), all.get("hs list -F --count"), all.get("hs list -R --count")]).toEqual([
    41, 13, 2,
  ]);
  for (const filter of [" -t site:b", " --failed", " --retries", " -w 'exit_status == 3'"]) await compare(filter);
  await site.shell("hs initdb --rotate --yes");
  expect([...(await compare("")).values()]).toEqual([...all.values()]);
  expect((await compare(" -i")).get("hs list --count -i")).toBeLessThan(41);
});

test("a report is written once, told by its name, and replaced by --force alone", async () => {
  await using site = await siteWithTasks();
  const first = await site.shell("hs report");
  expect(first.stdout).toMatch(/^report-\d{8}-\d{6}\.html\n$/);
  expect(site.exists(first.stdout.trim())).toBeTrue();
  site.write("mine.html", "mine");
  symlinkSync("mine.html", join(site.work, "link.html"));
  const refused = await site.shell("hs report -o link.html");
  expect([refused.status, refused.stderr]).toEqual([
    2,
    "CRITICAL [hypershell] argument -o/--output: 'link.html' exists (--force replaces it)\n",
  ]);
  expect(site.read("mine.html")).toBe("mine");
  expect((await site.shell("hs report -o link.html --force")).stdout).toBe("link.html\n");
  expect(site.read("mine.html")).toStartWith("<!DOCTYPE html>");
  expect(readdirSync(site.work).filter((name) => name.startsWith("."))).toEqual([]);
});

test("what cannot be written is said in one line, and leaves no file", async () => {
  await using site = await siteWithTasks();
  const lines: readonly (readonly [line: string, status: number, said: RegExp])[] = [
    ["hs report -o nowhere/x.html", 2, /-o\/--output: cannot write 'nowhere\/x.html': no such file or directory/],
    ["hs report -o .", 2, /'\.' is a folder/],
    ["hs report -o ''", 2, /the name of the file is empty/],
    ["hs report -o /dev/full", 5, /Cannot write '\/dev\/full': no space left on device/],
    ["hs report -w nonsense", 2, /nonsense/],
    ["ulimit -f 8; trap '' XFSZ; hs report -o big.html", 5, /Cannot write 'big.html': file too large/i],
  ];
  for (const [line, status, said] of lines) {
    const ended = await site.shell(line);
    expect({ line, status: ended.status, lines: ended.stderr.split("\n").length }).toEqual({ line, status, lines: 2 });
    expect(ended.stderr).toMatch(said);
  }
  expect(readdirSync(site.work)).toEqual([]);
  expect(statSync("/dev/full").isCharacterDevice()).toBeTrue();
  const closed = await site.shell("hs report -o - | head -c 10 >/dev/null; echo ${PIPESTATUS[0]}");
  expect([closed.stdout, closed.stderr]).toEqual(["0\n", ""]);
});

test("where nothing is found nothing is written", async () => {
  await using site = await siteWithTasks();
  const none = await site.shell("hs report -t no:such -o none.html");
  expect([none.status, none.stdout, none.stderr]).toEqual([
    0,
    "",
    " WARNING [hypershell.task] No task passes these filters: no report was written\n",
  ]);
  expect(site.exists("none.html")).toBeFalse();
});

needs(["chromium"])(
  "a browser shows the report without a word of complaint, also hostile tasks, and its program zooms it",
  async () => {
    await using site = openSite();
    const hostile = `echo '</title><script>document.title="taken"</script><img src=x onerror=alert(1)>'`;
    writeFileSync(join(site.work, "tasks.in"), `${hostile}\nfalse '<svg onload=alert(1)>'\nsleep 0.2\n`);
    await site.shell("hsx tasks.in -N2 >/dev/null 2>&1; hs report -o page.html");
    const path = join(site.work, "page.html");
    const { html, console: said } = await browse(site, path);
    expect(said).toEqual([]);
    expect(html).toContain("<title>Report on 3 tasks</title>");
    expect(html).toContain('class="timelines zoomable"');
    expect(html).toMatch(/<g class="ticks" data-axis="\d+">(?:<line[^>]*><\/line>)?<text/);
    // Without its program the page has all but the buttons.
    const written = readFileSync(path, "utf8");
    expect(written.match(/<figure>/g)?.length).toBe(html.match(/<figure>/g)?.length);
    // The policy of the page lets nobody in, so for these acts it is taken out. A headless browser draws few frames.
    const script = `{
      const root = document.querySelector(".timelines"), area = root.querySelector(".band > svg");
      const timed = area.querySelector("svg"), box = area.getBoundingClientRect(), seen = [];
      const key = (name) => root.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
      const point = (kind, pointerId, clientX) =>
        area.dispatchEvent(new PointerEvent(kind, { pointerId, clientX, pointerType: "touch" }));
      area.setPointerCapture = () => {};
      const acts = [
        () => document.querySelector("[data-zoom=in]").click(),
        () => key("ArrowLeft"),
        () => area.dispatchEvent(
          new WheelEvent("wheel", { deltaY: -300 * Math.LN2, ctrlKey: true, clientX: box.left })),
        () => (point("pointerdown", 1, 500), point("pointermove", 1, 500 - box.width / 5), point("pointerup", 1, 0)),
        () => (point("pointerdown", 1, box.left), point("pointerdown", 2, box.left + 100),
          point("pointermove", 2, box.left + 50), point("pointerup", 1, 0), point("pointerup", 2, 0)),
        () => key("0"),
      ];
      const go = () => {
        const act = acts.shift();
        if (act === undefined) document.title = JSON.stringify(seen);
        else act();
      };
      const note = () => {
        seen.push(timed.getAttribute("viewBox").split(" ").slice(0, 3).map(Number).map(Math.round));
        go();
      };
      new MutationObserver(note).observe(timed, { attributes: true });
      go();
    }`;
    const acting = site.write(
      "acts.html",
      written
        .replace(/<meta http-equiv[^>]*>/, `<script>requestAnimationFrame = queueMicrotask</script>`)
        .replace("</body>", () => `<script>${script}</script></body>`),
    );
    const seen = /<title>(.*?)<\/title>/.exec((await browse(site, acting)).html)?.[1];
    const places = JSON.parse(seen ?? "[]") as readonly (readonly number[])[];
    expect(places.map(([from, , length]) => [Math.round(from! / 20) * 20, length])).toEqual([
      [2500, 5000],
      [1500, 5000],
      [1500, 2500],
      [2000, 2500],
      [1940, 5000],
      [0, 10_000],
    ]);
  },
  60_000,
);
