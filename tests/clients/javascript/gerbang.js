// Helpers for all tests: clients, inboxes, and calls without a client.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";

export const SERVER = process.env.GERBANG_URL;
export const PASSWORD = "Violet-tram-42";
export const OTHER_PASSWORD = "Amber-ferry-43";
export const { publishable_key: KEY, secret_key: SECRET_KEY } = await get("/_local/config.json");

/** Tests wait for mails most of the time, so those of a file run at the same time. */
export const CONCURRENT = { concurrency: true };

const MAIL_SECONDS = 10;

/** Returns a client as an app creates it. It is signed out, unless it has a session that the app stored. */
export function newClient(session) {
  return clientWith(KEY, session);
}

/** Returns the administrator's methods of a client with the secret key. */
export function newAdmin() {
  return clientWith(SECRET_KEY).auth.admin;
}

/** Returns a client of an app that uses PKCE. */
export function newPkceClient() {
  return clientWith(KEY, undefined, { flowType: "pkce" });
}

function clientWith(key, session, more = {}) {
  return createClient(SERVER, key, {
    auth: { autoRefreshToken: false, storage: storageWith(session), storageKey: "session", ...more },
    realtime: { transport: class {} }, // supabase-js needs a WebSocket, which Node 20 does not have
  });
}

/** Opens a link as a browser does. Returns the URL of the redirect. */
export async function follow(link) {
  const response = await fetch(link, { redirect: "manual" });
  assert.equal(response.status, 303, await response.text());
  return new URL(response.headers.get("location"));
}

/** Replaces a browser's localStorage. */
function storageWith(session) {
  const items = new Map(session ? [["session", JSON.stringify(session)]] : []);
  return {
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => items.set(name, value),
    removeItem: (name) => items.delete(name),
  };
}

/** The mails to a new e-mail address, read in order. */
export class Inbox {
  address = `mira-${randomUUID().slice(0, 13)}@example.com`;
  #read = 0;

  /** Waits for the next mail with a code, and returns the code. */
  async nextCode() {
    const number = this.#read++;
    const deadline = Date.now() + MAIL_SECONDS * 1000;
    while (Date.now() < deadline) {
      const codes = await this.codes();
      if (codes.length > number) return codes[number];
      await sleep(20);
    }
    assert.fail(`no mail with code ${number + 1} to ${this.address} arrived`);
  }

  /** Waits for the next mail, and returns the newest link. */
  async nextLink() {
    await this.nextCode();
    const mails = (await get("/_local/mailbox.json")).filter((mail) => mail.to === this.address);
    const links = mails.flatMap((mail) => mail.text.match(/^http\S+$/m) ?? []);
    assert.ok(links.length, `no mail to ${this.address} has a link`);
    return links[this.#read - 1];
  }

  /** Returns the codes of all mails that have arrived. */
  async codes() {
    const mails = await get("/_local/mailbox.json");
    return mails.filter((mail) => mail.to === this.address).flatMap((mail) => mail.text.match(/^\d{6}$/m) ?? []);
  }
}

/** Waits until all mails that were requested so far have arrived. Mails arrive in order. */
export async function waitForAllMail() {
  const inbox = new Inbox();
  await succeeds(newClient().auth.signInWithOtp({ email: inbox.address }));
  await inbox.nextCode();
}

/** Checks that a call succeeds, and returns its `data`. */
export async function succeeds(call) {
  const { data, error } = await call;
  if (error) assert.fail(`${error.name} ${error.status} ${error.code}: ${error.message}`);
  return data;
}

/** Checks that a call fails with a status and a code, and returns its `error`. */
export async function fails(call, status, code) {
  const { error } = await call;
  assert.deepEqual({ status: error?.status, code: error?.code }, { status, code }, error?.message);
  return error;
}

/** Creates an account with a confirmed address. The client is signed in. */
export async function signUp({ password = PASSWORD, data = {} } = {}) {
  const client = newClient();
  const inbox = new Inbox();
  const email = inbox.address;
  await succeeds(client.auth.signUp({ email, password, options: { data } }));
  const { user, session } = await succeeds(
    client.auth.verifyOtp({ email, token: await inbox.nextCode(), type: "signup" }),
  );
  return { client, inbox, email, user, session };
}

/** Returns a new client that is signed in with a password. */
export async function signIn(email, password = PASSWORD) {
  const client = newClient();
  await succeeds(client.auth.signInWithPassword({ email, password }));
  return client;
}

/** Returns the sign-in method in the access token of a client. */
export async function methodOf(client) {
  const { currentAuthenticationMethods } = await succeeds(client.auth.mfa.getAuthenticatorAssuranceLevel());
  return currentAuthenticationMethods[0].method;
}

/** Returns a client's user from the server. */
export async function userOf(client) {
  return (await succeeds(client.auth.getUser())).user;
}

/** Returns an ID token as Google gives it to the app. */
export async function googleToken(email, claims = {}) {
  const fields = { email, name: "Mira Silva", google_id: randomUUID(), ...claims };
  return (await post("/_local/google/id_token", fields)).id_token;
}

/** Returns the body of a successful answer of any API. */
export async function get(path, headers = {}) {
  return bodyOf(await fetch(SERVER + path, { headers }));
}

/** Returns the body of a successful answer of any API. */
export async function post(path, body, headers = {}) {
  const request = {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  };
  return bodyOf(await fetch(SERVER + path, request));
}

async function bodyOf(response) {
  assert.ok(response.ok, `${response.url} answered ${response.status}: ${await response.clone().text()}`);
  return response.json();
}
