import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Inbox, OTHER_PASSWORD, PASSWORD, CONCURRENT, fails, methodOf, newClient, signUp, succeeds } from "./gerbang.js";

describe("signing in with a password", CONCURRENT, () => {
  test("the right password signs in", async () => {
    const { email, user } = await signUp();
    const client = newClient();
    const events = [];
    client.auth.onAuthStateChange((event) => events.push(event));

    const { user: signedIn, session } = await succeeds(client.auth.signInWithPassword({ email, password: PASSWORD }));

    assert.equal(signedIn.id, user.id);
    assert.ok(Date.parse(signedIn.last_sign_in_at));
    assert.equal(session.user.id, user.id);
    assert.equal(session.expires_in, 3600);
    assert.ok(events.includes("SIGNED_IN"));
    assert.equal(await methodOf(client), "password");
  });

  test("an address is found in any letter case", async () => {
    const { email, user } = await signUp();

    const { user: signedIn } = await succeeds(
      newClient().auth.signInWithPassword({ email: email.toUpperCase(), password: PASSWORD }),
    );

    assert.equal(signedIn.id, user.id);
  });

  test("a wrong password and an unknown address are the same error", async () => {
    const { email } = await signUp();

    const wrong = await fails(
      newClient().auth.signInWithPassword({ email, password: OTHER_PASSWORD }),
      400,
      "invalid_credentials",
    );
    const unknown = await fails(
      newClient().auth.signInWithPassword({ email: new Inbox().address, password: PASSWORD }),
      400,
      "invalid_credentials",
    );

    assert.match(wrong.message, /Invalid login credentials/);
    assert.equal(unknown.message, wrong.message);
  });

  test("an account without a password cannot sign in with one", async () => {
    const inbox = new Inbox();
    const email = inbox.address;
    await succeeds(newClient().auth.signInWithOtp({ email }));
    await succeeds(newClient().auth.verifyOtp({ email, token: await inbox.nextCode(), type: "email" }));

    await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
  });

  test("before the address is confirmed, the right password is email_not_confirmed and a wrong one invalid_credentials", async () => {
    const { address: email } = new Inbox();
    await succeeds(newClient().auth.signUp({ email, password: PASSWORD }));

    const error = await fails(
      newClient().auth.signInWithPassword({ email, password: PASSWORD }),
      400,
      "email_not_confirmed",
    );

    assert.match(error.message, /Email not confirmed/);
    await fails(newClient().auth.signInWithPassword({ email, password: OTHER_PASSWORD }), 400, "invalid_credentials");
  });
});
