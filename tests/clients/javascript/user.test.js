import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Inbox,
  KEY,
  OTHER_PASSWORD,
  PASSWORD,
  CONCURRENT,
  fails,
  newClient,
  signIn,
  signUp,
  succeeds,
  userOf,
} from "./gerbang.js";

describe("the user", CONCURRENT, () => {
  test("getUser returns the user", async () => {
    const { client, email, user } = await signUp({ data: { nickname: "Mira" } });

    const read = await userOf(client);

    assert.equal(read.id, user.id);
    assert.equal(read.email, email);
    assert.equal(read.aud, "authenticated");
    assert.equal(read.role, "authenticated");
    assert.equal(read.user_metadata.nickname, "Mira");
  });

  test("getUserIdentities returns the identity of the address", async () => {
    const { client, email, user } = await signUp();

    const { identities } = await succeeds(client.auth.getUserIdentities());

    assert.equal(identities.length, 1);
    assert.equal(identities[0].provider, "email");
    assert.equal(identities[0].user_id, user.id);
    assert.equal(identities[0].identity_data.email, email);
  });

  test("getUser with the API key is 403 bad_jwt", async () => {
    const error = await fails(newClient().auth.getUser(KEY), 403, "bad_jwt");

    assert.match(error.message, /^invalid JWT/);
  });

  test("data is merged into the metadata, and null removes a key", async () => {
    const { client } = await signUp({ data: { nickname: "Mira", theme: "dark" } });

    await succeeds(client.auth.updateUser({ data: { theme: null, language: "id" } }));

    const { user_metadata: metadata } = await userOf(client);
    assert.equal(metadata.nickname, "Mira");
    assert.equal(metadata.language, "id");
    assert.ok(!("theme" in metadata));
    const { session } = await succeeds(client.auth.getSession());
    assert.equal(session.user.user_metadata.language, "id");
  });

  for (const firstConfirmed of ["current", "new"]) {
    test(`an e-mail change is confirmed at both addresses, the ${firstConfirmed} one first`, async () => {
      const { client, email, inbox, user } = await signUp();
      const newInbox = new Inbox();

      const { user: changing } = await succeeds(client.auth.updateUser({ email: newInbox.address }));
      assert.equal(changing.email, email);
      assert.equal(changing.new_email, newInbox.address);
      assert.ok(Date.parse(changing.email_change_sent_at));

      const [first, second] = firstConfirmed === "current" ? [inbox, newInbox] : [newInbox, inbox];
      const halfWay = await succeeds(
        client.auth.verifyOtp({ email: first.address, token: await first.nextCode(), type: "email_change" }),
      );
      assert.deepEqual(halfWay, { user: null, session: null });
      assert.equal((await userOf(client)).email, email);

      const { user: changed, session } = await succeeds(
        client.auth.verifyOtp({ email: second.address, token: await second.nextCode(), type: "email_change" }),
      );
      assert.equal(changed.id, user.id);
      assert.equal(changed.email, newInbox.address);
      assert.equal(changed.new_email, undefined);
      assert.ok(session.access_token);
      assert.equal((await userOf(await signIn(newInbox.address))).id, user.id);
      await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
    });
  }

  test("the address of another account cannot be taken", async () => {
    const { email } = await signUp();
    const { client } = await signUp();

    await fails(client.auth.updateUser({ email }), 422, "email_exists");
  });

  test("a new password ends the other sessions", async () => {
    const { client, email } = await signUp();
    const other = await signIn(email);

    await succeeds(client.auth.updateUser({ password: OTHER_PASSWORD }));

    await userOf(client);
    const { error } = await other.auth.getUser();
    assert.equal(error.name, "AuthSessionMissingError");
    await signIn(email, OTHER_PASSWORD);
  });

  test("a session is refreshed after its user changed the password", async () => {
    const { client } = await signUp();
    await succeeds(client.auth.updateUser({ password: OTHER_PASSWORD }));

    await succeeds(client.auth.refreshSession());

    await userOf(client);
  });

  test("the same password is an error", async () => {
    const { client } = await signUp();

    await fails(client.auth.updateUser({ password: PASSWORD }), 422, "same_password");
  });

  test("a weak new password is an AuthWeakPasswordError", async () => {
    const { client } = await signUp();

    const { error } = await client.auth.updateUser({ password: "short" });

    assert.equal(error.name, "AuthWeakPasswordError");
    assert.ok(error.reasons.includes("length"), error.reasons);
  });
});
