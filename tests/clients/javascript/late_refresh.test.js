// Refreshing a session after RefreshGraceSeconds, which are 0 on this server.

import { describe, test } from "node:test";
import { KEY, CONCURRENT, fails, newClient, post, succeeds, userOf } from "./gerbang.js";

async function newSession() {
  const { session } = await succeeds(newClient().auth.signInAnonymously());
  return session;
}

describe("refreshing late", CONCURRENT, () => {
  test("a client can repeat a refresh at any time after a lost response", async () => {
    const session = await newSession();
    const client = newClient(session);
    await post("/auth/v1/token?grant_type=refresh_token", { refresh_token: session.refresh_token }, { apikey: KEY });

    await succeeds(client.auth.refreshSession());

    await userOf(client);
  });

  test("a stolen token ends the session after its successor was used", async () => {
    const stolen = await newSession();
    const owner = newClient(stolen);
    await succeeds(owner.auth.refreshSession());
    await userOf(owner);

    await fails(newClient(stolen).auth.refreshSession(), 400, "refresh_token_already_used");

    await fails(owner.auth.refreshSession(), 400, "refresh_token_not_found");
  });
});
