/* What this program calls itself: the version line, the version that is stored with tasks, and the citation. */
import { version } from "../../package.json";

/** Our version, as in package.json; also what a submission records. */
export const programVersion: string = version;

/** What `--version` prints. */
export const versionLine = `hs ${version} (compatible with HyperShell 2.8, Bun ${Bun.version})`;

/** A BibTeX entry for this program. */
export const citation = `@software{hs_hypershell,
  title   = {hs: shell commands in bulk, from a laptop to a supercomputer},
  author  = {{The hs developers}},
  version = {${version}},
  note    = {Compatible with HyperShell 2.8},
}`;
