/*
 * PROTOCOL.md taken at its word: a client written from that page alone, with nothing of src/wire in it, talks to the
 * real server's side.
 */
import { expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { memoryBytes } from "./memory.ts";
import { admitOn, key, linkOf } from "./ends.ts";
import { rawOn } from "./raw.ts";

const hmac = (secret: string | Uint8Array, text: string) => createHmac("sha256", secret).update(text);
const nonce = "0123456789abcdef".repeat(4);
const tlsBinding = new Uint8Array(32).map((_, n) => n);

const short = "x".repeat(31);
/** scrypt(short, "hypershell key 1", N = 32768, r = 8, p = 1), 32 bytes. */
const slow = Buffer.from("27aff9b91b79c1ffa1b832eaf2c72133ba6b6f259b03c4dc1996a134a309ccc1", "hex");

test("keys that can be guessed are those of fewer than 32 bytes", async () => {
  for (const own of [short, `${short}x`, "\u00e9".repeat(16)]) {
    const [near, far] = memoryBytes();
    const client = rawOn(near);
    const admitted = admitOn(far, { key: own });
    client.say(`{"hypershell":1,"nonce":"${nonce}","scrypt":1}\n`);
    while (!client.heard().includes("\n")) await Promise.resolve();
    const { nonce: theirs } = JSON.parse(client.heard()) as { nonce: string };
    const session = `hypershell 1 ${nonce} ${theirs} no tls`;
    client.say(`{"hypershell":1,"proof":"${hmac(own, `proof of client: ${session}`).digest("hex")}"}\n`);
    expect("link" in (await admitted)).toBe(own !== short);
  }
});

const clients: readonly (readonly [name: string, tls: boolean, own: string, secret: string | Uint8Array])[] = [
  ["without TLS", false, key, key],
  ["with TLS", true, key, key],
  ["with a short key", false, short, slow],
  ["with a short key by an earlier version of the page", true, short, short],
];
for (const [name, tls, own, secret] of clients) {
  test(`a client written from the page is understood ${name}`, async () => {
    const [near, far] = memoryBytes(tls ? { binding: tlsBinding } : {});
    const binding = tls ? Buffer.from(tlsBinding).toString("hex") : "no tls";
    const client = rawOn(near);
    const admitted = admitOn(far, { key: own });
    const heard = async (lines: number): Promise<string[]> => {
      while (client.heard().split("\n").length <= lines) await Promise.resolve();
      return client.heard().split("\n");
    };

    client.say(`{"hypershell":1,"nonce":"${nonce}"${own === secret ? "" : ',"scrypt":1'}}\n`);
    const { nonce: serverNonce } = JSON.parse((await heard(1))[0]!) as { nonce: string };
    const session = `hypershell 1 ${nonce} ${serverNonce} ${binding}`;
    client.say(`{"hypershell":1,"proof":"${hmac(secret, `proof of client: ${session}`).digest("hex")}"}\n`);
    expect((await heard(2))[1]).toBe(
      `{"hypershell":1,"proof":"${hmac(secret, `proof of server: ${session}`).digest("hex")}"}`,
    );

    const server = linkOf(await admitted);
    const got: unknown[] = [];
    const ended = Promise.withResolvers<Error | null>();
    server.open({ message: (message) => void got.push(message), drain: () => undefined, close: ended.resolve });

    const clientFrames = hmac(secret, `frames of client: ${session}`).digest();
    const serverFrames = hmac(secret, `frames of server: ${session}`).digest();
    const macOf = (frames: Uint8Array, number: number, json: string): string =>
      tls ? "" : `${hmac(frames, `${number} ${json}`).digest("base64url")} `;
    let sent = 0;
    const say = (json: string): boolean => client.say(`${macOf(clientFrames, sent++, json)}${json}\n`);

    const clientId = "0b7c2b3e-0000-4000-8000-000000000001";
    const rest = '"host":"n1","executors":2,"credit":2,"running":[],"finished":[],"new":true';
    say(`{"kind":"hello","clientId":"${clientId}",${rest}}`);
    say('{"kind":"beat"}');
    say('{"kind":"end"}');
    expect(await ended.promise).toBeNull();
    expect(got).toEqual([
      { kind: "hello", clientId, host: "n1", executors: 2, credit: 2, running: [], finished: [] },
      { kind: "beat" },
    ]);
    const end = '{"kind":"end"}';
    await client.gone;
    expect((await heard(3))[2]).toBe(`${macOf(serverFrames, 0, end)}${end}`);
  });
}
