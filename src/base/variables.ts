/*
 * Names of environment variables. Windows takes them without regard to case, and writes them as it likes (`Path`,
 * `ComSpec`). There all names are in capitals in this program, as in Python's `os.environ`: a variable is found by one
 * name, and one that is set takes the place of the inherited one.
 */

export type Environment = Readonly<Record<string, string | undefined>>;

/** A name as this program has it. */
export function variableName(name: string, platform: NodeJS.Platform = process.platform): string {
  return platform === "win32" ? name.toUpperCase() : name;
}

/** An environment with names as this program has them; the same object but on Windows. */
export function variablesOf(env: Environment, platform: NodeJS.Platform = process.platform): Environment {
  if (platform !== "win32") return env;
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [variableName(name, platform), value]));
}
