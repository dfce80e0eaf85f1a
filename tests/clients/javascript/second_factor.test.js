import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KEY, PASSWORD, SERVER, CONCURRENT, fails, newAdmin, newClient, post, signIn, signUp, succeeds } from "./gerbang.js";

/** The code that an app shows, now or some steps from now (RFC 6238). It does not change for five seconds. */
async function codeOf(secret, steps = 0) {
  const left = 30_000 - (Date.now() % 30_000);
  if (left < 5_000) await sleep(left);
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"));
  const key = Buffer.from(bits.join("").match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(step).digest();
  const number = mac.readUInt32BE(mac[19] & 0xf) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** The level of a client's session, and the one that it can reach. */
async function levelsOf(client) {
  const { currentLevel, nextLevel } = await succeeds(client.auth.mfa.getAuthenticatorAssuranceLevel());
  return [currentLevel, nextLevel];
}

/** An account with an app whose first code was verified, a step early. */
async function withApp() {
  const owner = await signUp();
  const { mfa } = owner.client.auth;
  const { id, totp } = await succeeds(mfa.enroll({ factorType: "totp", friendlyName: "phone" }));
  await succeeds(mfa.challengeAndVerify({ factorId: id, code: await codeOf(totp.secret, -1) }));
  return { ...owner, factorId: id, secret: totp.secret };
}

describe("second factor", CONCURRENT, () => {
  test("enroll, challenge and verify raise the session to two factors", async () => {
    const { client } = await signUp();
    const { mfa } = client.auth;
    assert.deepEqual(await levelsOf(client), ["aal1", "aal1"]);

    const { id, totp, type } = await succeeds(mfa.enroll({ factorType: "totp", friendlyName: "phone", issuer: "Toko" }));
    assert.equal(type, "totp");
    assert.ok(totp.qr_code.startsWith("data:image/svg+xml;utf-8,<svg "));
    assert.ok(!totp.qr_code.includes("#"));
    assert.ok(totp.uri.startsWith("otpauth://totp/Toko:"));
    const challenge = await succeeds(mfa.challenge({ factorId: id }));
    const code = await codeOf(totp.secret);
    const session = await succeeds(mfa.verify({ factorId: id, challengeId: challenge.id, code }));

    assert.ok(session.access_token);
    assert.deepEqual(await levelsOf(client), ["aal2", "aal2"]);
    const { all, totp: verified } = await succeeds(mfa.listFactors());
    assert.deepEqual([all.length, verified[0].friendly_name, verified[0].status], [1, "phone", "verified"]);
    await succeeds(client.auth.refreshSession());
    assert.deepEqual(await levelsOf(client), ["aal2", "aal2"]);
    const { currentAuthenticationMethods } = await succeeds(mfa.getAuthenticatorAssuranceLevel());
    assert.deepEqual(currentAuthenticationMethods.map(({ method }) => method), ["totp", "otp"]);
  });

  test("a code raises a new session to two factors, and works once", async () => {
    const { email, factorId, secret, client: before } = await withApp();
    const low = await signIn(email);
    const client = await signIn(email);
    assert.deepEqual(await levelsOf(client), ["aal1", "aal2"]);
    await fails(client.auth.updateUser({ password: "Amber-ferry-43" }), 401, "insufficient_aal");
    await fails(client.auth.mfa.unenroll({ factorId }), 422, "insufficient_aal");
    await fails(client.auth.mfa.enroll({ factorType: "totp" }), 403, "insufficient_aal");

    await fails(client.auth.mfa.challengeAndVerify({ factorId, code: "000000" }), 422, "mfa_verification_failed");
    const code = await codeOf(secret);
    await succeeds(client.auth.mfa.challengeAndVerify({ factorId, code }));
    await fails(client.auth.mfa.challengeAndVerify({ factorId, code }), 422, "mfa_verification_failed");

    assert.deepEqual(await levelsOf(client), ["aal2", "aal2"]);
    assert.equal((await low.auth.getUser()).data.user, null); // sessions of one factor have ended
    await succeeds(before.auth.getUser());
  });

  test("unenroll removes the factor", async () => {
    const { client, factorId } = await withApp();

    assert.equal((await succeeds(client.auth.mfa.unenroll({ factorId }))).id, factorId);

    await succeeds(client.auth.refreshSession());
    assert.deepEqual(await levelsOf(client), ["aal1", "aal1"]);
    await fails(client.auth.mfa.challenge({ factorId }), 404, "mfa_factor_not_found");
  });

  test("an administrator lists and deletes factors", async () => {
    const { client, user, factorId } = await withApp();
    const { mfa } = newAdmin();

    const { factors } = await succeeds(mfa.listFactors({ userId: user.id }));
    assert.deepEqual(factors.map(({ id, status }) => [id, status]), [[factorId, "verified"]]);
    await succeeds(mfa.deleteFactor({ userId: user.id, id: factorId }));

    assert.deepEqual((await succeeds(client.auth.mfa.listFactors())).all, []);
  });

  test("a recovery code replaces the app", async () => {
    const { client, email, factorId } = await withApp();
    const { session } = await succeeds(client.auth.getSession());
    const headers = { apikey: KEY, Authorization: `Bearer ${session.access_token}` };
    const { recovery_codes: codes } = await post("/auth/v1/factors/recovery-codes", {}, headers);
    assert.equal(codes.length, 10);

    const back = await signIn(email);
    await succeeds(back.auth.mfa.challengeAndVerify({ factorId, code: codes[0] }));

    assert.deepEqual(await levelsOf(back), ["aal2", "aal2"]);
    await succeeds(back.auth.mfa.unenroll({ factorId }));
  });

  test("other APIs require the second factor at sign-in", async () => {
    const { email, secret } = await withApp();
    const asked = { method: "POST", headers: { "Content-Type": "application/json" } };

    const answer = await fetch(`${SERVER}/api/auth/login`, { ...asked, body: JSON.stringify({ email, password: PASSWORD }) });
    const { statusCode, code, mfaToken } = await answer.json();
    assert.deepEqual([answer.status, statusCode, code], [403, 403, "second_factor_required"]);
    const { data } = await post("/api/auth/mfa/verify", { mfaToken, code: await codeOf(secret) });

    const goesOn = newClient();
    await succeeds(goesOn.auth.setSession({ access_token: data.accessToken, refresh_token: data.refreshToken }));
    assert.deepEqual(await levelsOf(goesOn), ["aal2", "aal2"]);
  });

  test("guests cannot enrol factors, and phones are not supported", async () => {
    const client = newClient();
    await succeeds(client.auth.signInAnonymously());
    await fails(client.auth.mfa.enroll({ factorType: "totp" }), 403, "no_authorization");

    const { client: user } = await signUp();
    await fails(user.auth.mfa.enroll({ factorType: "phone", phone: "+628123" }), 422, "mfa_phone_enroll_not_enabled");
  });
});
