// An app with a client generated from the OpenAPI document. It registers, reads the account and signs out.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const body: components["schemas"]["SnapOtpRegisterRequest"] = {
  username: process.argv[3], email: `${process.argv[3]}@example.com`, password: "violet-tram-42", name: "Mira",
};

const registered = await client.POST("/api/auth/register", { body: { ...body, username: process.argv[3] } });
if (!registered.data || !("success" in registered.data)) throw new Error(JSON.stringify(registered.error));
const headers = { Authorization: `Bearer ${registered.data.data.token}` };

const account = await client.GET("/api/auth/me", { headers });
if (!account.data) throw new Error(account.error.message);
const name: string | null = account.data.data.username;

const signedOut = await client.POST("/api/auth/logout", { headers });
if (!signedOut.data) throw new Error(signedOut.error.message);
const afterSignOut = await client.GET("/api/auth/me", { headers });

console.log(JSON.stringify([name, signedOut.data.message, afterSignOut.response.status, afterSignOut.error?.message]));
