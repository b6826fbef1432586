/* What whoever installed hs does first, in a system of its own: runs tasks, reads a manual page, presses Tab. */
import { expect } from "bun:test";
import type { Root } from "../systems/roots.ts";

/** Runs tasks as a user who has nothing but a home. */
export async function expectTasks(root: Root): Promise<void> {
  const asUser = "cd /home/ada && HOME=/home/ada setpriv --reuid=47003 --regid=47003 --clear-groups";
  await root.must("mkdir -p /home/ada && chown 47003:47003 /home/ada");
  expect(await root.must(`seq 4 | (${asUser} hsx -N1 -t 'echo {}')`)).toBe("1\n2\n3\n4\n");
  expect(await root.must(`${asUser} hs list --count`)).toBe("4\n");
}

export async function expectManuals(root: Root): Promise<void> {
  expect(await root.must("man hsx | head -n 1")).toMatch(/^HSX\(1\)/);
  for (const page of ["hs", "hs-server", "hypershell-config", "hypershell-templates", "hypershell-taskfile"])
    expect(await root.must(`man -w ${page}`)).toMatch(new RegExp(`^/usr/share/man/man[157]/${page}\\.[157]\\.gz\\n$`));
}

/** Each shell finds the completions of both names by itself. `zshFolder`: where the package has that of zsh. */
export async function expectCompletion(root: Root, zshFolder: string): Promise<void> {
  const bash = [
    ". /usr/share/bash-completion/bash_completion",
    "_completion_loader hsx",
    "COMP_WORDS=(hsx --templ) COMP_CWORD=1 COMP_LINE='hsx --templ' COMP_POINT=11",
    "name=$(complete -p hsx | sed 's/.*-F \\([^ ]*\\).*/\\1/')",
    "$name hsx --templ hsx",
    'printf "%s\\n" "${COMPREPLY[@]}"',
    "_completion_loader hs; complete -p hs",
  ];
  const [offered, forHs] = (await root.must(bash.join("\n"))).split("\n");
  expect(offered?.trim()).toBe("--template");
  expect(forHs).toMatch(/ hs$/);
  for (const line of ["hsx --templ", "hs cluster --templ"])
    expect(await root.must(`fish -c 'complete -C "${line}"'`)).toMatch(/^--template\t/);
  const zsh = `fpath=(${zshFolder} $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[hs] $_comps[hsx]`;
  expect(await root.must(`zsh -fc '${zsh}'`)).toBe("_hs _hs\n");
}
