// Live pages: when the server says that a contract has changed, fetch the page again and replace the parts that differ.
// Markup is parsed by XMLHttpRequest, which runs no scripts, so no text ever becomes markup here (Trusted Types).

const SILENCE_MS = 40_000; // the server gives a sign of life every 15 seconds
const PATIENCE_MS = 3_000; // a stream that ends is opened again within a second or two
const LATER_MS = 2_500; // notifications follow the figures a moment later

function fetchPage(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.responseType = "document";
    request.open("GET", address);
    request.onload = () => (request.status === 200 && request.response ? resolve(request.response) : reject());
    request.onerror = reject;
    request.send();
  });
}

// What a person has opened stays open, and the focus stays where it is.
function replacePart(old, fresh) {
  for (const details of old.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  if (old.isEqualNode(fresh)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const focusable = "a, button, summary, input, select, [tabindex]";
  const index = focused ? [...old.querySelectorAll(focusable)].indexOf(focused) : -1;
  old.replaceWith(fresh);
  if (index >= 0) fresh.querySelectorAll(focusable)[index]?.focus({ preventScroll: true });
  fresh.classList.add("is-new");
  setTimeout(() => fresh.classList.remove("is-new"), 1500);
}

function keepLive(root) {
  const status = document.querySelector("[data-live-status]");
  let revision = Number(root.dataset.revision);
  let stream, silence, later, stale;

  function say(text, isStale) {
    status.textContent = text;
    status.classList.toggle("is-stale", isStale);
  }

  function goStale() {
    if (!status.classList.contains("is-stale")) say(`${status.textContent}. Not live right now; reconnecting …`, true);
  }

  function listen() {
    clearTimeout(stale);
    clearTimeout(silence);
    silence = setTimeout(() => { goStale(); connect(); refresh(); }, SILENCE_MS);
  }

  async function refresh() {
    try {
      const page = await fetchPage(location.href);
      const fresh = page.querySelector("[data-live]");
      if (!fresh) return location.reload(); // signed out
      const parts = new Map([...fresh.querySelectorAll("[data-part]")].map((part) => [part.id, part]));
      const existing = [...root.querySelectorAll("[data-part]")];
      const isSame = existing.length === parts.size && existing.every((part) => parts.has(part.id));
      if (isSame) existing.forEach((part) => replacePart(part, parts.get(part.id)));
      else root.replaceChildren(...fresh.childNodes);
      revision = Math.max(revision, Number(fresh.dataset.revision));
      const time = page.querySelector("[data-live-status]").textContent;
      document.querySelector("[data-live-status]").textContent = time;
      document.querySelector("[data-live-status]").classList.remove("is-stale");
    } catch {
      goStale();
    }
  }

  function connect() {
    stream?.close();
    stream = new EventSource(root.dataset.live);
    stream.addEventListener("alive", listen);
    stream.addEventListener("stale", () => { listen(); goStale(); });
    stream.addEventListener("revision", (event) => {
      listen();
      if (Number(event.data) === revision && !status.classList.contains("is-stale")) return;
      clearTimeout(later);
      later = setTimeout(refresh, LATER_MS);
      refresh();
    });
    stream.addEventListener("error", () => {
      clearTimeout(stale);
      stale = setTimeout(goStale, PATIENCE_MS);
    });
    listen();
  }

  connect();
  // A page that nobody sees costs nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { stream.close(); clearTimeout(silence); } else { connect(); refresh(); }
  });
}

const live = document.querySelector("[data-live]");
if (live) keepLive(live);

// A page of operations is read again every few seconds, as long as somebody sees it.
const polled = document.querySelector("[data-poll-seconds]");
async function poll() {
  const status = document.querySelector("[data-live-status]");
  try {
    const page = await fetchPage(location.href);
    if (!page.querySelector("[data-poll-seconds]")) return location.reload(); // signed out
    for (const part of polled.querySelectorAll("[data-part]")) {
      const fresh = page.getElementById(part.id);
      if (fresh) replacePart(part, fresh);
    }
    status.textContent = page.querySelector("[data-live-status]").textContent;
    status.classList.remove("is-stale");
  } catch {
    status.classList.add("is-stale");
  }
}
if (polled) setInterval(() => { if (!document.hidden) poll(); }, 1000 * Number(polled.dataset.pollSeconds));

// Choosing a filter applies it.
for (const form of document.querySelectorAll("[data-filters]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, input[type=date]")) form.requestSubmit();
  });
  // Fields without a value do not belong in the address.
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
}

// The slider over the days on which a contract was known.
for (const form of document.querySelectorAll("[data-known-days]")) {
  const day = form.elements.as_of;
  const slider = form.querySelector("[type=range]");
  slider.hidden = false;
  slider.addEventListener("input", () => {
    day.valueAsNumber = Date.parse(day.min) + Number(slider.value) * 86_400_000;
    slider.setAttribute("aria-valuetext", day.value);
  });
  slider.addEventListener("change", () => form.requestSubmit());
}

// After a preference is saved, come back to exactly this address.
for (const field of document.querySelectorAll("[data-here]")) field.value = location.pathname + location.search;

// The chosen period is in view.
document.querySelector(".periods [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// What was just saved needs no draft any more (editor.js keeps one for each form, with the key that was sent).
if (location.hash.startsWith("#saved-")) {
  const saved = location.hash.slice("#saved-".length);
  for (const name of Object.keys(sessionStorage)) {
    if (name.startsWith("tidemark-draft:") && sessionStorage[name].includes(`"${saved}"`)) sessionStorage.removeItem(name);
  }
  history.replaceState(null, "", location.pathname + location.search);
}

// A link with a token in its fragment, which no log has, signs in on this machine. Elsewhere a person presses the button,
// so that no link signs anybody in unnoticed.
const signIn = document.querySelector("form[action='/sign-in']");
const token = decodeURIComponent(location.hash.slice(1));
if (signIn && token) {
  history.replaceState(null, "", location.pathname + location.search);
  signIn.elements.token.value = token;
  signIn.closest("details")?.setAttribute("open", "");
  if (["127.0.0.1", "localhost", "[::1]"].includes(location.hostname)) signIn.requestSubmit();
}
