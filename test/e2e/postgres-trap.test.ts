/*
 * Traps for the password of a PostgreSQL database: a socket that another user of the host has made, and a password file
 * that others can read. No PostgreSQL is needed: nobody must be asked.
 */
import { expect } from "bun:test";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { needs, openSite } from "./harness.ts";

const stranger = 54_321;

needs([], process.getuid?.() === 0 ? null : "only root can make files of another user")(
  "a socket of another user gets no connection, and a password file that others can read gives no password",
  async () => {
    await using site = openSite();
    const folder = join(site.path, "run");
    mkdirSync(folder);
    const path = join(folder, ".s.PGSQL.5432");
    let heard = 0;
    const trap = createServer((socket) => {
      heard += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => void trap.listen(path, resolve));
    try {
      const passfile = site.write("pass", "*:*:*:u:secret\n");
      const env = {
        HYPERSHELL_DATABASE_PROVIDER: "postgres",
        HYPERSHELL_DATABASE_DATABASE: "d",
        HYPERSHELL_DATABASE_HOST: folder,
        HYPERSHELL_DATABASE_USER: "u",
        PGPASSFILE: passfile,
      };
      const open = await site.hs(["list"], { env });
      expect(open).toMatchObject({ status: 3, stdout: "" });
      expect(open.stderr).toContain(`The password file '${passfile}' is ignored: other users may read it - chmod 600`);
      expect(open.stderr).toMatch(/^ WARNING /);
      expect(open.stderr.match(/is ignored/g)).toHaveLength(1);
      chmodSync(passfile, 0o600);
      chownSync(path, stranger, stranger);
      const foreign = await site.hs(["list"], { env });
      expect(foreign).toMatchObject({ status: 5, stdout: "" });
      expect(foreign.stderr).toContain(`${path} belongs to user ${stranger}, not to root, postgres or you - `);
      expect(foreign.stderr).not.toContain("secret");
      expect(heard).toBe(0);
      // Our own is asked.
      chownSync(path, 0, 0);
      expect((await site.hs(["list"], { env })).status).toBe(5);
      expect(heard).toBeGreaterThan(0);
    } finally {
      trap.close();
    }
  },
);
