import { expect, test } from "bun:test";
import { problemError } from "../../../src/cluster/problems.ts";
import type { ProblemKind } from "../../../src/wire/problem.ts";

test("each problem of a connection has a name that people know, in one line, and status 5", () => {
  const lines: readonly (readonly [ProblemKind, string, string])[] = [
    ["refused", "[Errno 111] Connection refused", "ConnectionRefusedError: [Errno 111] Connection refused"],
    ["refused", "x:1", "ConnectionRefusedError: [Errno 111] Connection refused: x:1"],
    ["unreachable", "Could not resolve host 'x'", "HostAddressInfo: Could not resolve host 'login07'"],
    ["unreachable", "no route to host", "OSError: no route to host"],
    ["silent", "no answer in 10 s", "TimeoutError: no answer in 10 s"],
    ["lost", "", "EOFError: server disconnected"],
    ["lost", "connection closed", "EOFError: server disconnected (connection closed)"],
    ["lost", "connection reset by peer", "ConnectionResetError: server disconnected (connection reset by peer)"],
    ["tls", "the server speaks no TLS", "TLSError: the server speaks no TLS"],
    [
      "certificate",
      "Peer certificate fingerprint mismatch (expected a, got b)",
      "TLSError: Peer certificate fingerprint mismatch (expected a, got b)",
    ],
    [
      "certificate",
      "self-signed certificate",
      "SSLCertVerificationError: self-signed certificate - " +
        "server.tls.fingerprint pins the certificate that the server logs when it starts; " +
        "without server.tls.cafile the proof of the key is enough",
    ],
    ["key", "AuthenticationError: digest sent was rejected", "AuthenticationError: digest sent was rejected"],
    ["version", "the server speaks version 2", "ProtocolError: the server speaks version 2"],
    ["malformed", "no JSON", "ProtocolError: no JSON"],
    ["busy", "too many", "ConnectionError: too many"],
  ];
  for (const [kind, text, line] of lines) {
    expect(problemError("client", "login07", { kind, text })).toMatchObject({
      message: line,
      logger: "client",
      status: 5,
    });
  }
});
