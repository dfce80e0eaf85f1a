// One account and one session through all four APIs.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PASSWORD, CONCURRENT, get, newClient, post, signUp, succeeds, userOf } from "./gerbang.js";

const bearer = (token) => ({ Authorization: `Bearer ${token}` });

describe("other APIs", CONCURRENT, () => {
  test("an account of signUp signs in through the other APIs", async () => {
    const { email, user } = await signUp({ data: { name: "Mira Silva" } });

    const botlaunch = (await post("/api/auth/login", { email, password: PASSWORD })).data;
    const snapotp = (await post("/api/auth/login", { username: email, password: PASSWORD })).data;
    const atourin = (await post("/auth/login_with_email_password", { email, password: PASSWORD })).data;

    assert.equal(atourin.user.id, user.id);
    for (const token of [botlaunch.accessToken, snapotp.token, atourin.access_token]) {
      assert.equal((await get("/api/auth/me", bearer(token))).data.email, email);
      assert.equal((await succeeds(newClient().auth.getUser(token))).user.id, user.id);
    }
  });

  test("a client's access token is valid in the other APIs, until it signs out", async () => {
    const { client, email, session } = await signUp();

    assert.equal((await get("/api/auth/me", bearer(session.access_token))).data.email, email);

    await client.auth.signOut();
    await assert.rejects(get("/api/auth/me", bearer(session.access_token)), /401/);
  });

  test("a client can continue a session of BotLaunch", async () => {
    const { email, user } = await signUp();
    const { accessToken, refreshToken } = (await post("/api/auth/login", { email, password: PASSWORD })).data;
    const client = newClient();

    await succeeds(client.auth.setSession({ access_token: accessToken, refresh_token: refreshToken }));
    await succeeds(client.auth.refreshSession());

    assert.equal((await userOf(client)).id, user.id);
  });

  test("a client can continue a guest session of Atourin", async () => {
    const { data: guest } = await post("/auth/login_with_anonymous", {});
    const client = newClient();

    await succeeds(client.auth.setSession(guest));
    const { user } = await succeeds(client.auth.refreshSession());

    assert.equal(user.id, guest.user.id);
    assert.equal(user.is_anonymous, true);
  });
});
