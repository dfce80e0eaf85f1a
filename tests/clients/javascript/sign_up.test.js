import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Inbox,
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

describe("signing up", CONCURRENT, () => {
  test("signing up returns the user without a session, and mails a code", async () => {
    const inbox = new Inbox();

    const { user, session } = await succeeds(
      newClient().auth.signUp({ email: inbox.address, password: PASSWORD, options: { data: { nickname: "Mira" } } }),
    );

    assert.equal(session, null);
    assert.equal(user.email, inbox.address);
    assert.equal(user.user_metadata.nickname, "Mira");
    assert.equal(user.is_anonymous, false);
    assert.deepEqual(
      user.identities.map((identity) => identity.provider),
      ["email"],
    );
    assert.ok(Date.parse(user.confirmation_sent_at));
    assert.equal(user.email_confirmed_at, undefined);
    assert.match(await inbox.nextCode(), /^\d{6}$/);
  });

  for (const type of ["signup", "email"]) {
    test(`the mailed code confirms the address and signs in (type ${type})`, async () => {
      const client = newClient();
      const inbox = new Inbox();
      const email = inbox.address;
      const { user: signedUp } = await succeeds(client.auth.signUp({ email, password: PASSWORD }));

      const { user, session } = await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type }));

      assert.equal(user.id, signedUp.id);
      assert.ok(Date.parse(user.email_confirmed_at));
      assert.ok(Date.parse(user.confirmed_at));
      assert.equal(user.user_metadata.email_verified, true);
      assert.deepEqual(user.app_metadata, { provider: "email", providers: ["email"] });
      assert.equal(session.token_type, "bearer");
      assert.equal((await userOf(client)).id, user.id);
    });
  }

  test("signing up again with a confirmed address returns a user without identities", async () => {
    const { email, inbox, user: owner } = await signUp();

    const { user, session } = await succeeds(newClient().auth.signUp({ email, password: OTHER_PASSWORD }));

    assert.equal(session, null);
    assert.deepEqual(user.identities, []);
    assert.equal(user.email, email);
    assert.notEqual(user.id, owner.id);
    assert.ok(Date.parse(user.confirmation_sent_at));
    assert.equal((await inbox.codes()).length, 1, "no other code was mailed");
    await fails(newClient().auth.signInWithPassword({ email, password: OTHER_PASSWORD }), 400, "invalid_credentials");
  });

  test("signing up again with an unconfirmed address mails another code for the same account", async () => {
    const client = newClient();
    const inbox = new Inbox();
    const email = inbox.address;
    const { user: first } = await succeeds(client.auth.signUp({ email, password: PASSWORD }));
    await inbox.nextCode();

    const { user: second } = await succeeds(client.auth.signUp({ email, password: PASSWORD }));

    assert.equal(second.id, first.id);
    assert.equal(second.identities.length, 1);
    await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "signup" }));
    await signIn(email);
  });

  test("the code of an address that was signed up with two passwords removes both", async () => {
    const stranger = newClient();
    const owner = newClient();
    const inbox = new Inbox();
    const email = inbox.address;
    await succeeds(stranger.auth.signUp({ email, password: PASSWORD }));
    await inbox.nextCode();
    await succeeds(owner.auth.signUp({ email, password: OTHER_PASSWORD }));

    await succeeds(owner.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "signup" }));

    for (const password of [PASSWORD, OTHER_PASSWORD]) {
      await fails(newClient().auth.signInWithPassword({ email, password }), 400, "invalid_credentials");
    }
    await succeeds(owner.auth.updateUser({ password: OTHER_PASSWORD }));
    await signIn(email, OTHER_PASSWORD);
  });

  test("a weak password is an AuthWeakPasswordError with its reasons", async () => {
    const { error } = await newClient().auth.signUp({ email: new Inbox().address, password: "short" });

    assert.equal(error.name, "AuthWeakPasswordError");
    assert.equal(error.status, 422);
    assert.ok(error.reasons.includes("length"), error.reasons);
    assert.match(error.message, /at least \d+ characters/);
  });

  test("a malformed address is an error", async () => {
    const error = await fails(
      newClient().auth.signUp({ email: "mira.example.com", password: PASSWORD }),
      400,
      "validation_failed",
    );

    assert.match(error.message, /Unable to validate email address/);
  });
});
