import { expect, test } from "bun:test";
import { type Asked, isSame, judge, mayChange, type Rules, secretsOf } from "../../../src/web/admission.ts";

const secrets = secretsOf("right-token", 8080, false);
const rules: Rules = { secrets, names: new Set(["login07", "login07.example"]), control: true };
const nothing: Asked = {
  method: "GET",
  path: "/",
  token: null,
  host: "127.0.0.1:8080",
  origin: null,
  site: null,
  mode: null,
  cookie: null,
  authorization: null,
  control: null,
};
const cookie = `other=1; ${secrets.cookieName}=${secrets.cookie}`;
const ask = (more: Partial<Asked>): string => {
  const verdict = judge({ ...nothing, ...more }, rules);
  return verdict.kind === "refused" ? String(verdict.status) : verdict.kind;
};

test("only who shows the token comes in", () => {
  expect(ask({})).toBe("401");
  expect(ask({ token: "right-token" })).toBe("enter");
  expect(ask({ token: "wrong-token" })).toBe("401");
  expect(ask({ token: "" })).toBe("401");
  expect(ask({ token: "right-token", path: "/view" })).toBe("401");
  expect(ask({ authorization: "Bearer right-token", path: "/metrics" })).toBe("pass");
  expect(ask({ authorization: "Bearer wrong" })).toBe("401");
  expect(ask({ cookie })).toBe("pass");
  expect(ask({ cookie: `${secrets.cookieName}=right-token` })).toBe("401");
});

test("the page answers to addresses and to names of this host alone", () => {
  for (const host of ["localhost:9", "[::1]:8080", "10.0.0.7", "LOGIN07:8080", "login07.example."])
    expect(ask({ cookie, host })).toBe("pass");
  for (const host of ["evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"])
    expect(ask({ cookie, host })).toBe("421");
  for (const host of [null, "", "a b", "a@b"]) expect(ask({ cookie, host })).toBe("400");
});

test("another site may send nothing but a visitor", () => {
  expect(ask({ cookie, origin: "http://127.0.0.1:8080" })).toBe("pass");
  for (const origin of ["http://evil.example", "null", "http://127.0.0.1:8081", "http://127.0.0.1:8080.evil.example"])
    expect(ask({ cookie, origin })).toBe("403");
  expect(ask({ cookie, site: "cross-site", path: "/view" })).toBe("403");
  expect(ask({ cookie, site: "same-site", path: "/events" })).toBe("403");
  expect(ask({ cookie, site: "cross-site", mode: "no-cors" })).toBe("403");
  expect(ask({ token: "right-token", site: "cross-site", mode: "navigate" })).toBe("enter");
});

test("tasks are changed by the page itself, where that is allowed", () => {
  const post = { ...nothing, method: "POST", path: "/act", cookie, origin: "http://127.0.0.1:8080" };
  const statusOf = (asked: Asked, by = rules): number | null => {
    const verdict = mayChange(asked, by);
    return verdict?.kind === "refused" ? verdict.status : null;
  };
  expect(statusOf({ ...post, control: secrets.control })).toBeNull();
  expect(statusOf(post)).toBe(403);
  expect(statusOf({ ...post, control: "wrong" })).toBe(403);
  expect(statusOf({ ...post, control: secrets.control, origin: null })).toBe(403);
  expect(statusOf({ ...post, authorization: "Bearer right-token", origin: null })).toBeNull();
  expect(statusOf({ ...post, control: secrets.control }, { ...rules, control: false })).toBe(403);
});

test("no secret tells another", () => {
  expect(new Set([secrets.token, secrets.cookie, secrets.control]).size).toBe(3);
  expect(secretsOf("right-token", 8080, true).cookieName).toBe("__Host-hs_web_8080");
  expect([isSame("a", "a"), isSame("a", "b"), isSame("", "abc")]).toEqual([true, false, false]);
});
