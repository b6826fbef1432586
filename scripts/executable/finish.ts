/*
 * What is done to an executable after Bun has made it. For scripts/build.
 *
 *   finish.ts FILE   Linux: it keeps the limits that it is started with, and its code when it is stripped. macOS: it
 *                    has a valid signature; what Bun leaves for x64 has the one of Bun itself, which no longer fits.
 *                    Windows: it is left as it is.
 *
 * Ends with status 1, and changes nothing, where the file is not as expected.
 */
import { openBytes } from "./bytes.ts";
import { isElf, keepLimits, keepThroughStrip } from "./elf.ts";
import { isMachO, sign, signatureOf } from "./mach-o.ts";

const [path, ...others] = process.argv.slice(2);
if (path === undefined || others.length > 0) {
  console.error("usage: scripts/bun scripts/executable/finish.ts FILE");
  process.exit(2);
}
try {
  using file = openBytes(path, "r+");
  if (isElf(file)) {
    keepThroughStrip(file);
    keepLimits(file);
  } else if (isMachO(file) && signatureOf(file).faults.length > 0) {
    sign(file, "hs");
    const { faults } = signatureOf(file);
    if (faults.length > 0) throw new Error(`${path}: it could not be signed: ${faults.join("; ")}`);
  }
} catch (error) {
  console.error(`scripts/build: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
