import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Inbox, CONCURRENT, fails, methodOf, newClient, signUp, succeeds, userOf, waitForAllMail } from "./gerbang.js";

describe("one-time codes", CONCURRENT, () => {
  for (const type of ["email", "signup"]) {
    test(`a code creates an account for a new address (type ${type})`, async () => {
      const client = newClient();
      const inbox = new Inbox();
      const email = inbox.address;

      const sent = await succeeds(client.auth.signInWithOtp({ email, options: { data: { nickname: "Mira" } } }));
      assert.deepEqual(sent, { user: null, session: null });

      const { user } = await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type }));
      assert.equal(user.email, email);
      assert.equal(user.user_metadata.nickname, "Mira");
      assert.ok(Date.parse(user.email_confirmed_at));
      assert.equal((await userOf(client)).id, user.id);
    });
  }

  for (const type of ["email", "magiclink"]) {
    test(`a code signs in to an account (type ${type})`, async () => {
      const { email, inbox, user } = await signUp();
      const client = newClient();
      await succeeds(client.auth.signInWithOtp({ email, options: { shouldCreateUser: false } }));

      const { user: signedIn } = await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type }));

      assert.equal(signedIn.id, user.id);
      assert.equal(await methodOf(client), "otp");
    });
  }

  test("shouldCreateUser: false mails nothing to an unknown address, and succeeds", async () => {
    const inbox = new Inbox();

    await succeeds(newClient().auth.signInWithOtp({ email: inbox.address, options: { shouldCreateUser: false } }));

    await waitForAllMail();
    assert.deepEqual(await inbox.codes(), []);
  });

  test("a code works once", async () => {
    const inbox = new Inbox();
    const email = inbox.address;
    await succeeds(newClient().auth.signInWithOtp({ email }));
    const token = await inbox.nextCode();
    await succeeds(newClient().auth.verifyOtp({ email, token, type: "email" }));

    await fails(newClient().auth.verifyOtp({ email, token, type: "email" }), 403, "otp_expired");
  });

  test("a wrong code and an unknown address are the same error", async () => {
    const inbox = new Inbox();
    const email = inbox.address;
    await succeeds(newClient().auth.signInWithOtp({ email }));
    const token = await inbox.nextCode();
    const wrongToken = token === "123456" ? "654321" : "123456";

    const wrong = await fails(
      newClient().auth.verifyOtp({ email, token: wrongToken, type: "email" }),
      403,
      "otp_expired",
    );
    const unknown = await fails(
      newClient().auth.verifyOtp({ email: new Inbox().address, token, type: "email" }),
      403,
      "otp_expired",
    );

    assert.match(wrong.message, /expired or is invalid/);
    assert.equal(unknown.message, wrong.message);
  });

  for (const token of ["12 34 56", "1234567", "x"]) {
    test(`a malformed code is a wrong code: ${token}`, async () => {
      await fails(newClient().auth.verifyOtp({ email: new Inbox().address, token, type: "email" }), 403, "otp_expired");
    });
  }
});
