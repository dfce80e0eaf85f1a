// The page: the list of endpoints, one of them with its request and its answer, five steps to begin with.
const STEPS = [
  ["post-auth-register", "Register"],
  ["post-auth-verify-otp", "Sign in with the code"],
  ["get-api-auth-me", "See your account"],
  ["post-auth-v1-token-refresh-token", "Refresh the session"],
  ["get-auth-logout", "Sign out"],
];
const BY_KEY = new Map(DATA.operations.map(each => [each.k, each]));
const answers = new Map();
let current;
let request;
let snippet = "curl";

function statusKind(status) {
  return status < 300 ? "good" : status < 400 ? "other" : status < 500 ? "bad" : "worst";
}

function badge(method) {
  return el("span", { class: `method ${method.toLowerCase()}` }, method);
}

function callers(operation) {
  const names = { "access token": "access token", apikey: "API key", "secret key": "secret key", "x-organization-id": "organization" };
  const credentials = (operation.c || []).map(name => t(names[name] || name));
  return credentials.length ? t("With {credentials}", { credentials: credentials.join(" + ") }) : t("Anyone may call it");
}

// --- the list --------------------------------------------------------------------------------------------------------

function showList() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = each => {
    const text = [each.m, each.p, ...Object.values(each.q || {}), each.a, each.s, t(each.s)].join(" ").toLowerCase();
    return words.every(word => text.includes(word));
  };
  const groups = DATA.apis.map(api => [api, DATA.operations.filter(each => each.a === api && fits(each))]);
  byId("endpoints").replaceChildren(...groups.filter(([, each]) => each.length).map(([api, operations]) => el("section", {},
    el("h2", {}, t(api)),
    el("ul", {}, operations.map(each => el("li", {}, el("a", {
      href: `#${each.k}`, "aria-current": each === current ? "page" : null, title: t(each.s),
    }, badge(each.m), el("span", { class: "path" }, breakable(pathOf(each))))))))));
  byId("none").hidden = groups.some(([, each]) => each.length);
}

function pathOf(operation) {
  const query = new URLSearchParams(operation.q || {}).toString();
  return operation.p + (query ? `?${query}` : "");
}

/** Return a name or path as elements: lines may break where its words end. */
function breakable(text) {
  return text.split(/(?<=[/?_=])/).flatMap((part, number) => (number ? [el("wbr"), part] : [part]));
}

function showSteps() {
  byId("steps").replaceChildren(...STEPS.filter(([key]) => BY_KEY.has(key)).map(([key, text], number) => el("li", {},
    el("a", { href: `#${key}`, class: memory.done.has(key) ? "done" : null, "aria-current": current.k === key ? "step" : null },
      el("span", { class: "number", "aria-hidden": "true" }, memory.done.has(key) ? "✓" : String(number + 1)), t(text),
      memory.done.has(key) ? el("span", { class: "hidden" }, ` (${t("done")})`) : null))));
}

// --- one endpoint ----------------------------------------------------------------------------------------------------

function showOperation() {
  request = memory.edits.get(current.k) || prepared(current);
  const several = DATA.operations.filter(each => each.p === current.p && each.m === current.m).length > 1;
  byId("operation").replaceChildren(
    el("header", {},
      el("p", { class: "where" }, badge(current.m), el("code", {}, breakable(pathOf(current))), el("span", { class: "tag" }, t(current.a))),
      el("h1", {}, rich(t(current.s))),
      el("p", { class: "muted" }, callers(current), several && current.w ? [" · ", t("chosen by"), " ", rich(current.w)] : null)),
    editor(),
    el("section", { id: "answer", "aria-live": "polite" }),
    el("section", { class: "code" }, tabs(), el("pre", { id: "snippet", tabindex: "0", role: "tabpanel", "aria-label": t("The request as code") })),
    ...[parameters(), fields(), errors()].filter(Boolean));
  showAnswer();
  checkBody();
  showCodes();
  showSnippet();
  showList();
  showSteps();
  document.title = `${current.m} ${current.p} · Gerbang API`;
}

function editor() {
  const changed = name => event => {
    request[name] = event.target.value;
    memory.edits.set(current.k, request);
    checkBody();
    showSnippet();
  };
  const submit = event => { event.preventDefault(); sendNow(); };
  const quick = event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event); };
  return el("form", { class: "card request", onsubmit: submit, onkeydown: quick, "aria-label": t("Request"), autocomplete: "off" },
    el("div", { class: "line" },
      el("label", { class: "hidden", for: "method" }, t("Method")),
      el("input", { id: "method", value: request.method, list: "methods", spellcheck: "false", autocapitalize: "characters", oninput: changed("method") }),
      el("datalist", { id: "methods" }, ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map(value => el("option", { value }))),
      el("label", { class: "hidden", for: "url" }, "URL"),
      el("input", { id: "url", value: request.url, spellcheck: "false", inputmode: "url", oninput: changed("url") }),
      el("button", { id: "send", class: "primary", type: "submit" }, t("Send"))),
    area("headers", t("Headers"), changed("headers")),
    area("body", t("Body"), changed("body")),
    el("div", { id: "codes", class: "codes" }),
    el("p", { id: "validity", role: "status", class: "small" }),
    el("p", { class: "tools" },
      el("button", { type: "button", class: "link", onclick: () => { memory.edits.delete(current.k); showOperation(); } }, t("Restore the example")),
      el("span", { class: "muted small keys" }, t("Ctrl + Enter sends"))));
}

function area(id, label, oninput) {
  const rows = Math.min(Math.max(request[id].split("\n").length, id === "body" && !request.body ? 1 : 2), 16);
  return el("div", {}, el("label", { for: id }, label),
    withValue(el("textarea", { id, rows, spellcheck: "false", autocapitalize: "off", oninput, "aria-describedby": id === "body" ? "validity" : null }), request[id]));
}

function withValue(input, value) {
  input.value = value;
  return input;
}

function checkBody() {
  const area = byId("body");
  const checks = isJson(request) && request.body.trim();
  const mistake = checks ? jsonMistake(request.body) : null;
  area.setAttribute("aria-invalid", String(Boolean(mistake)));
  const state = byId("validity");
  const missing = /<[^>]+>/.test(request.headers + (checks ? request.body : ""));
  state.className = `small ${mistake ? "wrong" : missing ? "warn" : "muted"}`;
  const said = mistake ? t("Not valid JSON: line {line}, column {column}.", mistake)
    : missing ? t("Replace what is in angle brackets: sign in first and use its session, or take the code from the mail.")
    : checks ? t("Valid JSON.") : "";
  if (state.textContent !== said) state.textContent = said;
}

/** Change the JSON body by a function, which says whether it did. */
function fillBody(change) {
  const body = jsonObject(request.body);
  if (!body || !change(body)) return false;
  request.body = JSON.stringify(body, null, 2);
  memory.edits.set(current.k, request);
  showOperation();
  return true;
}

async function sendNow() {
  const button = byId("send");
  button.disabled = true;
  byId("answer").replaceChildren(el("p", { class: "muted" }, t("Waiting for the answer …")));
  const sent = current;
  const before = jsonObject(request.body);
  const answer = await send(request);
  answers.set(sent.k, answer);
  remember(sent, before, answer);
  button.disabled = false;
  if (current === sent) {
    showAnswer();
    byId("answer").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
}

/** Remember who registered or signed in, for the requests that follow. */
function remember(operation, sent, answer) {
  if (!(answer.status >= 200 && answer.status < 300)) return;
  memory.done.add(operation.k);
  if (sent && typeof sent.email === "string") memory.person.email = sent.email;
  if (sent && typeof sent.username === "string") memory.person.username = sent.username;
  const password = sent && (sent.new_password || sent.password);
  if (typeof password === "string") memory.person.password = password;
  if (sent && CODES.some(name => sent[name] === memory.code)) memory.code = "";
  if (operation.p.endsWith("/logout")) forgetSession();
  for (const key of memory.edits.keys()) if (key !== current.k) memory.edits.delete(key);
  showSteps();
}
