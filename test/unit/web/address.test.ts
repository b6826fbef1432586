import { expect, test } from "bun:test";
import { inUrl, parseWebAddress } from "../../../src/web/address.ts";

test("a port alone is on this host only", () => {
  expect(parseWebAddress("8080")).toEqual({ host: "127.0.0.1", port: 8080 });
  expect(parseWebAddress("0")).toEqual({ host: "127.0.0.1", port: 0 });
});

test("an address may come before the port", () => {
  expect(parseWebAddress("0.0.0.0:80")).toEqual({ host: "0.0.0.0", port: 80 });
  expect(parseWebAddress("[::1]:8080")).toEqual({ host: "::1", port: 8080 });
  expect(parseWebAddress("login07:8080")).toEqual({ host: "login07", port: 8080 });
  expect(inUrl("::1")).toBe("[::1]");
});

test.each(["", "x", "8080x", "65536", ":8080", "[]:80", "::1:80", "a b:80", "http://a:80", "login07", "-1", "a/b:1"])(
  "%p is refused",
  (word) => expect(() => parseWebAddress(word)).toThrow("argument --web"),
);
