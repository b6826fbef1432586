/*
 * The processes of this host, as far as the system shows them to this user: who they are, whether they live, who
 * started whom, and what stands in their environments. The seam behind which /proc (processes-linux.ts), ps
 * (processes-darwin.ts) and the kernel of Windows (processes-windows.ts) are. Knows nothing of tasks.
 */
import { isThere, type Processes } from "./process-source.ts";
import type { darwinProcesses } from "./processes-darwin.ts";
import { linuxProcesses } from "./processes-linux.ts";
import type { windowsProcesses } from "./processes-windows.ts";
import type { openKernel } from "./windows-kernel.ts";

/** A system that tells nothing. Whoever kill(2) finds is taken to be alive. */
const untold: Processes = {
  table: () => null,
  stateOf: () => null,
  isStill: isThere,
  memberOf: (group) => group,
  all: () => [],
  openFiles: () => new Set(),
};

let own: Processes | null = null;

/** Those of this system. */
export function processes(): Processes {
  return (own ??= ofThisSystem());
}

function ofThisSystem(): Processes {
  if (process.platform === "linux") return linuxProcesses;
  if (process.platform === "win32") return ofWindows();
  if (process.platform !== "darwin") return untold;
  const darwin = require("./processes-darwin.ts") as { readonly darwinProcesses: typeof darwinProcesses };
  return darwin.darwinProcesses();
}

function ofWindows(): Processes {
  const source = require("./processes-windows.ts") as { readonly windowsProcesses: typeof windowsProcesses };
  const kernel = require("./windows-kernel.ts") as { readonly openKernel: typeof openKernel };
  return source.windowsProcesses(kernel.openKernel());
}
