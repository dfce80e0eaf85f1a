// The answer and what an endpoint may answer; the request as code; the start.

function showAnswer() {
  const box = byId("answer");
  const answer = answers.get(current.k);
  if (!answer) {
    const [status, body] = current.r;
    box.replaceChildren(el("div", { class: "card" },
      el("h2", {}, t("Answer"), el("span", { class: "muted small" }, t("an example; press Send for a real one"))),
      el("p", { class: "line" }, pill(status)),
      body == null ? null : el("pre", { tabindex: "0", "aria-label": t("Body") }, paint(body))));
    return;
  }
  if (answer.problem) {
    box.replaceChildren(el("div", { class: "card problem", role: "alert" }, el("h2", {}, t("Answer")), el("p", {}, answer.problem)));
    return;
  }
  if (answer.redirect) {
    box.replaceChildren(el("div", { class: "card" }, el("h2", {}, t("Answer")), el("p", {}, t("A redirect. Browsers do not tell a page where it leads."))));
    return;
  }
  const parsed = parsedBody(answer.text);
  const session = sessionIn(parsed);
  const meaning = meaningOf(answer.status, parsed);
  const size = new TextEncoder().encode(answer.text).length;
  box.replaceChildren(el("div", { class: "card" },
    el("h2", {}, t("Answer")),
    el("p", { class: "line" }, pill(answer.status),
      el("span", { class: "muted small" }, `${answer.milliseconds} ms`), el("span", { class: "muted small" }, t("{size} bytes", { size: size.toLocaleString(language) }))),
    meaning ? el("p", { class: "meaning" }, rich(t(meaning))) : null,
    session ? offer(session) : null,
    parsed !== undefined ? el("pre", { tabindex: "0", "aria-label": t("Body") }, paint(parsed))
      : answer.text ? el("pre", { tabindex: "0", "aria-label": t("Body") }, answer.text)
      : el("p", { class: "muted" }, t("The answer has no body.")),
    el("details", {}, el("summary", {}, t("Headers"), ` (${answer.headers.length})`),
      el("pre", { tabindex: "0" }, answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n"))),
    next(answer)));
}

function parsedBody(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function pill(status) {
  return el("span", { class: `pill ${statusKind(status)}` }, `${status} ${DATA.statuses[status] || ""}`.trim());
}

/** Return what an error says, if it is one of this endpoint's. */
function meaningOf(status, body) {
  if (status < 400) return null;
  const text = JSON.stringify(body ?? "");
  const here = current.e.map(number => DATA.errors[number]).filter(([each]) => each === status);
  const found = here.find(([, , message]) => text.includes(JSON.stringify(message).slice(1, -1))) || (here.length === 1 ? here[0] : null);
  return found ? found[2] : null;
}

/** Return the button by which the tokens of an answer go into the next requests. */
function offer(session) {
  const taken = memory.session && memory.session.access === session.access;
  return el("div", { class: "offer" },
    el("p", {}, el("b", {}, t("This answer has a session.")), " ", taken ? t("The next requests use it.") : ""),
    taken ? null : el("button", { id: "use", class: "primary", onclick: () => {
      useSession(session);
      showAnswer();
      showSteps();
      say(t("The next requests use this session."));
      const onward = byId("next");
      if (onward) onward.focus();
    } }, t("Use this session")));
}

/** Return the way to the next of the five steps. */
function next(answer) {
  const position = STEPS.findIndex(([key]) => key === current.k);
  const after = STEPS[position + 1];
  if (position < 0 || !after || answer.status >= 300) return null;
  return el("p", { class: "onward" }, el("a", { id: "next", class: "button", href: `#${after[0]}` }, t("Next step: {step}", { step: t(after[1]) }), " →"));
}

// --- reference -------------------------------------------------------------------------------------------------------

function tabs() {
  const names = Object.keys(SNIPPETS);
  const choose = name => { snippet = name; showSnippet(); byId(`tab-${name}`).focus(); };
  const keys = event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) choose(names[(names.indexOf(snippet) + step + names.length) % names.length]);
  };
  return el("div", { class: "bar" },
    el("h2", {}, t("As code")),
    el("div", { role: "tablist", "aria-label": t("As code"), onkeydown: keys },
      names.map(name => el("button", { id: `tab-${name}`, role: "tab", "aria-controls": "snippet", onclick: () => choose(name) }, name))),
    el("button", { class: "quiet small", onclick: () => copy(SNIPPETS[snippet](request)) }, t("Copy")));
}

function showSnippet() {
  for (const name of Object.keys(SNIPPETS)) {
    const tab = byId(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === snippet));
    tab.tabIndex = name === snippet ? 0 : -1;
  }
  byId("snippet").textContent = SNIPPETS[snippet](request);
}

function table(title, heads, rows) {
  if (!rows.length) return null;
  return el("section", {}, el("h2", {}, title),
    el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": title }, el("table", {},
      el("thead", {}, el("tr", {}, heads.map(head => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows.map(cells => el("tr", {}, cells.map(cell => el("td", {}, cell))))))));
}

function fields() {
  return table(t("Fields of the body"), [t("Field"), t("Type"), t("Meaning")], (current.F || []).map(([name, type, required, about]) => [
    el("code", {}, breakable(name), required ? el("span", { class: "required", title: t("required") }, "*") : null),
    el("code", { class: "type" }, type),
    [required ? el("span", { class: "tag" }, t("required")) : null, " ", about ? rich(t(about)) : ""],
  ]));
}

function parameters() {
  return table(t("Parameters"), [t("Parameter"), t("Meaning")], (current.P || []).map(each => [
    el("code", {}, breakable(each.name)),
    [each.required ? [el("span", { class: "tag" }, t("required")), " "] : null, each.about ? rich(t(each.about)) : "",
     each.values ? [" ", el("code", {}, each.values.join(" | "))] : null],
  ]));
}

function errors() {
  return table(t("Errors"), [t("Status"), t("Code"), t("What it means and what to do")], current.e.map(number => DATA.errors[number]).map(
    ([status, code, message]) => [el("span", { class: `pill ${statusKind(status)}` }, String(status)), el("code", {}, breakable(code)), rich(t(message))]));
}

// --- start -----------------------------------------------------------------------------------------------------------

function route() {
  const found = BY_KEY.get(location.hash.slice(1));
  const first = !current;
  current = found || current || BY_KEY.get(STEPS[0][0]) || DATA.operations[0];
  closeMenu();
  showOperation();
  if (!first) {
    scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
  }
}

function closeMenu() {
  document.body.classList.remove("open");
  byId("menu").setAttribute("aria-expanded", "false");
}

function setLanguage(chosen) {
  language = chosen;
  const url = new URL(location.href);
  url.searchParams.set("lang", chosen);
  history.replaceState(null, "", url);
  memory.edits.forEach((edit, key) => { if (key !== current.k) memory.edits.delete(key); });
  shownMails = "";
  translateFrame();
  showSession();
  showOperation();
}

byId("language").append(...Object.entries(LANGUAGES).map(([value, name]) => el("option", { value, lang: value }, name)));
byId("language").value = language;
byId("language").addEventListener("change", event => setLanguage(event.target.value));
byId("search").addEventListener("input", showList);
byId("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("open");
  byId("menu").setAttribute("aria-expanded", String(open));
  if (open) byId("search").focus();
});
addEventListener("keydown", event => { if (event.key === "Escape") closeMenu(); });
addEventListener("hashchange", route);
translateFrame();
showSession();
route();
startLocal();
