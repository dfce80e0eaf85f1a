// JSON: where it is wrong, in words of ours, and how it is shown.

/** Return the line and column of the first mistake in a JSON text, null if there is none (RFC 8259). */
function jsonMistake(text) {
  let at = 0;
  const space = () => { while (/[ \t\n\r]/.test(text[at] || "")) at++; };
  const take = pattern => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return Boolean(found);
  };
  const list = (end, item) => {
    at++;
    space();
    if (text[at] === end) { at++; return true; }
    for (;;) {
      space();
      if (!item()) return false;
      space();
      if (text[at] === end) { at++; return true; }
      if (text[at] !== ",") return false;
      at++;
    }
  };
  const string = () => take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
  const member = () => {
    if (!string()) return false;
    space();
    if (text[at] !== ":") return false;
    at++;
    return value();
  };
  const value = () => {
    space();
    if (text[at] === "{") return list("}", member);
    if (text[at] === "[") return list("]", value);
    return string() || take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y);
  };
  if (value()) {
    space();
    if (at === text.length) return null;
  }
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/** Return an object that a JSON text is, null if it is none. */
function jsonObject(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Return JSON as elements, coloured by kind. */
function paint(value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const made = [];
  let end = 0;
  for (const found of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g)) {
    made.push(text.slice(end, found.index));
    const kind = found[2] ? "key" : found[1] ? "text" : "word";
    const long = !found[2] && found[0].length > 100;  // a token: one line of it is shown, all of it can be copied
    made.push(el("span", { class: long ? `${kind} long` : kind }, found[1] || found[0]), found[2] || "");
    end = found.index + found[0].length;
  }
  return [...made, text.slice(end)];
}
