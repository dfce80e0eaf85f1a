import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import {
  Inbox,
  OTHER_PASSWORD,
  PASSWORD,
  CONCURRENT,
  fails,
  newAdmin,
  newClient,
  signIn,
  signUp,
  succeeds,
  userOf,
} from "./gerbang.js";

const admin = newAdmin();

/** Creates a user as an administrator. */
async function created(attributes = {}) {
  const email = new Inbox().address;
  return (await succeeds(admin.createUser({ email, password: PASSWORD, email_confirm: true, ...attributes }))).user;
}

describe("administrators", CONCURRENT, () => {
  test("createUser creates a user who can sign in immediately, without mail", async () => {
    const inbox = new Inbox();
    const attributes = { user_metadata: { nickname: "Mira" }, app_metadata: { plan: "pro" } };

    const { user } = await succeeds(
      admin.createUser({ email: inbox.address, password: PASSWORD, email_confirm: true, ...attributes }),
    );

    assert.equal(user.email, inbox.address);
    assert.ok(user.email_confirmed_at);
    assert.equal(user.user_metadata.nickname, "Mira");
    assert.deepEqual(user.app_metadata, { plan: "pro", provider: "email", providers: ["email"] });
    assert.equal((await userOf(await signIn(inbox.address))).id, user.id);
    assert.deepEqual(await inbox.codes(), []);
  });

  test("createUser accepts an id and a hash of another system", async () => {
    const email = new Inbox().address;
    const id = randomUUID();
    const hash = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"; // of this password, made by PHP

    await succeeds(admin.createUser({ id, email, email_confirm: true, password_hash: hash }));

    assert.equal((await userOf(await signIn(email, "Correct horse 1"))).id, id);
  });

  test("createUser with a taken address is an error", async () => {
    const { email } = await created();

    await fails(admin.createUser({ email }), 422, "email_exists");
  });

  test("getUserById returns the user", async () => {
    const user = await created();

    assert.deepEqual((await succeeds(admin.getUserById(user.id))).user, user);
    await fails(admin.getUserById(randomUUID()), 404, "user_not_found");
  });

  test("updateUserById changes the user immediately", async () => {
    const { client, user, email } = await signUp({ data: { nickname: "Mira" } });
    const next = new Inbox();

    const { user: changed } = await succeeds(
      admin.updateUserById(user.id, {
        email: next.address,
        password: OTHER_PASSWORD,
        user_metadata: { color: "red", nickname: null },
        app_metadata: { plan: "pro" },
      }),
    );

    assert.equal(changed.email, next.address);
    assert.equal(changed.user_metadata.color, "red");
    assert.equal(changed.user_metadata.nickname, undefined);
    assert.equal(changed.app_metadata.plan, "pro");
    assert.equal((await client.auth.getUser()).error.name, "AuthSessionMissingError");
    await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
    await signIn(next.address, OTHER_PASSWORD);
    assert.deepEqual(await next.codes(), []);
  });

  test("updateUserById with a weak password is an error", async () => {
    const user = await created();

    const { error } = await admin.updateUserById(user.id, { password: "12345" });

    assert.equal(error.name, "AuthWeakPasswordError");
    assert.deepEqual(error.reasons, ["length"]);
  });

  test("updateUserById bans and unbans", async () => {
    const { client, user, email } = await signUp();

    const { user: banned } = await succeeds(admin.updateUserById(user.id, { ban_duration: "24h" }));

    assert.ok(new Date(banned.banned_until) > new Date());
    await fails(client.auth.getUser(), 403, "user_banned");
    await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "user_banned");
    await succeeds(admin.updateUserById(user.id, { ban_duration: "none" }));
    assert.equal((await userOf(client)).id, user.id);
  });

  test("deleteUser deletes the user and ends their sessions", async () => {
    const { client, user, email } = await signUp();

    await succeeds(admin.deleteUser(user.id));

    await fails(client.auth.getUser(), 403, "user_not_found");
    await fails(admin.getUserById(user.id), 404, "user_not_found");
    await fails(newClient().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
    await created({ email });
  });

  test("deleteUser does not support soft deletion", async () => {
    const user = await created();

    await fails(admin.deleteUser(user.id, true), 400, "validation_failed");

    await succeeds(admin.getUserById(user.id));
  });

  for (const [scope, left] of [
    ["local", { self: false, other: true }],
    ["others", { self: true, other: false }],
    ["global", { self: false, other: false }],
  ]) {
    test(`signOut on behalf of a user, with scope ${scope}`, async () => {
      const { client, email, session } = await signUp();
      const other = await signIn(email);

      await succeeds(admin.signOut(session.access_token, scope));

      const works = async (auth) => (await auth.getUser()).data.user !== null;
      assert.deepEqual({ self: await works(client.auth), other: await works(other.auth) }, left);
    });
  }

  test("a user's key cannot call administrator methods", async () => {
    const { client, user } = await signUp();

    await fails(client.auth.admin.listUsers(), 403, "not_admin");
    await fails(newClient().auth.admin.deleteUser(user.id), 403, "not_admin");
    await userOf(client);
  });
});

// These run one after the other, when no other test creates users.
describe("lists of users", () => {
  test("listUsers returns pages, and how many there are", async () => {
    const newUsers = [await created(), await created(), await created()];

    const { users, aud, total } = await succeeds(admin.listUsers());
    assert.equal(aud, "authenticated");
    assert.ok(users.length >= newUsers.length);
    assert.ok(total >= users.length);

    const perPage = Math.ceil(total / 3); // clients read no page number above 9
    const first = await succeeds(admin.listUsers({ page: 1, perPage }));
    assert.equal(first.users.length, perPage);
    assert.equal(first.nextPage, 2);
    assert.equal(first.lastPage, Math.ceil(total / perPage));
    assert.equal(first.total, total);

    const ids = [];
    for (let page = 1, size = 2; size === 2; page++) {
      const { users: some } = await succeeds(admin.listUsers({ page, perPage: 2 }));
      ids.push(...some.map((user) => user.id));
      size = some.length;
    }
    assert.ok(newUsers.every((user) => ids.includes(user.id)));
    assert.equal(new Set(ids).size, ids.length);
  });

  test("listUsers marks the only page as the last one", async () => {
    const { users, nextPage, lastPage, total } = await succeeds(admin.listUsers({ page: 1, perPage: 200 }));

    assert.deepEqual({ nextPage, lastPage }, { nextPage: null, lastPage: 1 });
    assert.equal(total, users.length);
  });
});
