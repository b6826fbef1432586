/* The completion scripts, a file of its own for each shell, and the name under which a package installs it. */
import bash from "./completion.bash" with { type: "text" };
import fish from "./completion.fish" with { type: "text" };
import powershell from "./completion.ps1" with { type: "text" };
import zsh from "./completion.zsh" with { type: "text" };
import type { ShellName } from "./complete-shells.ts";

export const completionScripts: Readonly<Record<ShellName, { readonly file: string; readonly text: string }>> = {
  bash: { file: "hs.bash", text: bash },
  zsh: { file: "_hs", text: zsh },
  fish: { file: "hs.fish", text: fish },
  powershell: { file: "hs.ps1", text: powershell },
};
