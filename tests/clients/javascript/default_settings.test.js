// The most important client methods with default settings.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Inbox,
  KEY,
  OTHER_PASSWORD,
  PASSWORD,
  CONCURRENT,
  fails,
  get,
  googleToken,
  newClient,
  signIn,
  succeeds,
  userOf,
} from "./gerbang.js";

describe("default settings", CONCURRENT, () => {
  test("sign up, confirm, refresh, change, recover, sign in, sign out", async () => {
    const client = newClient();
    const inbox = new Inbox();
    const email = inbox.address;

    await succeeds(client.auth.signUp({ email, password: PASSWORD, options: { data: { nickname: "Mira" } } }));
    const { user } = await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "signup" }));
    await succeeds(client.auth.refreshSession());
    await succeeds(client.auth.updateUser({ data: { theme: "dark" } }));
    assert.equal((await userOf(client)).user_metadata.theme, "dark");
    const newInbox = new Inbox();
    await succeeds(client.auth.updateUser({ email: newInbox.address }));
    for (const box of [inbox, newInbox]) {
      const token = await box.nextCode();
      await succeeds(client.auth.verifyOtp({ email: box.address, token, type: "email_change" }));
    }
    await succeeds(client.auth.signOut());
    assert.equal((await client.auth.getUser()).data.user, null);

    const { address } = newInbox;
    await succeeds(client.auth.resetPasswordForEmail(address));
    await succeeds(client.auth.verifyOtp({ email: address, token: await newInbox.nextCode(), type: "recovery" }));
    await succeeds(client.auth.updateUser({ password: OTHER_PASSWORD }));
    await succeeds(client.auth.signOut());
    assert.equal((await userOf(await signIn(address, OTHER_PASSWORD))).id, user.id);
  });

  test("sign in with a code", async () => {
    const client = newClient();
    const inbox = new Inbox();
    const email = inbox.address;

    await succeeds(client.auth.signInWithOtp({ email }));
    await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "email" }));

    assert.equal((await userOf(client)).email, email);
  });

  test("a guest becomes permanent", async () => {
    const client = newClient();
    const inbox = new Inbox();
    const email = inbox.address;

    const { user: guest } = await succeeds(client.auth.signInAnonymously());
    await succeeds(client.auth.updateUser({ email }));
    await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "email_change" }));
    await succeeds(client.auth.updateUser({ password: PASSWORD }));

    assert.equal((await userOf(await signIn(email))).id, guest.id);
  });

  test("sign in with Google", async () => {
    const client = newClient();
    const token = await googleToken(new Inbox().address);

    await succeeds(client.auth.signInWithIdToken({ provider: "google", token }));

    await userOf(client);
  });

  test("getClaims requests the user, because tokens are signed with HS256", async () => {
    const client = newClient();
    const { user, session } = await succeeds(client.auth.signInAnonymously());

    const { claims, header } = await succeeds(client.auth.getClaims());
    assert.equal(header.alg, "HS256");
    assert.equal(claims.sub, user.id);

    await succeeds(client.auth.signOut());
    const { error } = await client.auth.getClaims(session.access_token);
    assert.equal(error.name, "AuthSessionMissingError");
  });

  for (const [name, request] of [
    ["signInWithOtp", (auth, email) => auth.signInWithOtp({ email })],
    ["resetPasswordForEmail", (auth, email) => auth.resetPasswordForEmail(email)],
  ]) {
    test(`known and unknown addresses get one mail a minute: ${name}`, async () => {
      const { auth } = newClient();
      const { address: email } = new Inbox();
      await succeeds(request(auth, email));

      const error = await fails(request(auth, email), 429, "over_email_send_rate_limit");

      assert.match(error.message, /after \d+ seconds/);
    });
  }

  test("the settings list the available sign-in methods", async () => {
    const settings = await get("/auth/v1/settings", { apikey: KEY });

    assert.equal(settings.external.email, true);
    assert.equal(settings.external.anonymous_users, true);
    assert.equal(settings.external.google, true);
    assert.equal(settings.external.phone, false);
    assert.equal(settings.external.github, false);
    assert.equal(settings.disable_signup, false);
    assert.equal(settings.mailer_autoconfirm, false);
  });

  test("the health endpoint returns name and version", async () => {
    const { name, version, description } = await get("/auth/v1/health");

    for (const text of [name, version, description]) assert.equal(typeof text, "string");
  });
});
