import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Inbox, OTHER_PASSWORD, CONCURRENT, fails, googleToken, newClient, signIn, signUp, succeeds, userOf } from "./gerbang.js";

/** The identities of a client's user by their providers. */
async function identitiesOf(client) {
  const { identities } = await succeeds(client.auth.getUserIdentities());
  return Object.fromEntries(identities.map((identity) => [identity.provider, identity]));
}

async function linkGoogle(client, email = new Inbox().address, claims = {}) {
  return client.auth.linkIdentity({ provider: "google", token: await googleToken(email, claims) });
}

describe("Identities", CONCURRENT, () => {
  test("an identity is linked by its ID token, and can sign in", async () => {
    const { client, user } = await signUp();
    const google_id = user.id;
    const { address: email } = new Inbox();

    const { user: linked, session } = await succeeds(linkGoogle(client, email, { google_id }));

    assert.equal(linked.id, user.id);
    assert.deepEqual(Object.keys(await identitiesOf(client)), ["email", "google"]);
    assert.ok(session.refresh_token);
    await succeeds(client.auth.refreshSession());
    const token = await googleToken(email, { google_id });
    const { user: signedIn } = await succeeds(newClient().auth.signInWithIdToken({ provider: "google", token }));
    assert.equal(signedIn.id, user.id);
  });

  test("a guest who links an identity becomes permanent", async () => {
    const client = newClient();
    const { user: guest } = await succeeds(client.auth.signInAnonymously());
    const { address: email } = new Inbox();

    await succeeds(linkGoogle(client, email));

    const user = await userOf(client);
    assert.deepEqual([user.id, user.is_anonymous, user.email], [guest.id, false, email]);
  });

  test("an identity of another account is not linked", async () => {
    const { address: email } = new Inbox();
    const claims = { google_id: email };
    await succeeds(linkGoogle((await signUp()).client, email, claims));

    await fails(linkGoogle((await signUp()).client, email, claims), 422, "identity_already_exists");
  });

  test("an identity is unlinked", async () => {
    const { client } = await signUp();
    await succeeds(linkGoogle(client));

    await succeeds(client.auth.unlinkIdentity((await identitiesOf(client)).google));

    assert.deepEqual(Object.keys(await identitiesOf(client)), ["email"]);
    await fails(client.auth.unlinkIdentity((await identitiesOf(client)).email), 422, "single_identity_not_deletable");
  });

  test("linking by a redirect is not supported", async () => {
    const { client } = await signUp();

    await fails(client.auth.linkIdentity({ provider: "google" }), 404, "manual_linking_disabled");
  });

  test("reauthenticate mails a code, which updateUser accepts with a new password", async () => {
    const { client, inbox, email } = await signUp();

    await succeeds(client.auth.reauthenticate());

    const nonce = await inbox.nextCode();
    await succeeds(client.auth.updateUser({ password: OTHER_PASSWORD, nonce }));
    await signIn(email, OTHER_PASSWORD);
  });
});
