import { describe, test } from "node:test";
import { Inbox, PASSWORD, CONCURRENT, fails, newClient, succeeds, userOf } from "./gerbang.js";

/** The one token that the stand-in of `make run` for the CAPTCHA's provider confirms. */
const captchaToken = "local-captcha-token";

describe("CAPTCHA", CONCURRENT, () => {
  test("a missing or wrong token is an error", async () => {
    const { auth } = newClient();
    const { address: email } = new Inbox();

    await fails(auth.signUp({ email, password: PASSWORD }), 400, "captcha_failed");
    await fails(auth.signInAnonymously(), 400, "captcha_failed");
    await fails(auth.signInWithPassword({ email, password: PASSWORD }), 400, "captcha_failed");
    await fails(auth.signInWithOtp({ email, options: { captchaToken: "another" } }), 400, "captcha_failed");
    await fails(auth.resetPasswordForEmail(email), 400, "captcha_failed");
    await fails(auth.resend({ type: "signup", email }), 400, "captcha_failed");
  });

  test("a valid token is accepted, and a refresh needs none", async () => {
    const client = newClient();
    const inbox = new Inbox();
    const { address: email } = inbox;
    const options = { captchaToken };

    await succeeds(client.auth.signUp({ email, password: PASSWORD, options }));
    await succeeds(client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "signup" }));
    await succeeds(client.auth.signInWithPassword({ email, password: PASSWORD, options }));
    await succeeds(client.auth.refreshSession());

    await userOf(client);
  });
});
