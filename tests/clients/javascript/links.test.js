import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Inbox,
  PASSWORD,
  CONCURRENT,
  fails,
  follow,
  newAdmin,
  newClient,
  newPkceClient,
  signUp,
  succeeds,
  userOf,
} from "./gerbang.js";

const APP = "http://localhost:3000/welcome?from=mail";

describe("links", CONCURRENT, () => {
  test("a link redirects to the app with a session in the fragment", async () => {
    const inbox = new Inbox();
    await succeeds(newClient().auth.signInWithOtp({ email: inbox.address, options: { emailRedirectTo: APP } }));

    const opened = await follow(await inbox.nextLink());

    assert.equal(opened.href.split("#")[0], APP);
    const told = new URLSearchParams(opened.hash.slice(1));
    const client = newClient();
    await succeeds(
      client.auth.setSession({ access_token: told.get("access_token"), refresh_token: told.get("refresh_token") }),
    );
    assert.equal((await userOf(client)).email, inbox.address);
  });

  test("verifyOtp accepts the token of a link as token_hash", async () => {
    const inbox = new Inbox();
    await succeeds(newClient().auth.signInWithOtp({ email: inbox.address }));
    const link = new URL(await inbox.nextLink());
    const asked = { token_hash: link.searchParams.get("token"), type: link.searchParams.get("type") };

    const { user } = await succeeds(newClient().auth.verifyOtp(asked));

    assert.equal(user.email, inbox.address);
    await fails(newClient().auth.verifyOtp(asked), 403, "otp_expired");
  });

  test("a client that uses PKCE exchanges the code of a link", async () => {
    const inbox = new Inbox();
    const client = newPkceClient();
    await succeeds(client.auth.signUp({ email: inbox.address, password: PASSWORD }));

    const opened = await follow(await inbox.nextLink());
    const code = opened.searchParams.get("code");
    const { session } = await succeeds(client.auth.exchangeCodeForSession(code));

    assert.equal(session.user.email, inbox.address);
    assert.equal((await userOf(client)).id, session.user.id);
  });

  test("the link of a forgotten password can be exchanged, too", async () => {
    const { email, inbox } = await signUp();
    const client = newPkceClient();
    await succeeds(client.auth.resetPasswordForEmail(email));

    const opened = await follow(await inbox.nextLink());

    await succeeds(client.auth.exchangeCodeForSession(opened.searchParams.get("code")));
    await succeeds(client.auth.updateUser({ password: "Silver-kayak-44" }));
  });

  test("both addresses confirm a change by their links", async () => {
    const { client, inbox } = await signUp();
    const other = new Inbox();
    await succeeds(client.auth.updateUser({ email: other.address }));

    const half = await follow(await other.nextLink());
    const whole = await follow(await inbox.nextLink());

    assert.match(new URLSearchParams(half.hash.slice(1)).get("message"), /other address/);
    assert.ok(new URLSearchParams(whole.hash.slice(1)).get("access_token"));
    assert.equal((await userOf(client)).email, other.address);
  });

  test("an administrator invites a user by mail", async () => {
    const inbox = new Inbox();
    const admin = newAdmin();

    const { user } = await succeeds(admin.inviteUserByEmail(inbox.address, { data: { nickname: "Mira" } }));
    assert.ok(Date.parse(user.invited_at));
    const opened = await follow(await inbox.nextLink());

    assert.equal(new URLSearchParams(opened.hash.slice(1)).get("type"), "invite");
    await fails(admin.inviteUserByEmail(inbox.address), 422, "email_exists");
  });

  for (const type of ["signup", "invite", "magiclink", "recovery"]) {
    test(`an administrator generates a link (type ${type})`, async () => {
      const email = type === "recovery" ? (await signUp()).email : new Inbox().address;

      const { properties, user } = await succeeds(
        newAdmin().generateLink({ type, email, password: PASSWORD, options: { redirectTo: APP } }),
      );

      assert.equal(user.email, email);
      assert.equal(properties.redirect_to, APP);
      assert.match(properties.email_otp, /^\d{6}$/);
      const opened = await follow(properties.action_link);
      assert.ok(new URLSearchParams(opened.hash.slice(1)).get("access_token"));
    });
  }
});
