// An app that uses the client that is made of the OpenAPI document: it registers, shows the account and signs out.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const body: components["schemas"]["SnapOtpRegisterRequest"] = {
  username: process.argv[3], email: `${process.argv[3]}@example.com`, password: "violet-tram-42", name: "Mira",
};

const registered = await client.POST("/api/auth/register", { body: { ...body, username: process.argv[3] } });
if (!registered.data || !("success" in registered.data)) throw new Error(JSON.stringify(registered.error));
const headers = { Authorization: `Bearer ${registered.data.data.token}` };

const shown = await client.GET("/api/auth/me", { headers });
if (!shown.data) throw new Error(shown.error.message);
const name: string | null = shown.data.data.username;

const signedOut = await client.POST("/api/auth/logout", { headers });
if (!signedOut.data) throw new Error(signedOut.error.message);
const late = await client.GET("/api/auth/me", { headers });

console.log(JSON.stringify([name, signedOut.data.message, late.response.status, late.error?.message]));
