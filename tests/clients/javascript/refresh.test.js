// Refreshing a session, on a server with the default settings.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KEY, CONCURRENT, fails, newClient, post, succeeds, userOf } from "./gerbang.js";

async function newSession() {
  const { session } = await succeeds(newClient().auth.signInAnonymously());
  return session;
}

async function refreshThreeTimes(session) {
  const client = newClient(session);
  for (let time = 0; time < 3; time++) await succeeds(client.auth.refreshSession());
  return client;
}

describe("refreshing", CONCURRENT, () => {
  test("two tabs that refresh at the same time get the same tokens", async () => {
    const session = await newSession();
    const tabs = [newClient(session), newClient(session)];

    const [first, second] = await Promise.all(tabs.map((tab) => succeeds(tab.auth.refreshSession())));

    assert.equal(first.session.refresh_token, second.session.refresh_token);
    assert.notEqual(first.session.refresh_token, session.refresh_token);
    for (const tab of tabs) await userOf(tab);
  });

  test("tabs that refresh one after the other stay signed in", async () => {
    const session = await newSession();
    const tabs = [1, 2, 3].map(() => newClient(session));

    for (const tab of tabs) {
      await succeeds(tab.auth.refreshSession());
      await userOf(tab);
    }

    for (const tab of tabs) await userOf(tab);
  });

  test("a client can repeat a refresh after a lost response", async () => {
    const session = await newSession();
    const client = newClient(session);
    await post("/auth/v1/token?grant_type=refresh_token", { refresh_token: session.refresh_token }, { apikey: KEY });

    await succeeds(client.auth.refreshSession());
    await succeeds(client.auth.refreshSession());

    await userOf(client);
  });

  test("a stolen token that is used after the owner ends the session", async () => {
    const stolen = await newSession();
    const owner = await refreshThreeTimes(stolen);

    await fails(newClient(stolen).auth.refreshSession(), 400, "refresh_token_already_used");

    await fails(owner.auth.refreshSession(), 400, "refresh_token_not_found");
  });

  test("a stolen token that is used before the owner ends the session", async () => {
    const stolen = await newSession();
    const thief = await refreshThreeTimes(stolen);

    await fails(newClient(stolen).auth.refreshSession(), 400, "refresh_token_already_used");

    await fails(thief.auth.refreshSession(), 400, "refresh_token_not_found");
  });
});
