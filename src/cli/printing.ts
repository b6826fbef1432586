/*
 * The options that say how the output of tasks is printed, and what they mean together with the configuration;
 * output/printer.ts does it.
 */
import { argumentError } from "../base/errors.ts";
import type { Option, ParsedWith } from "../args/spec.ts";
import type { Printing } from "../cluster/printing.ts";
import type { Config } from "../config/load.ts";
import { outputModes } from "../config/schema.ts";

const modeOption = {
  key: "outputMode",
  names: ["--output-mode"],
  value: outputModes,
  kind: "text",
  metavar: "MODE",
  setting: "output.mode",
  help:
    "How the output of tasks is printed: inherit (each writes as it likes), line (whole lines, as they come), " +
    "group (whole tasks, as they end), ordered (whole tasks in the order of the input).",
} as const satisfies Option;

const orderOption = {
  key: "keepOrder",
  names: ["-k", "--keep-order"],
  kind: "flag",
  help: "The same as --output-mode=ordered.",
} as const satisfies Option;

const tagOption = {
  key: "tagged",
  names: ["--tag"],
  kind: "flag",
  setting: "output.tag",
  help: "Put the input and a tab before each line of its output; whole tasks, unless --output-mode says otherwise.",
} as const satisfies Option;

/** The options of hsx. */
export const printingOptions = [modeOption, orderOption, tagOption] as const satisfies readonly Option[];
/** Those of hs server, where -k is a key. */
export const serverPrintingOptions = [
  { ...modeOption, help: `${modeOption.help} Without it, clients print what their tasks do.` },
  { ...orderOption, names: ["--keep-order"] },
  tagOption,
] as const satisfies readonly Option[];

/**
 * How output is printed in this call; null: it is not. `takesAny`: see Printing. Throws a UserError for a mode that
 * there is not, and for options that contradict each other.
 */
export function printingOf(
  parsed: ParsedWith<(typeof printingOptions)[number]>,
  config: Config,
  takesAny: boolean,
): Printing | null {
  const given = parsed.text("outputMode");
  if (given !== undefined && !(outputModes as readonly string[]).includes(given)) {
    const choices = outputModes.map((mode) => `'${mode}'`).join(", ");
    throw argumentError(`argument --output-mode: invalid choice: '${given}' (choose from ${choices})`);
  }
  const isOrdered = parsed.flag("keepOrder");
  if (isOrdered && given !== undefined && given !== "ordered")
    throw argumentError(`argument --keep-order: not allowed with argument --output-mode=${given}`);
  const tagged = parsed.flag("tagged") || config.boolean("output.tag");
  if (parsed.flag("tagged") && given === "inherit")
    throw argumentError("argument --tag: not allowed with argument --output-mode=inherit, which prints nothing itself");
  const mode = (isOrdered ? "ordered" : (given ?? config.text("output.mode"))) as (typeof outputModes)[number];
  if (mode !== "inherit") return { mode, tagged, takesAny };
  return tagged && given === undefined ? { mode: "group", tagged, takesAny } : null;
}
