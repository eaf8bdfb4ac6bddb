// A link has its secret in the fragment of the address, which no log has. It is sent in the body of a form, and the
// address is cleared before: neither the history nor a copied address has the secret.
function openLink() {
  const token = location.hash.slice(1);
  if (!token || document.getElementById(token)) return; // a place on this page
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.createElement("form");
  form.method = "post";
  form.action = `/${location.pathname.split("/")[1]}/session`;
  for (const [name, value] of [["link", `#${token}`], ["next", location.pathname]]) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}

openLink();
addEventListener("hashchange", openLink);

// The chosen period is in view.
document.querySelector(".periods [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
