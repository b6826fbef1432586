/* Control groups of Linux for tests that limit what a run may have. */
import { existsSync, mkdirSync, rmdirSync } from "node:fs";

/**
 * Where a control group can be made that has one of these files (`pids.max`); null: nowhere. `controller`: its name in
 * version 1.
 */
export function groupsWith(controller: string, files: readonly string[]): string | null {
  if (process.getuid?.() !== 0) return null;
  const found = [`/sys/fs/cgroup/${controller}`, "/sys/fs/cgroup"].find((folder) => {
    const own = `${folder}/hs-try-${process.pid}`;
    try {
      mkdirSync(own);
      const works = files.some((name) => existsSync(`${own}/${name}`));
      rmdirSync(own);
      return works;
    } catch {
      return false;
    }
  });
  return found ?? null;
}
