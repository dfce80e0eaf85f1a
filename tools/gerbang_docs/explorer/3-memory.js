// What the page remembers: in this object and nowhere else. It is gone when the page is.
const IS_LOCAL = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const ACCESS = ["accessToken", "access_token", "token"];
const REFRESH = ["refreshToken", "refresh_token"];
const CODES = ["otp", "token"];
const memory = {
  session: null,
  keys: { publishable: "", secret: "" },
  code: "",
  person: { email: newAddress(), username: newName(), password: null },
  done: new Set(),
  edits: new Map(),
};

function newName() {
  return `user.${Math.random().toString(36).slice(2, 8)}`;
}

function newAddress() {
  return `${newName()}@example.com`;
}

/** Return the session that an answer has, null if it has none. */
function sessionIn(body) {
  const data = body && typeof body.data === "object" && body.data ? body.data : body;
  if (!data || typeof data !== "object") return null;
  const first = names => names.map(name => data[name]).find(value => typeof value === "string" && value.startsWith("eyJ"));
  const access = first(ACCESS);
  const refresh = first(REFRESH);
  if (!access) return null;
  const user = data.user || {};
  return {
    access,
    refresh,
    organization: (data.organization && data.organization.id) || user.organizationId || "",
    name: user.email || user.username || user.id || "",
  };
}

/** Take a session over: requests that need a token have it from now on. */
function useSession(session) {
  memory.session = session;
  memory.edits.clear();
  showSession();
}

function forgetSession() {
  memory.session = null;
  memory.edits.clear();
  showSession();
}

function masked(token) {
  return token.length > 22 ? `${token.slice(0, 10)}…${token.slice(-8)}` : token;
}

function showSession() {
  const session = memory.session;
  const rows = session
    ? [["Access token", session.access], ["Refresh token", session.refresh], ["Organization", session.organization]]
    : [];
  const known = rows.filter(([, value]) => value).map(([name, value]) => [
    el("dt", {}, t(name)),
    el("dd", {}, el("code", {}, masked(value)),
      el("button", { class: "link", onclick: () => copy(value), "aria-label": `${t("Copy")}: ${t(name)}` }, t("Copy"))),
  ]);
  byId("session").replaceChildren(
    el("h2", {}, t("Session"), session ? el("span", { class: "dot on" }) : null),
    ...session
      ? [el("p", { class: "who" }, session.name || t("Guest")), el("dl", {}, known),
         el("button", { class: "quiet small", onclick: () => { forgetSession(); showOperation(); } }, t("Forget"))]
      : [el("p", { class: "muted" }, t("Nobody is signed in. Sign in, then press “Use this session” in the answer."))],
    el("label", { class: "field", for: "publishable" }, t("API key (apikey)"),
      el("input", { id: "publishable", value: memory.keys.publishable, autocomplete: "off", spellcheck: "false",
        oninput: event => { memory.keys.publishable = event.target.value.trim(); },
        onchange: () => { memory.edits.clear(); showOperation(); } })),
    el("p", { class: "muted small" }, IS_LOCAL
      ? t("Everything stays in this page's memory. Reloading it forgets all.")
      : t("This is a live deployment: requests make accounts and send mail. Everything you enter stays in this page's memory.")),
  );
}

// --- the mailbox of `make run` ---------------------------------------------------------------------------------------

let shownMails = "";
let mails = [];

async function startLocal() {
  if (!IS_LOCAL) return;
  try {
    const keys = await (await fetch("/_local/config.json")).json();
    memory.keys = { publishable: keys.publishable_key || "", secret: keys.secret_key || "" };
  } catch {
    return;
  }
  showSession();
  showOperation();
  byId("mailbox").hidden = false;
  showMails();
  readMails();
}

async function readMails() {
  try {
    if (!document.hidden) {
      const listed = await (await fetch("/_local/mailbox.json")).json();
      const key = language + JSON.stringify(listed.map(mail => [mail.at, mail.to]));
      if (key !== shownMails) {
        shownMails = key;
        mails = listed.reverse();
        showMails();
        showCodes();
      }
    }
  } catch { /* the server was stopped; the next request says so */ }
  setTimeout(readMails, 1000);
}

/** Return a button for each code and token of a mail. */
function codesOf(mail) {
  const lines = mail.text.split("\n").map(line => line.trim());
  const codes = lines.filter(line => /^\d{6}$/.test(line) || /^[A-Za-z0-9]{65}$/.test(line));
  return codes.map(code => el("button", { type: "button", class: "code", onclick: () => useCode(code, mail.to) },
    el("code", {}, masked(code)), el("span", {}, t("Use this code"))));
}

/** Show the newest code for this address beside a body that asks for one. */
function showCodes() {
  const body = jsonObject(request.body) || {};
  const asks = CODES.some(name => name in body) && !REGISTERS.test(current.p);
  const mail = asks && mails.find(each => each.to === memory.person.email);
  byId("codes").replaceChildren(...(mail ? codesOf(mail) : []));
}

function showMails() {
  const entries = mails.slice(0, 8).map(mail => {
    const time = new Date(mail.at).toLocaleTimeString(language);
    return el("li", {},
      el("p", { class: "subject" }, mail.subject),
      el("p", { class: "muted small" }, mail.to, " · ", time),
      el("div", { class: "codes" }, codesOf(mail)),
      el("details", {}, el("summary", {}, t("Show the mail")), el("pre", { tabindex: "0" }, mail.text)));
  });
  byId("mailbox").replaceChildren(
    el("h2", {}, t("Mailbox"), el("a", { href: "/_local/", class: "small" }, t("Open"))),
    entries.length ? el("ul", { class: "mails" }, entries)
      : el("p", { class: "muted" }, t("No mail yet. What the API sends appears here.")));
}

/** Put a code from a mail into the request that is shown, or keep it for the next that asks for one. */
function useCode(code, address) {
  memory.code = code;
  memory.person.email = address;
  const taken = fillBody(body => {
    const name = CODES.find(each => each in body);
    if (!name) return false;
    body[name] = code;
    if ("email" in body) body.email = address;
    return true;
  });
  if (taken) {
    say(t("The code is in the request. Press Send."));
    byId("send").focus();
  } else {
    memory.edits.clear();
    say(t("The next request that asks for a code has it."));
  }
}
