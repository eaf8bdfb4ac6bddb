// Forms of the editor: violations as one types, rows without a new page, a draft that survives, and suggestions.
// The server draws everything: this script sends the form as the buttons would, and takes over what has changed.

const CHECK_MS = 500;
const SUGGEST_MS = 150;
const DRAFT = "tidemark-draft:";
const UNSAVED = ["version", "key", "base"]; // what a page keeps until it is sent

function request(method, address, type, body) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.responseType = type;
    request.onload = () => (request.response && request.status < 500 ? resolve(request.response) : reject());
    request.onerror = reject;
    if (body) request.setRequestHeader("content-type", "application/x-www-form-urlencoded");
    request.send(body);
  });
}

const post = (form, action) => {
  const values = new URLSearchParams(new FormData(form));
  values.set("action", action);
  return request("POST", location.pathname, "document", values.toString());
};

function keepEditor(form) {
  const draftKey = DRAFT + location.pathname;
  const touched = new Set();
  let timer, isSent = false, isDirty = false, number = 0;

  // What is new is most likely in the time zone of who makes it.
  const { timezone, base } = form.elements;
  if (timezone && !timezone.value && !base) timezone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;

  // A person sees what is wrong where they have been, not what they have not reached yet.
  function isReached(name) {
    return [...touched].some((other) => other === name || other.startsWith(`${name}/`));
  }

  function takeMessages(page) {
    for (const old of form.querySelectorAll("[data-message]")) {
      const name = old.dataset.message;
      const text = isReached(name) ? page.getElementById(old.id)?.textContent ?? "" : "";
      if (old.textContent !== text) old.textContent = text;
      const control = document.getElementById(name);
      if (control?.name) control.toggleAttribute("aria-invalid", Boolean(text));
      if (text && control?.name) control.setAttribute("aria-invalid", "true");
    }
    for (const id of ["conflict", "preview"]) {
      const old = document.getElementById(id), fresh = page.getElementById(id);
      // Questions stay, with their answers, until the form is sent.
      if (old && fresh && !old.querySelector("fieldset") && !old.isEqualNode(fresh)) old.replaceWith(fresh);
    }
    for (const old of form.querySelectorAll("[data-figure]")) {
      const text = page.getElementById(old.id)?.textContent ?? "";
      if (old.textContent !== text) old.textContent = text;
    }
  }

  const names = (root) => [...root.querySelectorAll("[data-message]")].map((message) => message.dataset.message).join();

  // Other fields: take the form of the server, and stay where one is.
  function takeForm(page, focus) {
    const fresh = page.querySelector("[data-editor]");
    if (!fresh) return;
    const id = focus ?? document.activeElement?.id;
    for (const name of UNSAVED) if (form.elements[name]) fresh.elements[name].value = form.elements[name].value;
    fresh.querySelector("#problems")?.remove();
    for (const control of fresh.querySelectorAll("[autofocus]")) control.removeAttribute("autofocus");
    form.replaceChildren(...fresh.childNodes);
    for (const message of form.querySelectorAll("[data-message]")) {
      if (isReached(message.dataset.message)) continue;
      message.textContent = "";
      document.getElementById(message.dataset.message)?.removeAttribute("aria-invalid");
    }
    document.getElementById(id)?.focus();
  }

  async function check() {
    const mine = ++number;
    try {
      const page = await post(form, "check");
      const fresh = page.querySelector("[data-editor]");
      if (mine !== number || !fresh || isSent) return;
      if (names(fresh) !== names(form)) takeForm(page);
      takeMessages(page);
    } catch {
      // The form still works; it is checked again when it is sent.
    }
  }

  function keep() {
    isDirty = true;
    const values = [...new FormData(form)].filter(([name]) => name !== "version");
    const version = form.elements.version.value;
    sessionStorage.setItem(draftKey, JSON.stringify({ at: Date.now(), version, values }));
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_MS);
  }

  form.addEventListener("input", (event) => {
    if (event.target.name) number += 1;
    keep();
  });
  form.addEventListener("change", (event) => {
    touched.add(event.target.name);
    keep();
  });

  form.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-change]");
    if (!button) return;
    event.preventDefault();
    const before = new Set([...form.elements].map((element) => element.name));
    const group = button.closest(".form-group")?.id;
    try {
      let page, mine;
      do { // what was typed meanwhile goes along
        mine = ++number;
        page = await post(form, button.value);
      } while (mine !== number);
      takeForm(page, "");
      const added = [...form.elements].find((element) => element.name && element.type !== "hidden" && !before.has(element.name));
      if (button.value.startsWith("add ")) added?.focus();
      else if (group) document.getElementById(group)?.focus();
      else takeMessages(page);
      if (button.value !== "check") keep();
    } catch {
      isSent = true; // without the script the button sends the form
      form.requestSubmit(button);
    }
  });

  form.addEventListener("submit", () => {
    keep();
    clearTimeout(timer);
    number += 1;
    isSent = true;
  });
  form.addEventListener("click", (event) => {
    if (event.target.closest("[data-leave]")) { isSent = true; sessionStorage.removeItem(draftKey); }
  });
  addEventListener("pageshow", () => { isSent = false; });
  addEventListener("beforeunload", (event) => {
    if (isDirty && !isSent) event.preventDefault();
  });

  function offerDraft() {
    const draft = JSON.parse(sessionStorage.getItem(draftKey) ?? "null");
    // What comes back with violations is what was typed.
    if (!draft || form.querySelector("#problems, #conflict > *")) return;
    const offer = document.createElement("section");
    offer.className = "card draft";
    offer.setAttribute("role", "status");
    const text = document.createElement("p");
    text.textContent = `What you typed at ${new Date(draft.at).toLocaleTimeString()} is not saved yet.`;
    const restore = document.createElement("button"), discard = document.createElement("button");
    restore.type = discard.type = "button";
    restore.className = discard.className = "button quiet";
    restore.textContent = "Continue with it";
    discard.textContent = "Discard it";
    restore.addEventListener("click", async () => {
      const values = new URLSearchParams(draft.values);
      values.set("version", draft.version);
      values.set("action", "check");
      const page = await request("POST", location.pathname, "document", values.toString());
      takeForm(page, "");
      form.elements.version.value = draft.version;
      const base = new Map(draft.values).get("base");
      if (base && form.elements.base) form.elements.base.value = base;
      offer.remove();
      isDirty = true;
      takeMessages(page);
      form.querySelector(".field :is(input, select, textarea)")?.focus();
    });
    discard.addEventListener("click", () => { sessionStorage.removeItem(draftKey); offer.remove(); });
    offer.append(text, restore, discard);
    form.before(offer);
  }
  if (form.querySelector("#problems, #conflict > *")) isDirty = true;
  offerDraft();
}

// Suggestions for what is typed, from all names and not only the first.
let suggesting;
function suggest(event) {
  const input = event.target;
  if (!input.matches?.("[data-source]")) return;
  clearTimeout(suggesting);
  suggesting = setTimeout(async () => {
    const address = `/choices/${input.dataset.source}?text=${encodeURIComponent(input.value)}`;
    const found = await request("GET", address, "json").catch(() => null);
    if (!Array.isArray(found) || (found.length === 1 && found[0] === input.value)) return;
    input.list?.replaceChildren(...found.map((name) => Object.assign(document.createElement("option"), { value: name })));
  }, SUGGEST_MS);
}

const editor = document.querySelector("[data-editor]");
if (editor) {
  keepEditor(editor);
  editor.addEventListener("input", suggest);
  editor.addEventListener("focusin", suggest);
}
