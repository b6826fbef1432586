/*
 * `hs completion`: prints the script by which a shell completes hs and hsx. The scripts ask the program what can stand
 * at the cursor (complete.ts), so that they stay as they are when it learns new options.
 */
import { argumentError, exitStatus } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { openOutput } from "../print/output.ts";
import { type ShellName, shellNames } from "./complete-shells.ts";
import { completionScripts } from "./completion-scripts.ts";
import type { Command } from "./command.ts";

const spec = {
  name: "hs completion",
  summary: "Prints the script by which a shell completes hs and hsx: their commands, options and values.",
  usage: ["hs completion SHELL"],
  positionals: [
    { key: "shell", metavar: "SHELL", value: "shellName", min: 1, max: 1, help: `One of ${shellNames.join(", ")}.` },
  ],
  sections: [],
  exclusive: [],
  epilog: [
    "The script asks the program itself, so it need not be installed again with a new version. Values come from your " +
      "settings and your database too: names of tags, ids of tasks, hosts, settings. Packages of hs install it.",
    "",
    "Examples:",
    "  source <(hs completion bash)                       (bash, for now; in ~/.bashrc: for ever)",
    "  hs completion bash > ~/.local/share/bash-completion/completions/hs",
    "                                                     (the same where bash-completion is; a copy named hsx, too)",
    "  source <(hs completion zsh)                        (zsh, in ~/.zshrc behind compinit)",
    "  hs completion zsh > ~/.zfunc/_hs                   (the same, if ~/.zfunc is in fpath before compinit)",
    "  hs completion fish > ~/.config/fish/completions/hs.fish",
    "                                                     (fish; a copy named hsx.fish, too)",
    "  hs completion powershell | Out-String | Invoke-Expression",
    "                                                     (PowerShell; in the file $PROFILE: for ever)",
    "",
    "Exit status: 0 success, 1 called without arguments, 2 bad argument, as a shell that is not known.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = {
  spec,
  bare: "usage",
  async run(parsed: Words, context) {
    openOutput(1, context.env).write(completionScripts[shellOf(parsed.text("shell") ?? "")].text);
    return exitStatus.success;
  },
};

/** pwsh is what the program of PowerShell is called outside of Windows. */
function shellOf(word: string): ShellName {
  const name = word === "pwsh" ? "powershell" : shellNames.find((each) => each === word);
  if (name !== undefined) return name;
  const close = nearest(word.toLowerCase(), shellNames);
  const hint = close === null ? `there is one for ${shellNames.join(", ")}` : `did you mean '${close}'?`;
  throw argumentError(`argument SHELL: there is no completion for '${word}' (${hint})`);
}
