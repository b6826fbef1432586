/*
 * A second host on this machine: a network namespace that a pair of virtual interfaces connects with this one. It
 * shares no address with us, so a client there reaches a server here only over the network. Needs root and iproute2 on
 * Linux.
 */
import { type Site } from "./harness.ts";

export interface Namespace extends Disposable {
  /** Of this side, as the other one sees it. */
  readonly v4: string;
  readonly v6: string;
  /** The words before a command that is to run on the other side. */
  readonly words: readonly ["ip", "netns", "exec", string];
}

/** Why there can be none; null: there can. */
export function namespaceProblem(): string | null {
  if (process.platform !== "linux") return "network namespaces are a thing of Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const name = `hs-try-${process.pid}`;
  const made = Bun.spawnSync(["ip", "netns", "add", name]);
  Bun.spawnSync(["ip", "netns", "delete", name]);
  return made.success ? null : "no network namespace can be made here";
}

let opened = 0;

export function openNamespace(): Namespace {
  // The system takes away what was closed in its own time.
  const own = `${process.pid}-${++opened}`;
  const name = `hs-${own}`;
  // Names of interfaces have at most 15 characters.
  const [near, far] = [`hsn${own}`, `hsf${own}`];
  // A subnet of benchmarks (RFC 2544) and one of nobody else's (RFC 4193); other runs of the suite have others.
  const subnet = process.pid + opened - 1;
  const v4 = `198.${18 + (subnet & 1)}.${(subnet >> 1) & 255}`;
  const v6 = `fd68:7368:${(subnet & 0xffff).toString(16)}::`;
  run("ip", "netns", "add", name);
  try {
    run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name);
    for (const [side, device, end] of [
      [[], near, "1"],
      [["-n", name], far, "2"],
    ] as const) {
      run("ip", ...side, "address", "add", `${v4}.${end}/24`, "dev", device);
      // Without a search for others that have the address, which takes a second.
      run("ip", ...side, "address", "add", `${v6}${end}/64`, "dev", device, "nodad");
      run("ip", ...side, "link", "set", device, "up");
    }
    run("ip", "-n", name, "link", "set", "lo", "up");
  } catch (error) {
    close(name);
    throw error;
  }
  return { v4: `${v4}.1`, v6: `${v6}1`, words: ["ip", "netns", "exec", name], [Symbol.dispose]: () => close(name) };
}

/** Its interface goes with it, and ours, which is the other end, too. */
function close(name: string): void {
  run("ip", "netns", "delete", name);
}

function run(...words: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync([...words]);
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString().trim()}`);
}

/** All files of a place that are not there when it is opened. */
export function filesOf(site: Site): readonly string[] {
  return [...new Bun.Glob("**/*").scanSync({ cwd: site.path, dot: true })].toSorted();
}
