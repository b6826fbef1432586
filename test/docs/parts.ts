/*
 * What pages need beside a shell, by the names that their comments use: real systems, started once for all pages, when
 * the first page asks.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mpiEnvironment, mpiPrograms } from "../systems/mpi.ts";
import { noPostgres, startPostgres } from "../systems/postgres.ts";
import { slurmPrograms, startSlurm } from "../systems/slurm.ts";
import { sshPrograms, startSshd } from "../systems/sshd.ts";

interface Part {
  /** Why it cannot be had here; null: it can. */
  readonly missing: string | null;
  /** Whether only who runs the tests can use it. */
  readonly asSelf: boolean;
  /** Starts it; what pages need in their environment. */
  readonly start: (opened: AsyncDisposableStack) => Promise<Readonly<Record<string, string>>>;
}

const notRoot = process.getuid?.() === 0 ? null : "not root";

function without(programs: readonly string[]): string | null {
  const missing = programs.filter((program) => Bun.which(program) === null);
  return missing.length > 0 ? `without ${missing.join(", ")}` : null;
}

export const parts: Readonly<Record<string, Part>> = {
  slurm: {
    missing: notRoot ?? without(slurmPrograms),
    asSelf: true,
    start: async (opened) => opened.use(await startSlurm()).env,
  },
  sshd: {
    missing: notRoot ?? without(sshPrograms),
    asSelf: true,
    async start(opened) {
      const { args } = opened.use(await startSshd());
      return { HYPERSHELL_SSH_ARGS: args, SSH_ARGS: args };
    },
  },
  mpi: { missing: without(mpiPrograms), asSelf: false, start: () => Promise.resolve(mpiEnvironment) },
  postgresql: {
    missing: noPostgres,
    asSelf: false,
    async start(opened) {
      const postgres = opened.use(await startPostgres());
      const name = await postgres.create();
      const { host, port, user, password } = postgres;
      // In a file, since tasks inherit the environment. Whoever runs the page may read it.
      const folder = mkdtempSync(join(tmpdir(), "hs-password-"));
      opened.defer(() => rmSync(folder, { recursive: true }));
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, "password"), password);
      return {
        PGDATABASE: name,
        PGHOST: host,
        PGPORT: `${port}`,
        PGUSER: user,
        PAGE_PASSWORD_FILE: join(folder, "password"),
      };
    },
  },
};
