/* Clients that Open MPI's mpirun brings up. */
import { expect } from "bun:test";
import { mpiEnvironment, mpiPrograms } from "../systems/mpi.ts";
import { linesOf, needs, openSite, sorted } from "./harness.ts";
import { secured, startServer } from "./serving.ts";

const withMpi = needs(mpiPrograms);

withMpi("W30: mpirun brings up clients that share the tasks", async () => {
  await using site = openSite();
  const meet = "touch rank-$TASK_CLIENT_ID; while [ $(ls rank-* | wc -l) -lt 2 ]; do sleep 0.02; done; echo";
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

/** What makes a process a rank; not what people set for Open MPI. */
const rankNames = "^(OMPI_(COMM|UNIV|MCA_ess|MCA_orte_(ess|hnp))|PMIX_[^M]|PMI_|ORTE_)";
const rankOnly = `env | grep -E '${rankNames}'; echo free`;

for (const executors of [[], ["-N2"]]) {
  const line = ["hsx", "--no-db", "--mpi", ...executors].join(" ");
  withMpi(`tasks of ${line} are no ranks, so mpirun works in them`, async () => {
    await using site = openSite();
    const tasks = [rankOnly, "mpirun -n 1 echo nested", "mpirun -n 2 echo two", "echo $OMPI_ALLOW_RUN_AS_ROOT"];
    const ended = await site.hsx(["--no-db", "--mpi", ...executors], {
      stdin: `${tasks.join("\n")}\n`,
      env: mpiEnvironment,
    });
    expect([ended.status, sorted(ended.stdout)]).toEqual([0, ["1", "free", "nested", "two", "two"]]);
  });
}

withMpi("nor are those of a client or hsx that mpirun starts by hand", async () => {
  await using site = openSite();
  const tasks = `${rankOnly}\nmpirun -n 1 echo nested\n`;
  for (const hsx of ["hsx --no-db", "hsx --no-db --mpi", "hsx --no-db -H127.0.0.1 -p0 --launcher='mpirun -n 1'"]) {
    site.write("in", tasks);
    const { status, stdout } = await site.shell(`mpirun -n 1 ${hsx} in`, { env: mpiEnvironment });
    expect([hsx, status, sorted(stdout)]).toEqual([hsx, 0, ["free", "nested"]]);
  }
  const { server, port } = await startServer(site, ["--no-db", "-"], { stdin: tasks });
  const clients = await site.shell(`mpirun -n 2 hs client -N1 -p ${port}`, {
    env: { ...secured, ...mpiEnvironment },
  });
  expect([clients.status, sorted(clients.stdout)]).toEqual([0, ["free", "nested"]]);
  expect((await server.ended).status).toBe(0);
});

withMpi("what a rank knows can be handed to tasks by name", async () => {
  await using site = openSite();
  const launcher = `mpirun -n 2 sh -c 'HYPERSHELL_EXPORT_RANK=$OMPI_COMM_WORLD_RANK exec "$@"' --`;
  const meet = "touch at-$RANK; while [ $(ls at-* | wc -l) -lt 2 ]; do sleep 0.02; done; echo $RANK\n";
  const ended = await site.hsx(["--no-db", "-N1", `--launcher=${launcher}`], {
    stdin: meet.repeat(2),
    env: mpiEnvironment,
  });
  expect([ended.status, linesOf(ended.stdout).toSorted()]).toEqual([0, ["0", "1"]]);
});
