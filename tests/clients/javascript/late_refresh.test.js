// Refreshing a session after RefreshGraceSeconds, which are 0 on this server.

import { describe, test } from "node:test";
import { KEY, TOGETHER, fails, newClient, post, succeeds, userOf } from "./gerbang.js";

async function newSession() {
  const { session } = await succeeds(newClient().auth.signInAnonymously());
  return session;
}

describe("refreshing late", TOGETHER, () => {
  test("a client whose refresh response was lost refreshes again, however late", async () => {
    const session = await newSession();
    const client = newClient(session);
    await post("/auth/v1/token?grant_type=refresh_token", { refresh_token: session.refresh_token }, { apikey: KEY });

    await succeeds(client.auth.refreshSession());

    await userOf(client);
  });

  test("a thief who refreshes once the owner uses the next token ends the session of both", async () => {
    const stolen = await newSession();
    const owner = newClient(stolen);
    await succeeds(owner.auth.refreshSession());
    await userOf(owner);

    await fails(newClient(stolen).auth.refreshSession(), 400, "refresh_token_already_used");

    await fails(owner.auth.refreshSession(), 400, "refresh_token_not_found");
  });
});
