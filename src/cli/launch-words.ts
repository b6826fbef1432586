/*
 * What the words of hsx say of clients elsewhere: the command that starts them, or the hosts that ssh goes to, and
 * where they find us. launch/ starts them.
 */
import type { Option } from "../args/spec.ts";
import { argumentError } from "../base/errors.ts";
import { splitWords } from "../base/shell.ts";
import type { Config } from "../config/load.ts";
import type { Launch } from "../launch/orders.ts";

/** The options about clients elsewhere. */
export const elsewhereOptions = [
  {
    key: "launcher",
    names: ["--launcher"],
    value: "launcher",
    kind: "text",
    metavar: "ARGS",
    help: "Command that starts a client on each host or slot it knows, run once: 'srun -n8'.",
  },
  { key: "mpi", names: ["--mpi"], kind: "flag", help: "The same as --launcher=mpirun." },
  {
    key: "ssh",
    names: ["--ssh"],
    value: "hosts",
    kind: "optional",
    metavar: "HOST",
    help: "A client on each of these hosts: a,b or n[00-03,7].x; without HOST those of ssh.nodelist.",
  },
  {
    key: "sshArgs",
    names: ["--ssh-args"],
    value: "free",
    kind: "text",
    metavar: "ARGS",
    setting: "ssh.args",
    help: "More arguments for ssh, as --ssh-args='-p 2222 -i key'.",
    fallback: "ssh.args",
  },
  {
    key: "sshGroup",
    names: ["--ssh-group"],
    value: "hostGroup",
    kind: "text",
    metavar: "NAME",
    help: "With a bare --ssh: the hosts of this group of ssh.nodelist.",
  },
  {
    key: "env",
    names: ["-E", "--env"],
    kind: "flag",
    help:
      "With --ssh: set our HYPERSHELL_* variables over there too (they go over standard input; keys and " +
      "passwords stay here). A launcher gets them anyway.",
  },
  {
    key: "remoteExe",
    names: ["--remote-exe"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "The hs that is there.",
    fallback: "the path of this one",
  },
  {
    key: "bind",
    names: ["-H", "--bind"],
    value: "address",
    kind: "text",
    metavar: "ADDR",
    setting: "server.bind",
    help: "Address to listen on, and to send clients to.",
    fallback: "every address, and the name of this host",
  },
  {
    key: "port",
    names: ["-p", "--port"],
    kind: "integer",
    metavar: "PORT",
    min: 0,
    setting: "server.port",
    help: "Port to listen on; 0 is any that is free.",
    fallback: "the first free one from 50001",
  },
  { key: "noTls", names: ["--no-tls"], kind: "flag", help: "Do not encrypt; keys are still proven." },
  {
    key: "tlsKey",
    names: ["--tls-key"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Private key of our certificate (PEM).",
    fallback: "one of the site, made when first needed",
  },
  {
    key: "tlsCert",
    names: ["--tls-cert"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Our certificate (PEM).",
    fallback: "as for the key",
  },
  {
    key: "tlsCa",
    names: ["--tls-ca"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Certificates that clients trust, where they are. Not needed: the key of the run proves who we are.",
  },
] as const satisfies readonly Option[];

/** The words of one call. */
interface LaunchWords {
  /** What --ssh names, which may be nothing; undefined: ssh is not asked for. */
  readonly ssh: string | undefined;
  /** The group of ssh.nodelist; null: all of it. */
  readonly group: string | null;
  /** More arguments for ssh; null: none. */
  readonly args: string | null;
  readonly passEnvironment: boolean;
  readonly launcher: string;
}

/** How clients are started. Throws UserError for words without sense, and for an ssh.nodelist without hosts. */
export async function launchNamed(config: Config, words: LaunchWords): Promise<Launch> {
  const { ssh, group, args, passEnvironment, launcher } = words;
  if (ssh === undefined) {
    const command = splitWords(launcher, "--launcher");
    if (command.length === 0) throw argumentError("argument --launcher: names no program");
    return { kind: "command", words: command };
  }
  const { hostsOfNodeList, hostsOfOption } = await import("../launch/hostlist.ts");
  const nodes = { value: config.raw("ssh.nodelist"), label: config.origin("ssh.nodelist").label };
  const hosts = ssh === "" ? hostsOfNodeList(nodes, group) : hostsOfOption(ssh);
  return { kind: "ssh", hosts, args: splitWords(args ?? "", "--ssh-args"), passEnvironment };
}
