import { expect, test } from "bun:test";
import { cpuCount, hostName, isRoot, nameInSettings, processLimit, shortHost } from "../../../src/base/process.ts";

test.each([
  ["login07.cluster.example", "login07"],
  ["login07", "login07"],
  ["10.0.0.1", "10.0.0.1"],
])("the short form of host %s is %s", (name, short) => {
  expect(shortHost(name)).toBe(short);
});

test("the host has a name", () => {
  expect(hostName()).not.toBe("");
});

test("the name of a host of macOS is the one in its settings, whatever network it is in", () => {
  const text = (more: string): string =>
    "<dict><key>Network</key><dict><key>HostNames</key><dict><key>LocalHostName</key>\n<string>alices-mac</string>" +
    `</dict></dict>\n<key>System</key><dict><key>ComputerName</key>\n<string>A Mac</string>${more}</dict></dict>` +
    "<key>Proxies</key><dict><key>HostName</key><string>proxy</string></dict>";
  expect(nameInSettings(text(""))).toBe("alices-mac.local");
  const own =
    "\n<key>ComputerNameEncoding</key>\n<integer>0</integer>\n<key>HostName</key>\n<string>mac.example</string>";
  expect(nameInSettings(text(own))).toBe("mac.example");
  expect(nameInSettings("bplist00")).toBeNull();
});

test("the processors that count are those the process may use", () => {
  const source = JSON.stringify(new URL("../../../src/base/process.ts", import.meta.url).pathname);
  const script = `console.log((await import(${source})).cpuCount())`;
  const taskset = Bun.which("taskset");
  const prefix = taskset === null ? [] : [taskset, "-c", "0"];
  const seen = Bun.spawnSync([...prefix, process.execPath, "-e", script])
    .stdout.toString()
    .trim();
  expect(seen).toBe(taskset === null ? String(cpuCount()) : "1");
});

test("root is user 0", () => {
  expect(isRoot()).toBe(process.getuid?.() === 0);
});

const onLinux = test.skipIf(process.platform !== "linux");

onLinux("limits are those of this process, by name", () => {
  const files = Bun.spawnSync(["sh", "-c", "ulimit -Sn; ulimit -Hn"]).stdout.toString().split("\n");
  expect(processLimit("Max open files")).toEqual({ soft: files[0]!, hard: files[1]! });
  expect(processLimit("Max nothing")).toBeNull();
});
