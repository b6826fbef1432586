/*
 * The manifests for Kubernetes: what refers to something refers to something that is there, no container has rights
 * that it need not have, and what they start is started here, as the same user, with the same words and probes.
 */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dist, needs, openSite } from "../e2e/harness.ts";
import { freePorts } from "../systems/ports.ts";
import { noPostgres, startPostgres } from "../systems/postgres.ts";
import { facts, makePackages, patienceMs } from "./making.ts";

interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string; readonly items: readonly { readonly key: string }[] };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: {
    readonly requests: Readonly<Record<string, string>>;
    readonly limits: { readonly memory: string };
  };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

interface Probe {
  readonly exec?: { readonly command: readonly string[] };
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly selector: Readonly<Record<string, unknown>> & { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly ports?: readonly { readonly port: number; readonly targetPort: string }[];
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly volumes: readonly Volume[];
        readonly securityContext: Readonly<Record<string, unknown>>;
        readonly enableServiceLinks: boolean;
      };
    };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly secretGenerator: readonly { readonly name: string }[];
  readonly images: readonly { readonly name: string; readonly newTag: string }[];
}

/** What scripts/packages writes. */
function readAll(): { readonly kustomization: Kustomization; readonly manifests: readonly Manifest[] } {
  using made = makePackages("kubernetes");
  const read = (name: string): unknown => Bun.YAML.parse(readFileSync(join(made.path, "kubernetes", name), "utf8"));
  const kustomization = read("kustomization.yaml") as Kustomization;
  return { kustomization, manifests: kustomization.resources.flatMap((name) => read(name) as Manifest) };
}

test("what the manifests refer to is there, and each container has its probes, its limits, and no rights", () => {
  const { kustomization, manifests } = readAll();
  expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
    "Service hs-postgres",
    "StatefulSet hs-postgres",
    "NetworkPolicy hs-postgres",
    "Service hs-server",
    "Deployment hs-server",
    "Deployment hs-client",
  ]);
  const secrets = kustomization.secretGenerator.map(({ name }) => name);
  expect(kustomization.images).toEqual([expect.objectContaining({ name: "hypershell", newTag: facts.version })]);
  const pods = manifests.flatMap(({ spec }) => spec.template ?? []);
  for (const service of manifests.filter(({ kind }) => kind === "Service")) {
    const behind = pods.filter(({ metadata }) => Bun.deepEquals(metadata.labels, service.spec.selector));
    expect(behind).toHaveLength(1);
    const ports = behind[0]!.spec.containers.flatMap((container) => container.ports ?? []);
    for (const { port, targetPort } of service.spec.ports!)
      expect(ports).toContainEqual({ name: targetPort, containerPort: port });
  }
  for (const { spec } of manifests.filter((manifest) => manifest.spec.template !== undefined)) {
    const { metadata, spec: pod } = spec.template!;
    expect(metadata.labels).toEqual(spec.selector.matchLabels!);
    // HYPERSHELL_... of a service would be taken for settings.
    expect(pod.enableServiceLinks).toBe(false);
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    const volumes = [...pod.volumes, ...(spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata)];
    for (const { secret } of pod.volumes) if (secret !== undefined) expect(secrets).toContain(secret.secretName);
    for (const container of pod.containers) {
      expect(container.volumeMounts.map(({ name }) => name).toSorted()).toEqual(
        volumes.map(({ name }) => name).toSorted(),
      );
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(container.resources.limits.memory).toBeString();
      const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe];
      expect(probes.filter((probe) => probe !== undefined)).toHaveLength(container.name === "client" ? 0 : 3);
    }
  }
});

needs(["setpriv"], noPostgres ?? (process.getuid?.() === 0 ? null : "only root can act as other users"))(
  "what the manifests start hands a task to a client without a warning, and the probe tells whether it would",
  async () => {
    const { manifests } = readAll();
    const container = (name: string): Container =>
      manifests.flatMap(({ spec }) => spec.template?.spec.containers ?? []).find((each) => each.name === name)!;
    await using postgres = await startPostgres();
    await using site = openSite();
    const [port] = freePorts(1);
    // The folder of a pod: its own, which all of its group may enter, and the key as Kubernetes hands it out.
    chmodSync(site.path, 0o755);
    const key = join(site.path, "key");
    writeFileSync(key, "0123456789abcdef-key-of-tests-long\n");
    chownSync(key, 0, 10_001);
    chmodSync(key, 0o440);
    const database = await postgres.create();
    const env = (name: string): Record<string, string> => {
      const folder = join(site.path, `site-${name}`);
      mkdirSync(folder, { recursive: true });
      chownSync(folder, 10_001, 10_001);
      const words = container(name).env!.map((each) => [each.name, each.value ?? "secret"] as const);
      return {
        ...Object.fromEntries(words),
        HYPERSHELL_SITE: join(folder, "hs"),
        HYPERSHELL_SERVER_AUTHFILE: key,
        HYPERSHELL_SERVER_PORT: String(port),
        ...(name === "server" ? postgres.env(database) : {}),
        PATH: `${dist}:/usr/bin:/bin`,
        HOME: "/",
      };
    };
    const as = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--no-new-privs", "--bounding-set=-all"];
    const start = (name: string) => {
      const words = [...as, "hs", ...container(name).args!].join(" ").replace("--host hs-server", "--host 127.0.0.1");
      return site.start(["sh", "-c", `exec ${words}`], { env: env(name), cwd: "/" });
    };
    const ask = (words: readonly string[]) =>
      site.start(["sh", "-c", `exec ${[...as, ...words].join(" ")}`], { env: env("server"), cwd: "/" }).ended;
    const { startupProbe, readinessProbe, livenessProbe } = container("server");
    expect([readinessProbe?.exec, livenessProbe?.exec]).toEqual([startupProbe?.exec, startupProbe?.exec]);
    const probe = startupProbe!.exec!.command.map((word) => word.replace("/usr/bin/", ""));

    expect((await ask(probe)).status).not.toBe(0);
    const server = start("server");
    await server.line(/Server listening on/);
    expect((await ask(probe)).status).toBe(0);
    const client = start("client");
    expect((await ask(["hs", "submit", "--", "echo", "done"])).status).toBe(0);
    await client.line(/^done$/);
    expect((await ask(["hs", "list", "--count", "--succeeded"])).stdout).toBe("1\n");
    expect(server.stderr() + client.stderr()).not.toMatch(/WARNING|ERROR/);
    // USR1 comes before the end of a client's pod, TERM at that of a server's.
    client.kill("SIGUSR1");
    expect((await client.ended).status).toBe(0);
    server.kill("SIGTERM");
    expect((await server.ended).status).toBe(143);
    expect((await ask(probe)).status).not.toBe(0);
  },
  patienceMs,
);
