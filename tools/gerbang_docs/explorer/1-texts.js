// Texts in four languages, and how elements are made. Nothing is ever parsed as HTML.
const DATA = JSON.parse(document.getElementById("data").textContent);
const LANGUAGES = { en: "English", id: "Bahasa Indonesia", it: "Italiano", es: "Español" };
const POSITION = new Map(DATA.texts.en.map((text, position) => [text, position]));
let language = chosenLanguage();

function chosenLanguage() {
  const wanted = [new URL(location.href).searchParams.get("lang"), ...(navigator.languages || [navigator.language])];
  const tags = wanted.map(tag => (tag || "").toLowerCase().split("-")[0]).map(tag => (tag === "in" ? "id" : tag));
  return tags.find(tag => tag in LANGUAGES) || "en";
}

/** Return a text in the reader's language; `{name}` is replaced by the value of that name. */
function t(text, values = {}) {
  const translated = DATA.texts[language][POSITION.get(text)] ?? text;
  return translated.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

/** Return an element. Properties that begin with "on" are listeners; others are attributes. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter(child => child != null && child !== false));
  return made;
}

/** Return a text with its `code` spans as elements. */
function rich(text) {
  return text.split("`").map((part, number) => (number % 2 ? el("code", {}, part) : part));
}

function byId(id) {
  return document.getElementById(id);
}

function translateFrame() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", t(each.dataset.label));
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = t(each.dataset.placeholder);
}

let quiet;
/** Tell the reader what happened, for two seconds; screen readers read it out. */
function say(text) {
  const toast = byId("said");
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(quiet);
  quiet = setTimeout(() => { toast.classList.remove("shown"); toast.textContent = ""; }, 2500);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say(t("Copied."));
  } catch {
    say(t("The browser does not let this page copy. Select the text instead."));
  }
}
