/*
 * Folders from which images are built: a Dockerfile, a definition for each processor for Apptainer, and the executables
 * under the names that Docker has for processors. And the manifests for Kubernetes.
 */
import { chmodSync, copyFileSync, linkSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { archNames, type Arch, type Facts, fill, template } from "./facts.ts";
import { write } from "./shell.ts";

/** Writes the folder `container`, and answers its path. `executables`: the path of each. */
export function makeContainer(facts: Facts, executables: ReadonlyMap<Arch, string>, to: string): string {
  const folder = join(to, "container");
  const { version: VERSION, license: LICENSE, summary: SUMMARY } = facts;
  write(join(folder, "Dockerfile"), fill(template("Dockerfile"), { VERSION, LICENSE }));
  for (const [arch, executable] of executables) {
    const { deb } = archNames[arch];
    const definition = fill(template("hypershell.def"), { VERSION, LICENSE, SUMMARY, DEB_ARCH: deb });
    write(join(folder, `hypershell-${deb}.def`), definition);
    const place = join(folder, `hs-linux-${deb}`);
    rmSync(place, { force: true });
    // One file, where the folders are of one file system.
    try {
      linkSync(executable, place);
    } catch {
      copyFileSync(executable, place);
      chmodSync(place, 0o755);
    }
  }
  return folder;
}

/** Writes the folder `kubernetes`, and answers its path. */
export function makeKubernetes(facts: Facts, to: string): string {
  const folder = join(to, "kubernetes");
  mkdirSync(folder, { recursive: true });
  write(
    join(folder, "kustomization.yaml"),
    fill(template("kubernetes/kustomization.yaml"), { VERSION: facts.version }),
  );
  for (const name of ["postgres", "server", "clients"])
    write(join(folder, `${name}.yaml`), template(`kubernetes/${name}.yaml`));
  // Whoever keeps these files in a repository must not keep the secrets there.
  write(join(folder, ".gitignore"), "secret.env\n");
  return folder;
}
