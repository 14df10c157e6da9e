// What is looked at lives in the address, behind the #: it can be kept, sent and gone back to.

const readState = () => Object.fromEntries(new URLSearchParams(window.location.hash.slice(1)));

function linkTo(state) {
  const kept = Object.entries(state).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `#${new URLSearchParams(kept)}`;
}

// Every choice stays in the address, so that going to another section and back loses nothing.
function setState(changes) {
  const address = linkTo({ ...readState(), ...changes });
  if (address === window.location.hash) return;
  window.history.replaceState(null, "", address);
  showState();
}

const sections = new Map();

function section(name, render) {
  sections.set(name, render);
}

// What only few readers look at arrives squeezed, and is put into its place when it is looked at.
function unpackParts(panel) {
  for (const part of panel.querySelectorAll("script.part")) {
    const place = el("div");
    place.innerHTML = textOf(inflate(bytesOf(part.textContent), Number(part.dataset.size))); // made by the page's own templates
    part.replaceWith(place);
  }
}

function showState() {
  const state = readState();
  const tab = sections.has(state.tab) || document.getElementById(`panel-${state.tab}`) ? state.tab : "overview";
  hideTip();
  for (const link of document.querySelectorAll("[role=tab]")) {
    const chosen = link.id === `tab-${tab}`;
    link.setAttribute("aria-selected", String(chosen));
    link.tabIndex = chosen ? 0 : -1;
    document.getElementById(link.getAttribute("aria-controls")).hidden = !chosen;
  }
  unpackParts(document.getElementById(`panel-${tab}`));
  const render = sections.get(tab);
  if (render) render(state);
}
