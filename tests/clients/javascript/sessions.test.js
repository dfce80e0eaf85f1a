import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AuthClient } from "@supabase/auth-js";
import { KEY, SERVER, CONCURRENT, fails, newClient, signIn, signUp, succeeds, userOf } from "./gerbang.js";

async function isSignedIn(client) {
  const { data } = await client.auth.getUser();
  return data.user !== null;
}

describe("sessions", CONCURRENT, () => {
  test("refreshSession returns the next tokens of the same session", async () => {
    const { client, session, user } = await signUp();

    const { session: next } = await succeeds(client.auth.refreshSession());

    assert.notEqual(next.refresh_token, session.refresh_token);
    assert.equal(next.user.id, user.id);
    const { claims } = await succeeds(client.auth.getClaims(next.access_token));
    const { claims: before } = await succeeds(client.auth.getClaims(session.access_token));
    assert.equal(claims.session_id, before.session_id);
  });

  test("setSession continues a session", async () => {
    const { session, user } = await signUp();
    const client = newClient();

    await succeeds(client.auth.setSession(session));

    assert.equal((await userOf(client)).id, user.id);
  });

  test("getSession refreshes a session that is about to expire", async () => {
    const { session } = await signUp();
    const client = newClient({ ...session, expires_at: Math.round(Date.now() / 1000) + 30 });

    const { session: next } = await succeeds(client.auth.getSession());

    assert.notEqual(next.refresh_token, session.refresh_token);
    await userOf(client);
  });

  test("getSession does not refresh a new session", async () => {
    const { session } = await signUp();
    const client = newClient(session);

    const { session: same } = await succeeds(client.auth.getSession());

    assert.equal(same.access_token, session.access_token);
  });

  test("getClaims verifies an ES256 token with the published keys, without asking for the user", async () => {
    const { client, email, session, user } = await signUp();
    await succeeds(client.auth.signOut({ scope: "local" }));

    const { claims, header } = await succeeds(client.auth.getClaims(session.access_token));

    assert.equal(header.alg, "ES256");
    assert.equal(claims.sub, user.id);
    assert.equal(claims.email, email);
    assert.equal(claims.aud, "authenticated");
    assert.equal(claims.role, "authenticated");
    assert.equal(claims.aal, "aal1");
    assert.equal(claims.is_anonymous, false);
  });

  test("getClaims rejects a changed token", async () => {
    const { client, session } = await signUp();
    const [header, payload, signature] = session.access_token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url"));
    const forged = Buffer.from(JSON.stringify({ ...claims, role: "service_role" })).toString("base64url");

    const { error } = await client.auth.getClaims([header, forged, signature].join("."));

    assert.equal(error.name, "AuthInvalidJwtError");
  });

  for (const [scope, left] of [
    ["local", { self: false, other: true }],
    ["others", { self: true, other: false }],
    ["global", { self: false, other: false }],
  ]) {
    test(`signOut with scope ${scope}`, async () => {
      const { client, email } = await signUp();
      const other = await signIn(email);
      const { session } = (await client.auth.getSession()).data;
      const { session: otherSession } = (await other.auth.getSession()).data;

      const { error } = await client.auth.signOut({ scope });

      assert.ifError(error);
      assert.deepEqual({ self: await isSignedIn(client), other: await isSignedIn(other) }, left);
      // The server has ended the session, too: it accepts neither token.
      for (const [tokens, works] of [
        [session, left.self],
        [otherSession, left.other],
      ]) {
        const copy = newClient(tokens);
        assert.equal(await isSignedIn(copy), works);
        if (works) await succeeds(newClient().auth.refreshSession(tokens));
        else await assert.rejects(succeeds(newClient().auth.refreshSession(tokens)));
      }
    });
  }

  test("getUser removes a session that was ended elsewhere", async () => {
    const { client, session } = await signUp();
    await succeeds(newClient(session).auth.signOut());

    const { error } = await client.auth.getUser();

    assert.equal(error.name, "AuthSessionMissingError");
    assert.equal((await client.auth.getSession()).data.session, null);
  });

  test("signOut succeeds if the session was ended elsewhere", async () => {
    const { client, session } = await signUp();
    await succeeds(newClient(session).auth.signOut());

    const { error } = await client.auth.signOut();

    assert.equal(error, null);
  });

  test("an invalid refresh token is an error", async () => {
    const { error } = await newClient().auth.refreshSession({ refresh_token: "none" });

    assert.equal(error.status, 400);
    assert.match(error.message, /^Invalid Refresh Token/);
  });

  test("auth-js works without supabase-js", async () => {
    const client = new AuthClient({ url: `${SERVER}/auth/v1`, headers: { apikey: KEY }, autoRefreshToken: false });

    const { user } = await succeeds(client.signInAnonymously());
    await succeeds(client.refreshSession());

    assert.equal((await succeeds(client.getUser())).user.id, user.id);
  });
});
