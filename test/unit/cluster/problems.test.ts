import { expect, test } from "bun:test";
import { problemError } from "../../../src/cluster/problems.ts";
import type { ProblemKind } from "../../../src/wire/problem.ts";

test("each problem of a connection is one plain line with status 5, and names no class of another language", () => {
  const lines: readonly (readonly [ProblemKind, string, string])[] = [
    ["refused", "Connection refused", "Connection refused"],
    ["refused", "x:1", "Connection refused: x:1"],
    ["unreachable", "Could not resolve host 'x'", "Could not resolve host 'login07'"],
    ["unreachable", "no route to host", "No route to host"],
    ["silent", "no answer in 10 s", "No answer in 10 s"],
    ["lost", "", "The server disconnected"],
    ["lost", "connection closed", "The server disconnected (connection closed)"],
    ["lost", "connection reset by peer", "The server disconnected (connection reset by peer)"],
    ["tls", "the server speaks no TLS", "The server speaks no TLS"],
    [
      "certificate",
      "Peer certificate fingerprint mismatch (expected a, got b)",
      "Peer certificate fingerprint mismatch (expected a, got b)",
    ],
    [
      "certificate",
      "self-signed certificate",
      "Self-signed certificate - " +
        "server.tls.fingerprint pins the certificate that the server logs when it starts; " +
        "without server.tls.cafile the proof of the key is enough",
    ],
    [
      "key",
      "the server does not know the key",
      "The server does not know the key - give both sides the same key " +
        "(server.auth, HYPERSHELL_SERVER_AUTH or --auth-file)",
    ],
    ["version", "the server speaks version 2", "The server speaks version 2"],
    ["malformed", "no JSON", "No JSON"],
    ["busy", "too many", "Too many"],
  ];
  for (const [kind, text, line] of lines) {
    expect(problemError("client", "login07", { kind, text })).toMatchObject({
      message: line,
      logger: "client",
      status: 5,
    });
  }
});
