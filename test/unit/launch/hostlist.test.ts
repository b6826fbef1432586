import { expect, test } from "bun:test";
import { expandHosts, hostsOfNodeList, hostsOfOption } from "../../../src/launch/hostlist.ts";

const cases: readonly (readonly [pattern: string, hosts: string])[] = [
  ["a[00-02].cluster", "a00.cluster a01.cluster a02.cluster"],
  ["a[1,4,8-10]", "a1 a4 a8 a9 a10"],
  ["a[08-10]", "a08 a09 a10"],
  ["a[8-10]", "a8 a9 a10"],
  ["a[02-00]", "a00 a01 a02"],
  ["a[10-08]", "a08 a09 a10"],
  ["a[1-3],b[08-09]x,c", "a1 a2 a3 b08x b09x c"],
  ["[1-2]", "1 2"],
  ["a[0-2]", "a0 a1 a2"],
  ["a[098-101]", "a098 a099 a100 a101"],
  [",a,,b", "a b"],
  ["a,", "a"],
  [" a , b ", "a b"],
  ["x", "x"],
  ["a[x-y]", "a[x-y]"],
  ["a[]", "a[]"],
  ["a[1-]", "a[1-]"],
  ["a[1,]", "a[1,]"],
  ["[::1]", "[::1]"],
  ["a[1,b", "a[1 b"],
  ["a]1,b", "a]1 b"],
  ["r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02"],
  ["[1-2][3-4]", "13 14 23 24"],
  ["a[x][1-2]", "a[x]1 a[x]2"],
  ["user@a[1-2]", "user@a1 user@a2"],
];

test.each(cases)("the pattern %s names %s", (pattern, hosts) => {
  expect(expandHosts(pattern)).toEqual(hosts.split(" "));
});

test("a bracket with blanks is taken as it stands", () => {
  expect(expandHosts("a[1, 2]")).toEqual(["a[1, 2]"]);
});

test("nothing names no hosts", () => {
  expect(expandHosts("")).toEqual([]);
  expect(expandHosts(",,")).toEqual([]);
});

test("a pattern that names too many hosts is refused before they are made", () => {
  expect(expandHosts("a[0-999999999999]")).toBeNull();
  expect(expandHosts("a[0-999][0-999][0-999]")).toBeNull();
  expect(expandHosts("a[0-99999999999999999999]")).toBeNull();
  expect(() => hostsOfOption("a[0-99999999]")).toThrow("argument --ssh: 'a[0-99999999]' names more than 100000 hosts");
});

test("what ssh would take for an option is no host", () => {
  expect(() => hostsOfOption("-oProxyCommand=x")).toThrow("'-oProxyCommand=x' cannot be the name of a host");
  expect(() => hostsOfOption("a[1, 2]")).toThrow("'a[1, 2]' cannot be the name of a host");
});

test("a bare --ssh takes the hosts of the configuration, a string as a pattern and a list as it stands", () => {
  expect(hostsOfNodeList({ value: "a[1-2]", label: "from: x" }, null)).toEqual(["a1", "a2"]);
  expect(hostsOfNodeList({ value: ["a[1-2]", "b"], label: "from: x" }, null)).toEqual(["a[1-2]", "b"]);
});

test("a group of the configuration is a pattern or a list", () => {
  const value = { gpu: ["g1", "g2"], cpu: "c[01-02]" };
  expect(hostsOfNodeList({ value, label: "from: x" }, "gpu")).toEqual(["g1", "g2"]);
  expect(hostsOfNodeList({ value, label: "from: x" }, "cpu")).toEqual(["c01", "c02"]);
});

const refused: readonly (readonly [value: unknown, group: string | null, text: string])[] = [
  [{ gpu: "g1" }, null, "add --ssh-group (one of gpu) (from: x)"],
  [{ gpu: "g1" }, "cpu", "ssh.nodelist has no group 'cpu' (there is gpu) (from: x)"],
  [{ gpu: "g1" }, "toString", "ssh.nodelist has no group 'toString'"],
  ["a", "gpu", "ssh.nodelist has no groups: --ssh-group cannot name 'gpu' (from: x)"],
  [{}, null, "ssh.nodelist names no hosts: set it, or name them as --ssh HOST"],
  [null, "gpu", "ssh.nodelist names no hosts"],
  [[], null, "ssh.nodelist names no hosts (from: x)"],
  [{ gpu: [] }, "gpu", "ssh.nodelist.gpu names no hosts (from: x)"],
  [{ gpu: [1] }, "gpu", "ssh.nodelist.gpu must be a pattern, or a list of hosts"],
  [{ gpu: 4 }, "gpu", "ssh.nodelist.gpu must be a pattern, or a list of hosts"],
  [["-v"], null, "ssh.nodelist: '-v' cannot be the name of a host (from: x)"],
];

test.each(refused)("the node list %j with group %s is refused", (value, group, text) => {
  const call = () => hostsOfNodeList({ value, label: "from: x" }, group);
  expect(call).toThrow(text);
  expect(call).toThrow("");
});
