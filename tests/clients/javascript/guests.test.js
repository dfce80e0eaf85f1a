import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Inbox, PASSWORD, CONCURRENT, fails, newClient, signIn, signUp, succeeds, userOf } from "./gerbang.js";

async function newGuest(options = {}) {
  const client = newClient();
  const { user, session } = await succeeds(client.auth.signInAnonymously({ options }));
  return { client, user, session };
}

describe("guests", CONCURRENT, () => {
  test("a guest is signed in without an address", async () => {
    const { client, user, session } = await newGuest({ data: { theme: "dark" } });

    assert.equal(user.is_anonymous, true);
    assert.equal(user.email, "");
    assert.equal(user.phone, "");
    assert.deepEqual(user.identities, []);
    assert.deepEqual(user.app_metadata, {});
    assert.equal(user.user_metadata.theme, "dark");
    const { claims } = await succeeds(client.auth.getClaims());
    assert.equal(claims.sub, user.id);
    assert.equal(claims.is_anonymous, true);
    assert.equal(claims.role, "authenticated");
    assert.equal(claims.amr[0].method, "anonymous");
    assert.equal(session.user.id, user.id);
  });

  test("a guest who confirms an address and sets a password is permanent, under the same id", async () => {
    const { client, user: guest } = await newGuest({ data: { theme: "dark" } });
    const inbox = new Inbox();
    const email = inbox.address;

    const { user: changing } = await succeeds(client.auth.updateUser({ email }));
    assert.equal(changing.new_email, email);
    assert.equal(changing.is_anonymous, true);

    const { user, session } = await succeeds(
      client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "email_change" }),
    );
    assert.equal(user.id, guest.id);
    assert.equal(user.email, email);
    assert.equal(user.is_anonymous, false);
    assert.equal(user.user_metadata.theme, "dark");
    assert.deepEqual(
      user.identities.map((identity) => identity.provider),
      ["email"],
    );
    assert.ok(session.access_token);

    await succeeds(client.auth.updateUser({ password: PASSWORD }));
    assert.equal((await userOf(await signIn(email))).id, guest.id);
  });

  test("a guest without an address cannot set a password", async () => {
    const { client } = await newGuest();

    await fails(client.auth.updateUser({ password: PASSWORD }), 422, "validation_failed");
  });

  test("a guest cannot take the address of an account", async () => {
    const { email } = await signUp();
    const { client } = await newGuest();

    await fails(client.auth.updateUser({ email }), 422, "email_exists");
  });
});
