/* The unit of the server under a real systemd, which boots in a root of its own. */
import { expect } from "bun:test";
import { join, resolve } from "node:path";
import { dist, needs } from "../e2e/harness.ts";
import { patienceMs } from "./making.ts";
import { openRoot, whyNoRoots } from "../systems/roots.ts";

const unit = resolve(import.meta.dir, "../../scripts/packaging/hypershell.service");

/** What the administrator does once the system is up; its end is the system's. */
const visit = `
exec >/visit.log 2>&1
systemctl start systemd-journald.service
echo "without a key: $(systemctl start hypershell.service 2>&1 | head -n 1)"
install -d -m 755 /etc/hypershell
(umask 077; openssl rand -hex 32 >/etc/hypershell/server.key)
systemctl enable --now hypershell 2>/dev/null
submit() { until hs submit --queue --auth-file /etc/hypershell/server.key -- "$@" 2>/dev/null; do sleep 0.1; done; }
submit echo one
pid=$(systemctl show -P MainPID hypershell.service)
echo "user: $(ps -o user= -p "$pid")"
grep -E '^(CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
hs client -N1 -T1 --auth-file /etc/hypershell/server.key 2>/dev/null
echo "state: $(stat -c %a /var/lib/private/hypershell-server) $(ls -A /var/lib/hypershell-server | tr '\\n' ' ')"
kill -9 "$pid"
until [ "$(systemctl show -P NRestarts hypershell.service)" = 1 ]; do sleep 0.1; done
submit echo two
systemctl stop hypershell.service
systemctl show -p Result -p ExecMainStatus -p ActiveState hypershell.service
journalctl --no-pager -o cat -u hypershell.service | grep -E 'WARNING|ERROR'
`;

needs(["systemd-nspawn", "systemctl", "openssl", "ps"], whyNoRoots)(
  "systemd runs the server as a user without rights, starts it again after a crash, and takes 143 for an end in order",
  async () => {
    await using root = await openRoot();
    await root.take(join(dist, "hs"), "/usr/bin/hs");
    await root.take(unit, "/etc/systemd/system/hypershell.service");
    // Five seconds would be waited for.
    await root.must("mkdir -p /etc/systemd/system/hypershell.service.d");
    const sooner = "/etc/systemd/system/hypershell.service.d/sooner.conf";
    await root.must(`printf '[Service]\\nRestartSec=100ms\\n' >${sooner}`);
    const script = ["[Unit]", "DefaultDependencies=no", "[Service]", "Type=oneshot", "ExecStart=/bin/bash /visit.sh"];
    script.push("ExecStopPost=/bin/systemctl poweroff --force");
    await root.must(`cat >/etc/systemd/system/visit.service <<'X'\n${script.join("\n")}\nX`);
    await root.must(`cat >/visit.sh <<'X'\n${visit}\nX`);
    expect(await root.must("systemd-analyze verify --man=no hypershell.service")).toBe("");
    const booted = await root.boot("visit.service");
    const { stdout } = await root.run("cat /visit.log");
    expect(stdout, booted.stdout + booted.stderr).toBe(
      [
        "without a key: Assertion failed on job for hypershell.service.",
        "user: hypershell",
        "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2",
        "one",
        "state: 700 lib log ",
        "Result=success\nExecMainStatus=143\nActiveState=inactive\n",
      ].join("\n"),
    );
  },
  patienceMs,
);
