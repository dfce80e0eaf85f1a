// CORS, error formats and caching, on which clients rely in browsers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AuthClient } from "@supabase/auth-js";
import { KEY, SERVER, CONCURRENT, newClient, signUp, succeeds, userOf } from "./gerbang.js";

const ORIGIN = "https://app.example";
const SENT_BY_CLIENTS = ["apikey", "authorization", "content-type", "x-client-info", "x-supabase-api-version"];

describe("browsers and clients", CONCURRENT, () => {
  for (const [method, path] of [
    ["POST", "/signup"],
    ["POST", "/token?grant_type=password"],
    ["GET", "/user"],
    ["PUT", "/user"],
    ["POST", "/logout?scope=global"],
  ]) {
    test(`a browser may call ${method} ${path}`, async () => {
      const preflight = await fetch(`${SERVER}/auth/v1${path}`, {
        method: "OPTIONS",
        headers: {
          Origin: ORIGIN,
          "Access-Control-Request-Method": method,
          "Access-Control-Request-Headers": SENT_BY_CLIENTS.join(","),
        },
      });

      assert.ok(preflight.ok, `${preflight.status}`);
      assert.ok(["*", ORIGIN].includes(preflight.headers.get("access-control-allow-origin")));
      assert.ok(listed(preflight, "access-control-allow-methods").includes(method.toLowerCase()));
      const allowed = listed(preflight, "access-control-allow-headers");
      assert.deepEqual(
        SENT_BY_CLIENTS.filter((name) => !allowed.includes(name)),
        [],
      );
    });
  }

  test("a browser may read an error, and the header that says its format", async () => {
    const response = await refreshWith("none", { "X-Supabase-Api-Version": "2024-01-01", Origin: ORIGIN });

    assert.equal(response.status, 400);
    assert.ok(["*", ORIGIN].includes(response.headers.get("access-control-allow-origin")));
    assert.ok(listed(response, "access-control-expose-headers").includes("x-supabase-api-version"));
    assert.equal(response.headers.get("x-supabase-api-version"), "2024-01-01");
    const error = await response.json();
    assert.equal(typeof error.code, "string");
    assert.match(error.message, /^Invalid Refresh Token/);
  });

  test("an old client reads the same error in the old format", async () => {
    const response = await refreshWith("none");

    const error = await response.json();
    assert.equal(error.code, 400);
    assert.equal(typeof error.error_code, "string");
    assert.match(error.msg, /^Invalid Refresh Token/);
  });

  test("public endpoints accept any bearer", async () => {
    const { session } = await signUp();
    const invalid = session.access_token.slice(0, -2) + "AA";
    const headers = { apikey: KEY, Authorization: `Bearer ${invalid}` };
    const client = new AuthClient({ url: `${SERVER}/auth/v1`, headers, autoRefreshToken: false });

    await succeeds(client.signInAnonymously());
    await succeeds(client.refreshSession());

    await succeeds(client.getUser());
  });

  test("answers with tokens are not cached", async () => {
    const { session } = await succeeds(newClient().auth.signInAnonymously());

    const response = await refreshWith(session.refresh_token);

    assert.equal(response.status, 200);
    assert.match(response.headers.get("cache-control"), /no-store/);
  });

  test("signing out answers 204 to a request with the type JSON and no body", async () => {
    const client = newClient();
    const { session } = await succeeds(client.auth.signInAnonymously());
    const headers = {
      apikey: KEY,
      Authorization: `Bearer ${session.access_token}`,
      "Content-Type": "application/json;charset=UTF-8",
    };

    const response = await fetch(`${SERVER}/auth/v1/logout?scope=local`, { method: "POST", headers });

    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
    await assert.rejects(userOf(client));
  });
});

function refreshWith(refreshToken, headers = {}) {
  return fetch(`${SERVER}/auth/v1/token?grant_type=refresh_token`, {
    method: "POST",
    body: JSON.stringify({ refresh_token: refreshToken }),
    headers: { apikey: KEY, "Content-Type": "application/json;charset=UTF-8", ...headers },
  });
}

function listed(response, header) {
  return (response.headers.get(header) ?? "").split(",").map((name) => name.trim().toLowerCase());
}
