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
  waitForAllMail,
} from "./gerbang.js";

describe("mails", CONCURRENT, () => {
  test("a forgotten password is replaced with the mailed code", async () => {
    const { email, inbox, user } = await signUp();
    const client = newClient();
    const events = [];
    client.auth.onAuthStateChange((event) => events.push(event));

    await succeeds(client.auth.resetPasswordForEmail(email, { redirectTo: "https://app.example/reset" }));
    await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "recovery" }));
    await succeeds(client.auth.updateUser({ password: OTHER_PASSWORD }));

    assert.ok(events.includes("PASSWORD_RECOVERY"));
    assert.equal((await userOf(await signIn(email, OTHER_PASSWORD))).id, user.id);
    await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
  });

  test("resetPasswordForEmail mails nothing to an unknown address, and succeeds", async () => {
    const inbox = new Inbox();

    await succeeds(newClient().auth.resetPasswordForEmail(inbox.address));

    await waitForAllMail();
    assert.deepEqual(await inbox.codes(), []);
  });

  test("the code of a sign-up is mailed again, and replaces the first", async () => {
    const client = newClient();
    const inbox = new Inbox();
    const email = inbox.address;
    await succeeds(client.auth.signUp({ email, password: PASSWORD }));
    const first = await inbox.nextCode();

    await succeeds(client.auth.resend({ type: "signup", email }));

    const second = await inbox.nextCode();
    assert.notEqual(second, first);
    await fails(client.auth.verifyOtp({ email, token: first, type: "signup" }), 403, "otp_expired");
    await succeeds(client.auth.verifyOtp({ email, token: second, type: "signup" }));
  });

  test("the codes of an e-mail change are mailed again", async () => {
    const { client, email, inbox, user } = await signUp();
    const newInbox = new Inbox();
    await succeeds(client.auth.updateUser({ email: newInbox.address }));
    await inbox.nextCode();
    await newInbox.nextCode();

    await succeeds(client.auth.resend({ type: "email_change", email }));

    await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "email_change" }));
    const { user: changed } = await succeeds(
      client.auth.verifyOtp({ email: newInbox.address, token: await newInbox.nextCode(), type: "email_change" }),
    );
    assert.equal(changed.id, user.id);
    assert.equal(changed.email, newInbox.address);
  });

  test("resend succeeds if there is nothing to mail again", async () => {
    const { email, inbox } = await signUp();
    const unknown = new Inbox();

    await succeeds(newClient().auth.resend({ type: "signup", email }));
    await succeeds(newClient().auth.resend({ type: "email_change", email }));
    await succeeds(newClient().auth.resend({ type: "signup", email: unknown.address }));

    await waitForAllMail();
    assert.equal((await inbox.codes()).length, 1, "the one of the sign-up");
    assert.deepEqual(await unknown.codes(), []);
  });
});
