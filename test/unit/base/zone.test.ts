import { expect, test } from "bun:test";
import { join } from "node:path";

const source = join(import.meta.dir, "../../../src/base/zone.ts");
const script = `
  const { localFields, momentOfLocal, zoneOffset } = await import(${JSON.stringify(source)});
  let wrong = 0;
  for (let hour = Date.UTC(2026, 0, 1); hour < Date.UTC(2027, 0, 1); hour += 5_400_000) {
    const [utc, here] = [new Date(hour), new Date(hour)];
    const fields = [utc.getUTCFullYear(), utc.getUTCMonth(), utc.getUTCDate(), utc.getUTCHours(), utc.getUTCMinutes()];
    if (momentOfLocal(hour) !== new Date(...fields).getTime()) wrong += 1;
    if (zoneOffset(hour) !== -here.getTimezoneOffset()) wrong += 1;
    if (localFields(hour).getUTCHours() !== here.getHours()) wrong += 1;
  }
  console.log(wrong, zoneOffset(Date.UTC(2026, 0, 1)), zoneOffset(Date.UTC(2026, 6, 1)));`;

// In this process a zone cannot be changed for good.
async function inZone(zone: string): Promise<string> {
  const child = Bun.spawn([process.execPath, "-e", script], { env: { TZ: zone }, stdout: "pipe" });
  return (await new Response(child.stdout).text()).trim();
}

test.concurrent.each([
  ["Europe/Berlin", "0 60 120"],
  ["Australia/Lord_Howe", "0 660 630"],
])("local time in %s is that of Date, all year round", async (zone, printed) => {
  expect(await inZone(zone)).toBe(printed);
});

test("a zone in the words of POSIX counts, which Date does not know", async () => {
  expect(await inZone("XYZ-3")).toEndWith(" 180 180");
});
