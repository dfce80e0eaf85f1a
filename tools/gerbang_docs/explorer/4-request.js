// The request: what it is at first, what its reader makes of it, and how it is sent.
const NO_BODY = ["GET", "HEAD"];
const REGISTERS = /register|signup|admin\/users|invite/;

/** Return the request of an endpoint, filled in with what the page remembers. */
function prepared(operation) {
  const session = memory.session;
  const headers = [];
  const credentials = operation.c || [];
  if (credentials.includes("apikey")) {
    headers.push(`apikey: ${credentials.includes("secret key") && memory.keys.secret || memory.keys.publishable || `<${t("API key")}>`}`);
  }
  if (credentials.includes("secret key")) headers.push(`Authorization: Bearer ${memory.keys.secret || `<${t("secret key")}>`}`);
  if (credentials.includes("access token")) headers.push(`Authorization: Bearer ${session ? session.access : `<${t("access token")}>`}`);
  if (credentials.includes("x-organization-id")) headers.push(`x-organization-id: ${(session && session.organization) || "<org_…>"}`);
  let body = "";
  if (operation.form) {
    headers.push("Content-Type: application/x-www-form-urlencoded");
    body = new URLSearchParams(operation.b).toString();
  } else if (operation.b) {
    headers.push("Content-Type: application/json");
    body = JSON.stringify(filled(operation), null, 2);
  }
  headers.push(`Accept-Language: ${language}`);
  return { method: operation.m, url: location.origin + target(operation), headers: headers.join("\n"), body };
}

function target(operation) {
  const path = operation.p.replace(/\{(\w+)\}/g, (all, name) => (name === "user_id" && claim("sub")) || all);
  const query = new URLSearchParams(operation.q || {});
  for (const parameter of operation.P || []) {
    if (parameter.in === "query" && parameter.required) {
      query.set(parameter.name, parameter.example || (parameter.values || [""])[0]);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Return a claim of the access token, which anybody can read. */
function claim(name) {
  try {
    const payload = memory.session.access.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(payload))[name];
  } catch {
    return null;
  }
}

/** Return an endpoint's example with the address, names, tokens and codes of this visit in it. */
function filled(operation) {
  const body = structuredClone(operation.b);
  const { person, session, code } = memory;
  const registers = REGISTERS.test(operation.p);
  if ("email" in body) body.email = person.email;
  if ("username" in body) body.username = person.username;
  if ("password" in body && person.password && !registers && !operation.p.includes("reset")) body.password = person.password;
  if ("current_password" in body && person.password) body.current_password = person.password;
  for (const name of REFRESH) {
    if (name in body) body[name] = session && session.refresh ? session.refresh : `<${t("refresh token")}>`;
  }
  for (const name of CODES) {
    if (name in body && !operation.form) body[name] = code || (operation.p.includes("reset") ? `<${t("code from the mail")}>` : body[name]);
  }
  return body;
}

/** Return the headers of the editor. Throws an error with the number of the first line that is none. */
function parsedHeaders(text) {
  const headers = new Headers();
  for (const [number, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    const colon = line.indexOf(":");
    try {
      if (colon < 1) throw new TypeError();
      headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    } catch {
      throw new RangeError(String(number + 1));
    }
  }
  return headers;
}

function isJson(request) {
  return /^content-type:\s*application\/json/im.test(request.headers);
}

/** Send a request; return what came back, or why nothing did. */
async function send(request) {
  let url, headers;
  try {
    url = new URL(request.url, location.href);
  } catch {
    return { problem: t("The URL is not valid.") };
  }
  try {
    headers = parsedHeaders(request.headers);
  } catch (error) {
    return { problem: t("Line {line} of the headers is not “Name: value”.", { line: error.message }) };
  }
  const body = NO_BODY.includes(request.method.toUpperCase()) || request.body === "" ? undefined : request.body;
  const started = performance.now();
  try {
    const answer = await fetch(url, {
      method: request.method, headers, body, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", redirect: "manual",
    });
    const text = await answer.text();
    const milliseconds = Math.round(performance.now() - started);
    if (answer.type === "opaqueredirect") return { redirect: true, milliseconds };
    return { status: answer.status, headers: [...answer.headers], text, milliseconds };
  } catch (error) {
    if (url.protocol === "http:" && location.protocol === "https:") {
      return { problem: t("The browser does not call http: from a page that came by https:.") };
    }
    if (/method/i.test(String(error.message)) && !/^[A-Za-z]+$/.test(request.method)) {
      return { problem: t("The method is not valid.") };
    }
    if (["CONNECT", "TRACE", "TRACK"].includes(request.method.toUpperCase())) return { problem: t("Browsers do not send this method.") };
    return {
      problem: url.origin === location.origin
        ? t("No answer. Is the API running?")
        : t("No answer that this page may read. Either {origin} does not answer, or its CORS settings do not name {here}: add it to CorsAllowOrigins.",
          { origin: url.origin, here: location.origin }),
    };
  }
}

// --- the same request elsewhere --------------------------------------------------------------------------------------

const SNIPPETS = {
  curl(request) {
    const quoted = text => `'${text.replace(/'/g, "'\\''")}'`;
    const parts = [`curl -i -X ${request.method} ${quoted(request.url)}`, ...lines(request).map(line => `-H ${quoted(line)}`)];
    if (hasBody(request)) parts.push(`--data-raw ${quoted(compact(request))}`);
    return parts.join(" \\\n  ");
  },
  JavaScript(request) {
    const headers = Object.fromEntries(lines(request).map(split));
    const value = isJson(request) && jsonObject(request.body);
    const body = !hasBody(request) ? "" : `\n  body: ${value ? `JSON.stringify(${indented(value)})` : JSON.stringify(request.body)},`;
    return `const response = await fetch(${JSON.stringify(request.url)}, {\n  method: ${JSON.stringify(request.method)},\n`
      + `  headers: ${indented(headers)},${body}\n});\nconsole.log(response.status, await response.text());`;
  },
  Python(request) {
    const headers = Object.fromEntries(lines(request).map(split));
    const body = hasBody(request) ? JSON.stringify(compact(request)) : "";
    return "from urllib.error import HTTPError\nfrom urllib.request import Request, urlopen\n\n"
      + `request = Request(\n    ${JSON.stringify(request.url)},\n    method=${JSON.stringify(request.method)},\n`
      + `    headers=${JSON.stringify(headers, null, 4).replace(/\n/g, "\n    ")},\n${body && `    data=${body}.encode(),\n`})\n`
      + "try:\n    response = urlopen(request)\nexcept HTTPError as error:\n    response = error\n"
      + "print(response.status, response.read().decode())";
  },
};

function lines(request) {
  return request.headers.split("\n").map(line => line.trim()).filter(Boolean);
}

function split(line) {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

function hasBody(request) {
  return request.body !== "" && !NO_BODY.includes(request.method.toUpperCase());
}

function compact(request) {
  const value = isJson(request) && jsonObject(request.body);
  return value ? JSON.stringify(value) : request.body;
}

function indented(value) {
  return JSON.stringify(value, null, 2).replace(/\n/g, "\n  ");
}
