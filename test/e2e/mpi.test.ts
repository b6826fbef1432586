/* Clients that Open MPI's mpirun brings up. */
import { expect } from "bun:test";
import { mpiEnvironment, mpiPrograms } from "../systems/mpi.ts";
import { needs, openSite, sorted } from "./harness.ts";

const withMpi = needs(mpiPrograms);

withMpi("W30: mpirun brings up clients that share the tasks", async () => {
  await using site = openSite();
  const meet = "touch rank-$OMPI_COMM_WORLD_RANK; while [ $(ls rank-* | wc -l) -lt 2 ]; do sleep 0.02; done; echo";
  site.write("in", Array.from({ length: 16 }, (_, n) => `${meet} ${n}\n`).join(""));
  const ended = await site.hsx(["in", "-N8", "--launcher=mpirun -n 2"], { env: mpiEnvironment });
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, Array.from({ length: 16 }, (_, n) => `${n}`)]);
  expect(site.left()).toEqual([]);
});

withMpi("--mpi alone starts as many clients as mpirun has slots", async () => {
  await using site = openSite();
  site.write("in", Array.from({ length: 40 }, (_, n) => `echo ${n}\n`).join(""));
  const ended = await site.hsx(["in", "--mpi", "-N8"], { env: mpiEnvironment });
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, Array.from({ length: 40 }, (_, n) => `${n}`)]);
});

withMpi("Ctrl-C ends what mpirun started", async () => {
  await using site = openSite();
  site.write("in", "echo started >&2; sleep 100\n".repeat(4));
  const run = site.start(["hsx", "in", "-N2", "-S", "1", "--launcher=mpirun -n 2"], { env: mpiEnvironment });
  await run.line(/^started$/);
  run.kill("SIGINT");
  expect((await run.ended).status).toBe(4);
  await site.deserted();
});
