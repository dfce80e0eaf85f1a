import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import {
  Inbox,
  PASSWORD,
  CONCURRENT,
  fails,
  googleToken,
  methodOf,
  newClient,
  signUp,
  succeeds,
  userOf,
} from "./gerbang.js";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

describe("Google", CONCURRENT, () => {
  test("Google's ID token creates an account", async () => {
    const client = newClient();
    const { address: email } = new Inbox();

    const { user } = await succeeds(
      client.auth.signInWithIdToken({ provider: "google", token: await googleToken(email) }),
    );

    assert.equal(user.email, email);
    assert.ok(Date.parse(user.email_confirmed_at));
    assert.equal(user.app_metadata.provider, "google");
    assert.equal(user.user_metadata.name, "Mira Silva");
    assert.deepEqual(
      user.identities.map((identity) => identity.provider),
      ["google"],
    );
    assert.equal(await methodOf(client), "oauth");
  });

  test("the same Google account signs in to the same account, also with another address", async () => {
    const google_id = randomUUID();
    const { address: email } = new Inbox();
    const token = await googleToken(email, { google_id });
    const later = await googleToken(new Inbox().address, { google_id });

    const { user: first } = await succeeds(newClient().auth.signInWithIdToken({ provider: "google", token }));
    const { user: second } = await succeeds(newClient().auth.signInWithIdToken({ provider: "google", token: later }));

    assert.equal(second.id, first.id);
  });

  test("Google signs in to the account of a confirmed address, and is linked to it", async () => {
    const { email, user } = await signUp();

    const { user: linked } = await succeeds(
      newClient().auth.signInWithIdToken({ provider: "google", token: await googleToken(email) }),
    );

    assert.equal(linked.id, user.id);
    assert.deepEqual(linked.identities.map((identity) => identity.provider).sort(), ["email", "google"]);
    assert.deepEqual([...linked.app_metadata.providers].sort(), ["email", "google"]);
  });

  test("Google removes the password that was set before the address was confirmed", async () => {
    const { address: email } = new Inbox();
    await succeeds(newClient().auth.signUp({ email, password: PASSWORD }));

    await succeeds(newClient().auth.signInWithIdToken({ provider: "google", token: await googleToken(email) }));

    await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
  });

  test("a nonce is checked", async () => {
    const client = newClient();
    const nonce = randomUUID();
    const token = await googleToken(new Inbox().address, { nonce: sha256(nonce) });

    await succeeds(client.auth.signInWithIdToken({ provider: "google", token, nonce }));

    await userOf(client);
  });

  for (const [what, inToken, sent] of [
    ["is another one", "a", "b"],
    ["is only in the token", "a", undefined],
    ["is only in the request", undefined, "b"],
  ]) {
    test(`a nonce that ${what} is an error`, async () => {
      const claims = inToken ? { nonce: sha256(inToken) } : {};
      const token = await googleToken(new Inbox().address, claims);

      const { error } = await newClient().auth.signInWithIdToken({ provider: "google", token, nonce: sent });

      assert.equal(error.status, 400);
      assert.match(error.message, /nonce/i);
    });
  }

  test("a token for another app is an error", async () => {
    const token = await googleToken(new Inbox().address, { aud: "other.apps.googleusercontent.com" });

    const { error } = await newClient().auth.signInWithIdToken({ provider: "google", token });

    assert.equal(error.status, 400);
  });

  test("a provider that is not supported is an error", async () => {
    const token = await googleToken(new Inbox().address);

    const { error } = await newClient().auth.signInWithIdToken({ provider: "kakao", token });

    assert.equal(error.status, 400);
    assert.ok(["provider_disabled", "validation_failed"].includes(error.code), error.code);
  });
});
