/* What this program calls itself: the version line, and the citation. */
import { programVersion } from "../base/version.ts";

/** What `--version` prints. */
export const versionLine = `hs ${programVersion} (compatible with HyperShell 2.8, Bun ${Bun.version})`;

/** A BibTeX entry for this program. */
export const citation = `@software{hs_hypershell,
  title   = {hs: shell commands in bulk, from a laptop to a supercomputer},
  author  = {{The hs developers}},
  version = {${programVersion}},
  note    = {Compatible with HyperShell 2.8},
}`;
